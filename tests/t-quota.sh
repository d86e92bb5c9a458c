#!/bin/bash
# The file system below says that a quota is used up (EDQUOT, as of a qgroup
# of btrfs): whoever changes something hears what he would hear below, the
# journal tells only of what was done, and goes on when there is room again.
. "$(dirname "$0")/functions.sh"
need btrfs
mkdir "$T/pool"
lay_below btrfs "$T/pool"
btrfs quota enable "$T/pool" 2>"$T/said" ||
	skip "no quotas: $(cat "$T/said")"
check "subvolume" btrfs -q subvolume create "$T/pool/part"
GROUP=0/$(btrfs inspect-internal rootid "$T/pool/part")
check "mount below" mount -t btrfs -o subvol=part \
	"$(awk -v p="$T/pool" '$2 == p { print $1 }' /proc/self/mounts)" \
	"$T/tree"
LOWERS+=("$T/tree")

# limit SIZE - from outside: from within it would count, too
limit() {
	btrfs qgroup limit "$1" "$GROUP" "$T/pool" || fail "limit $1"
}

# prepare - what the tries find, without a limit
prepare() {
	limit none
	rm -rf "$T/tree/work"
	mkdir -m 777 "$T/tree/work"
	(cd "$T/tree/work" && as_user bash -c '
		head -c 100000 /dev/urandom >old; mkdir dir
		head -c 4M /dev/urandom >large') || fail "prepare"
	sync -f "$T/pool"
}

# tries - each change once; the errors are part of the answer
tries() {
	(cd "$T/tree/work" && LC_ALL=C as_user bash -c '
	data() { dd if=/dev/zero bs=64k count=4 "$@" 2>&1 | grep -o "[A-Z][a-z ]*exceeded"; }
	mkdir new-dir; ln -s x new-link; mkfifo new-fifo; : >new; ln old new-name
	echo data; data of=old conv=notrunc,fsync
	echo append; data of=old oflag=append conv=notrunc,fsync
	fallocate -l 1M old; mv old moved; mv dir dir2; truncate -s 2M old
	setfattr -n user.a -v b old; chmod 600 old; touch -d 2001-01-01 old
	ls' tries 2>&1) | sed 's/line [0-9]*/line/; s/: write error//'
}

records() {
	"$MIRRORFS" log "$T/tree" --json | grep -c .
}

prepare
limit 1M # it has more than that
tries >"$T/below"
cat "$T/below"
check "the limit binds below" grep -q 'quota exceeded' "$T/below"

# all is used up: as below, and nothing happened
pipe_replicas 1
prepare
check "mount" mount_tree "${REPLICAS[@]}"
limit 1M
tries >"$T/above"
diff "$T/below" "$T/above" || fail "not as below"
check "wait" synced
check "same" same "$T/replica1"
for name in new new-dir new-link new-fifo new-name moved dir2; do
	[ -e "$T/tree/work/$name" ] || [ -L "$T/tree/work/$name" ] ||
		refuse "a record of $name" grep -q "work/$name\"" \
			<("$MIRRORFS" log "$T/tree" --json)
done
BEFORE=$(records)
refuse "mkdir" as_user mkdir "$T/tree/work/new-dir" 2>/dev/null
equal "$(records)" "$BEFORE" "records of what failed"

# used up in the middle of a file: what was written is there, and no more
prepare
limit 12M
refuse "it does not fit" as_user dd if=/dev/urandom bs=64k count=400 \
	of="$T/tree/work/grows" conv=fsync 2>"$T/said"
check "the writer hears why" grep -qi 'quota exceeded' "$T/said"
check "some of it fits" test -s "$T/tree/work/grows"
refuse "neither does that" as_user fallocate -l 20M "$T/tree/work/old" \
	2>"$T/said"
check "and hears why" grep -qi 'quota exceeded' "$T/said"
check "wait" synced
check "same" same "$T/replica1"

# there is room again
limit none
check "goes on" as_user dd if=/dev/urandom bs=64k count=100 oflag=append \
	conv=notrunc of="$T/tree/work/grows" status=none
check "wait" synced
check "same" same "$T/replica1"
exit 0
