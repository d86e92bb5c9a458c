#!/bin/bash
# What was changed past the mount: after a lazy unmount it is noticed, after
# changes while nothing was mounted --rescan finds it, even where neither size
# nor time tell.
. "$(dirname "$0")/functions.sh"

pipe_replicas 1
# in the bare tree: other content, and all that is seen by SFTP the same
change() {
	local was
	was=$(stat -c %y "$T/tree/$1")
	printf '%s' "$2" | dd of="$T/tree/$1" conv=notrunc status=none
	touch -d "$was" "$T/tree/$1"
}
# the journal knows nothing of what was there before
mkdir "$T/tree/d"
for f in a d/b kept; do echo "old $f" >"$T/tree/$f"; done
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced
check "umount" umount_tree
change d/b new
check "mount" mount_tree
check "wait" synced
refuse "it does not look" cmp -s "$T/tree/d/b" "$T/replica1/d/b"
check "umount" umount_tree
change d/b wen
ino=$(stat -c %i "$T/replica1/a")
check "mount --rescan" mount_tree --rescan
check "wait" synced
check "same after --rescan" same "$T/replica1"

# lazily, while somebody has a file open
expect_log 'unmounted lazily'
exec 5>>"$T/tree/kept"
supervisor=$(status_pid supervisor_pid)
umount -l "$T/tree" || fail "umount -l"
refuse "another one beside it" "$MIRRORFS" mount "$T/tree" --name other \
	--state-dir "$T/state2" 2>"$T/err"
check "why" grep -q "is alive, though it is not mounted" "$T/err"
noted() { grep -q 'unmounted lazily' "$T/state/mirrorfs.log"; }
check "it is told" wait_for 60 noted
change a NEW
# or it is found because what comes next is recorded within the slack of ctimes
settled() {
	[ $(($(date +%s) - $(stat -c %Z "$T/tree/a"))) -gt 3 ]
}
check "some seconds pass" wait_for 60 settled
echo more >&5
exec 5>&-
check "the supervisor ends" wait_for 60 process_gone "$supervisor"
MOUNTS=()
check "mount" mount_tree
check "wait" synced
check "same after umount -l" same "$T/replica1"
equal "$("$MIRRORFS" log "$T/tree" --op gap | wc -l)" 2 "comparisons"

# an ordinary umount is no reason
umount "$T/tree" || fail "umount"
MOUNTS=()
check "it ends" wait_for 60 test ! -e "/run/mirrorfs/$(basename "$T")-tree"
mounted_again() { mount_tree; }
check "mount" wait_for 60 mounted_again
check "wait" synced
equal "$("$MIRRORFS" log "$T/tree" --op gap | wc -l)" 2 "comparisons"

# nor is one of which the worker hears late
supervisor=$(status_pid supervisor_pid) worker=$(status_pid worker_pid)
said=$(grep -c 'unmounted lazily' "$T/state/mirrorfs.log")
kill -STOP "$worker"
# umount(8) would ask it something first
python3 -c 'import ctypes, sys
sys.exit(ctypes.CDLL(None).umount2(sys.argv[1].encode(), 0))' "$T/tree" ||
	fail "umount"
MOUNTS=()
sleep 3
kill -CONT "$worker"
check "it ends" wait_for 60 process_gone "$supervisor"
check "mount" mount_tree
check "wait" synced
equal "$("$MIRRORFS" log "$T/tree" --op gap | wc -l)" 2 "comparisons"
equal "$(grep -c 'unmounted lazily' "$T/state/mirrorfs.log")" "$said" "lazily"

# nor is one after which the disk takes its time
[ -z "$SANITIZED" ] || exit 0
check "umount" umount_tree
printf '[mount]\nroot = %s\nactivity-lift = 100ms\n' "$T/tree" >"$T/conf"
check "mount" mount_with_faults --config "$T/conf" "${REPLICAS[@]}"
supervisor=$(status_pid supervisor_pid)
plan syncfs 1 1 wait /tree fs-worker
echo x >"$T/tree/x"
check "a sync takes long" wait_for 60 test -e "$T/plan.hits"
said=$(grep -c 'unmounted lazily' "$T/state/mirrorfs.log")
umount "$T/tree" || fail "umount"
MOUNTS=()
sleep 3
plan
check "it ends" wait_for 60 process_gone "$supervisor"
check "mount" mount_tree
check "wait" synced
equal "$("$MIRRORFS" log "$T/tree" --op gap | wc -l)" 2 "comparisons"
equal "$(grep -c 'unmounted lazily' "$T/state/mirrorfs.log")" "$said" "lazily"
exit 0
