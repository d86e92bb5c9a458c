#!/bin/bash
# The journal's disk turns read-only at work, as ext4 does after an error, and
# stays so until the umount. Users go on. What they change cannot be recorded,
# nor marked, nor can the activity log be told that it is not: the tree itself
# says so, and the next mount compares.
. "$(dirname "$0")/functions.sh"
. "$TESTS/lib/journal-disk.sh"
expect_log "journal|activity log|Read-only|records of the last moments"
need e2fsck getfattr

mkdir "$T/disk" "$T/tree/cold"
image=$T/image0
lay_below ext4 "$T/disk" errors=remount-ro
loop=$(losetup -n -O NAME -j "$image")
trigger=/sys/fs/ext4/${loop##*/}/trigger_fs_error
[ -w "$trigger" ] || skip "no $trigger"
state=$T/disk/state
failing() {
	"$MIRRORFS" status "$T/tree" >"$T/status"
	grep -q "^journal: failing" "$T/status"
}

pipe_replicas 1
echo "old" >"$T/tree/cold/file"
check "mount" mount_at "$T/tree" "$state" "${REPLICAS[@]}"
check "wait" synced
equal "$(cat "$T/replica1/cold/file")" old "before"

echo "test" >"$trigger"
refuse "it is writable" touch "$T/disk/new" 2>"$T/err"
change cold/file NEW
check "status says so" wait_for 60 failing
check "the tree says what is owed" wait_for 60 owed
check "umount without a journal" umount_tree
check "it still does" owed
check "away with the disk" take_below "$T/disk"
e2fsck -fy "$image" >"$T/e2fsck.out" 2>&1
[ $? -lt 4 ] || fail "e2fsck"
check "the disk works again" mount -o loop "$image" "$T/disk"
LOWERS+=("$T/disk")
check "mount, repaired" mount_at "$T/tree" "$state"
check "wait, repaired" synced
equal "$(cat "$T/replica1/cold/file")" NEW "what was changed"
check "same" same "$T/replica1"
check "nothing is owed any more" wait_for 60 not_owed
check "umount at the end" umount_tree
exit 0
