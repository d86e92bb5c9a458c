#!/bin/bash
# What is reserved for root is not given to others, and nobody is bound by the
# limits of the shell from which the tree was mounted.
. "$(dirname "$0")/functions.sh"
need mkfs.ext4 losetup

# an ext4 of 40 MB, a fifth of it for root
truncate -s 40M "$T/image" && mkfs.ext4 -q -m 20 "$T/image" ||
	skip "no ext4 can be made"
mount -o loop "$T/image" "$T/tree" 2>/dev/null || skip "no loop device"
MOUNTS+=("$T/tree")
unmount_below() { umount "$T/tree" || umount -l "$T/tree"; }
trap 'r=$?; cd /; "$MIRRORFS" umount "$T/tree" >/dev/null 2>&1
	unmount_below; MOUNTS=(); end_test $r' EXIT
chmod 777 "$T/tree"

# room - as much as in the beginning: who has a file open last, when that is
# removed, may close it later
room() {
	[ "$(df -k --output=avail . | tail -n 1)" -gt $((AVAIL - 400)) ]
}
# fill COMMAND... - how many KiB somebody can write in three ways
fill() {
	local how used=()
	for how in write fallocate copy; do
		"$@" bash -c '
		case $1 in
		write) cat /dev/zero >f ;;
		fallocate) for i in {1..80}; do
			fallocate -l 1M f$i || break; done ;;
		copy) head -c 1M /dev/zero >f0 && for i in {1..80}; do
			cp f0 f$i || break; done ;;
		esac' fill $how 2>/dev/null
		sync -f .
		used+=("$(du -sk . | cut -f1)")
		rm -f f*
		sync -f .
		wait_for 60 room
	done
	echo "${used[@]}"
}

cd "$T/tree" || fail "cd"
AVAIL=$(df -k --output=avail . | tail -n 1)
BELOW=$(fill as_user)
ROOT=$(fill env)
cd "$T" || fail "cd"
# with a limit that would bind a worker who inherited it
(ulimit -S -f 100; mount_tree) || fail "mount"
LOGS+=("$T/state/mirrorfs.log")
cd "$T/tree" || fail "cd"
ABOVE=$(fill as_user)
ROOT_ABOVE=$(fill env)
say "a user: below $BELOW, above $ABOVE; root: $ROOT, $ROOT_ABOVE (KiB)"
set -- $BELOW $ABOVE $ROOT $ROOT_ABOVE
for i in 1 2 3; do
	below=$1 above=$4 root=$7 root_above=${10}
	check "the reserve is there ($below, $root)" \
		test "$root" -gt $((below + 4000))
	check "a user stops where he would stop below ($below, $above)" \
		test "$above" -le $((below + 400)) -a \
		"$above" -gt $((below - 2000))
	check "root goes on ($root, $root_above)" \
		test "$root_above" -gt $((root - 2000))
	shift
done

# made, not written: names and folders need blocks, too
as_user sh -c 'cat /dev/zero >f' 2>/dev/null
refuse "a folder from the reserve" as_user sh -c '
	for i in $(seq 3000); do mkdir d$i || exit 1; done' 2>/dev/null
check "root can make one" mkdir folder
# names alone: a thread that has served root before is not root any more
mkdir -m 777 links || fail "mkdir"
refuse "room for names from the reserve" bash -c '
	for i in {1..60}; do
		mkdir of-root && rmdir of-root || exit 0
		setpriv --reuid=65534 --regid=65534 --clear-groups \
			ln f "links/$(printf %0200d "$i")" || exit 1
	done' 2>/dev/null
rm -r f d* of-root links folder 2>/dev/null

# past the worker, too: who has a file open for reading and writing beside a
# reader that is passed writes with the rights of who gave it to the kernel
[ "$("$MIRRORFS" status "$T/tree" --json | jq -r .passthrough)" = on ] || exit 0
WORKER=$(status_pid worker_pid)
io() { sed -n "s/^$1: //p" "/proc/$WORKER/io"; }
# passed - a reader of f, as 5: nothing of it is in the page cache
passed() {
	local before
	exec 5<f
	dd iflag=nocache count=0 status=none <&5
	before=$(io rchar)
	cat <&5 >/dev/null
	[ $(($(io rchar) - before)) -gt 1000000 ] || return 0
	exec 5<&-
	return 1
}
check "room again" wait_for 60 room
as_user sh -c 'head -c 2M /dev/zero >f' || fail "a file"
check "a reader is passed" wait_for 60 passed
BEFORE=$(io wchar)
refuse "no end of room" as_user bash -c 'cat /dev/zero 1<>f' 2>/dev/null
SEEN=$(($(io wchar) - BEFORE))
sync -f .
PASSED=$(du -sk . | cut -f1)
exec 5<&-
set -- $BELOW
say "a user, past the worker: $PASSED KiB, $SEEN bytes through it"
check "written past the worker" test "$SEEN" -lt 2000000
check "a user stops there, too ($1, $PASSED)" \
	test "$PASSED" -le $(($1 + 400)) -a "$PASSED" -gt $(($1 - 2000))
exit 0
