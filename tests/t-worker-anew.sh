#!/bin/bash
# What the workers leave to each other is of no use any more: none comes to
# serve. Callers shall not hang for ever: they get an error, and the mount is
# made anew. What is changed then reaches the replica, as what was before, and
# the bare tree is not there for a moment.
. "$(dirname "$0")/functions.sh"
need pgrep
expect_log "fs worker died|cannot start|mapping shared memory"
expect_log "no fs worker comes to serve|somebody has cut|out of service"
expect_log "raw shows"

pipe_replicas 1
mkdir "$T/raw" && mount --bind "$T/tree" "$T/raw" && mount --make-private "$T/raw" ||
	skip "no bind mounts"
LOWERS+=("$T/raw")
check "mount" mount_tree "${REPLICAS[@]}"

# looks until told to stop whether the tree below is there
watch() {
	while [ ! -e "$T/enough" ]; do
		[[ $T/tree -ef $T/raw ]] && touch "$T/bare"
	done
}
SUPERVISOR=$(status_pid supervisor_pid)
echo before >"$T/tree/before"
exec 5>"$T/tree/open" && echo one >&5
# being written, and all that SFTP tells is the same
echo old >"$T/tree/same"
same_there() { cmp -s "$T/tree/same" "$T/replica1/same"; }
check "it is there" wait_for 60 same_there
was=$(stat -c %y "$T/tree/same")
exec 6<>"$T/tree/same" && printf new >&6 && touch -d "$was" "$T/tree/same"
# and long before the record that is the first of what the replica lacks
older() { [ $(($(date +%s) - $(stat -c %Z "$T/tree/same"))) -gt 3 ]; }
check "it is older" wait_for 60 older
touch "$T/tree/newer"
check "it is there" wait_for 60 test -e "$T/replica1/newer"

# spoil - the memory of the first pages, which tell what it is
spoil() {
	local fd
	for fd in "/proc/$SUPERVISOR/fd/"*; do
		[[ $(readlink "$fd") == *mirrorfs-kept* ]] || continue
		dd if=/dev/zero of="$fd" bs=16 count=1 conv=notrunc \
			2>/dev/null || fail "dd"
	done
}
spoil
serves() {
	mounted_at "$T/tree" && touch "$T/tree/touched" 2>/dev/null
}
watch &
WATCH=$!
CHILDREN+=($!)
kill -9 "$(status_pid worker_pid)"
# one call is under way at that time: it ends, well or not
timeout 150 cat "$T/tree/before" >/dev/null 2>&1
[ $? != 124 ] || fail "a caller hangs"
check "it serves again" wait_for 60 serves
check "announced" wait_for 60 grep -q "mounted again" "$T/state/mirrorfs.log"
check "why" wait_for 60 grep -q " error .*no fs worker comes to serve" \
	"$T/state/mirrorfs.log"
equal "$(status_pid supervisor_pid)" "$SUPERVISOR" "the supervisor"
refuse "a file from before" sh -c 'echo two >&5' 2>/dev/null
refuse "it is said to be around the mount" grep -q "around the mount" \
	<("$MIRRORFS" status "$T/tree")
exec 5>&- 6>&-
equal "$(cat "$T/tree/open")" one "its content"
echo after >"$T/tree/after"
check "wait" synced
check "same" same "$T/replica1"

# somebody cuts the connection, again and again
mkdir "$T/ctl" && mount -t fusectl none "$T/ctl" || skip "no fusectl"
for _ in 1 2 3 4 5 6; do
	device=$(stat -c %d "$T/tree")
	minor=$(((device & 255) | (device >> 12 & ~255)))
	echo 1 >"$T/ctl/$minor/abort" || fail "abort"
	check "it serves again" wait_for 60 serves
	equal "$(cat "$T/tree/after")" after "content"
done
check "told" wait_for 60 grep -q " error .*somebody has cut" \
	"$T/state/mirrorfs.log"
umount "$T/ctl" || fail "umount of fusectl"

# a mount anew has not helped for a minute: it stays dead, and says so. (On a slow
# machine the last one is longer ago, and there is another one first)
echo last >"$T/tree/last"
check "wait" synced
given_up() { grep -q "out of service" "$T/state/mirrorfs.log"; }
decided() { given_up || serves; }
for _ in 1 2 3; do
	spoil
	kill -9 "$(status_pid worker_pid)"
	timeout 150 cat "$T/tree/last" >/dev/null 2>&1
	[ $? != 124 ] || fail "a caller hangs"
	check "it is decided" wait_for 60 decided
	given_up && break
done
check "given up" given_up
refuse "somebody is served" ls "$T/tree" 2>"$T/said"
check "not connected" grep -q "not connected" "$T/said"
refuse "status is well" "$MIRRORFS" status "$T/tree" >"$T/said" 2>&1
cat "$T/said"
check "it tells what to do" \
	grep -q "OUT OF SERVICE.* umount and mount" "$T/said"
touch "$T/enough"
wait "$WATCH"
umount "$T/tree" || fail "umount"
MOUNTS=()
check "it ends by that" wait_for 60 process_gone "$SUPERVISOR"
refuse "bare" test -e "$T/bare"
check "mount" mount_tree
equal "$(cat "$T/tree/last")" last "after all"
echo more >"$T/tree/last"
check "wait" synced
check "same" same "$T/replica1"
exit 0
