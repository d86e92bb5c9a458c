#!/bin/bash
# Of a file that the replica has only what changed travels, and what arrives is
# the same, whatever was done to it.
. "$(dirname "$0")/functions.sh"
. "$TESTS/property.sh"

MB=$((1 << 20))
# what sync has read: mostly the files that it sent
read_bytes() {
	awk '$1 == "rchar:" { print $2 }' "/proc/$(status_pid sync_pid)/io"
}
# costs AT-MOST TEXT COMMAND... - bytes read until the replica has it
costs() {
	local most=$1 text=$2 before after
	shift 2
	before=$(read_bytes)
	check "$text" "$@"
	check "wait, $text" synced
	check "same, $text" same "$T/replica1"
	after=$(read_bytes)
	say "$text: $((after - before)) bytes read"
	[ $((after - before)) -le "$most" ] || fail "$text cost too much"
}
patch_at() { # OFFSET TEXT FILE
	printf %s "$2" | dd of="$3" bs=1 seek="$1" conv=notrunc status=none
}

pipe_replicas 1
check "mount" mount_above 1M "${REPLICAS[@]}"
head -c $((32 * MB)) /dev/urandom >"$T/tree/large"
check "wait" synced
costs $MB "five bytes" patch_at $((20 * MB + 77)) hello "$T/tree/large"
costs $MB "an append" eval "echo more >>'$T/tree/large'"
# at once, as it is sent at each settle-age else
check "pause" "$MIRRORFS" replica pause "$T/tree" r1
head -c $((40 * MB)) /dev/urandom >>"$T/tree/large"
costs $((45 * MB)) "more than there was" "$MIRRORFS" replica resume \
	"$T/tree" r1
check "cut" truncate -s $((32 * MB)) "$T/tree/large"
costs $MB "a cut" truncate -s $((31 * MB + 3)) "$T/tree/large"
costs $MB "a hole behind" truncate -s $((40 * MB)) "$T/tree/large"
costs $MB "bytes behind the old end" patch_at $((40 * MB + 5000)) x \
	"$T/tree/large"
costs $MB "a hole in it" fallocate -p -o $((3 * MB)) -l $((2 * MB)) \
	"$T/tree/large"
[ "$(stat -c %b "$T/replica1/large")" -lt $((36 * MB / 512)) ] ||
	fail "holes were filled"
both() {
	patch_at 5 five "$1" && ln "$1" "$1.name" &&
		patch_at $((9 * MB)) nine "$1.name" &&
		mv "$1" "$1.moved" && patch_at 0 zero "$1.moved"
}
check "names" both "$T/tree/large"
check "wait, names" synced
check "same, names" same "$T/replica1"
costs $MB "by another name" patch_at 7 seven "$T/tree/large.name"

# who may write on the replica gets no secret of its root this way
head -c $((32 * MB)) /dev/zero | tr '\0' S >"$T/secret"
ln -sf "$T/secret" "$T/replica1/large.moved"
check "write" patch_at 99 more "$T/tree/large.moved"
check "wait" synced
check "same, after a link was laid" same "$T/replica1"
refuse "the secret" grep -q SSSSSSSSSSSSSSSS "$T/replica1/large.moved"
check "umount" umount_tree

check "mount" mount_above never "${REPLICAS[@]}"
costs $((64 * MB)) "all of it" patch_at 6 five "$T/tree/large.name"
check "umount" umount_tree

# everything that users do, as far as it can be done so
check "mount" mount_above 0 "${REPLICAS[@]}" -o aside-above=0
property_rounds 1 4 "$(scaled 1000)"
property_parked
exit 0
