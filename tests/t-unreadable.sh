#!/bin/bash
# The disk of the master does not give an inode for a while. To who opens it by
# handle the kernel says what it says of one that is gone, but what the replica
# has of it stays, it is parked, and comes when it can be read again: what
# records tell of, what was marked when a run did not end well, and what was
# changed while nothing was mounted.
. "$(dirname "$0")/functions.sh"
need debugfs losetup
expect_log "parked"

lay_below ext4 "$T/tree"
pipe_replicas 1
pause() { "$MIRRORFS" replica pause "$T/tree" r1; }
resume() { "$MIRRORFS" replica resume "$T/tree" r1; }
# let_go - no mount namespace of another test has it
let_go() { [ -z "$(losetup -j "$T/image0")" ]; }
# below MODE INODE... - nothing is in the kernel's memory, and these are of MODE
below() {
	local mode=$1 i
	shift
	take_below "$T/tree" || fail "umount below"
	wait_for 60 let_go || skip "others hold what was mounted"
	for i; do
		debugfs -w -R "sif <$i> mode $mode" "$T/image0" 2>"$T/said" ||
			fail "debugfs: $(cat "$T/said")"
	done
	mount -t ext4 -o loop "$T/image0" "$T/tree" || fail "mount below"
	LOWERS+=("$T/tree")
}
is_parked() { [ "$(status_get r1 parked)" -ge 1 ]; }
again() { check "mount" mount_tree "${REPLICAS[@]}"; }

check "mount" mount_tree "${REPLICAS[@]}"
mkdir -p "$T/tree/dir/sub" && echo old >"$T/tree/dir/file" &&
	echo old >"$T/tree/dir/sub/file" && echo old >"$T/tree/doomed" ||
	fail "write"
check "wait" synced
ino=$(stat -c %i "$T/tree/dir/file")
check "pause" pause
echo new content >"$T/tree/dir/file" || fail "write"
check "umount" umount_tree
below 0150644 "$ino" # of a type that there is not
refuse "it can be read" cat "$T/tree/dir/file" 2>"$T/said"
again
check "resume" resume
check "it is parked" wait_for 60 is_parked
check "what it was stays" grep -qx old "$T/replica1/dir/file"
check "umount" umount_tree
below 0100644 "$ino"
again
check "wait" synced
check "same" same "$T/replica1"

# of the last changes the journal does not know, but of where they were; nothing
# else tells of those in a file that was overwritten
echo sent >"$T/tree/dir/sub/file" && echo new >"$T/tree/doomed" && echo sent >"$T/tree/dir/sub/new" ||
	fail "write"
check "wait" synced
inodes=("$(stat -c %i "$T/tree/dir/sub")"
	"$(stat -c %i "$T/tree/dir/sub/file")")
kill_all
umount -l "$T/tree"
cp -p "$T/tree/dir/sub/file" "$T/was"
echo lost >"$T/tree/dir/sub/newer" && echo lost >"$T/tree/dir/sub/file" &&
	touch -r "$T/was" "$T/tree/dir/sub/file" && rm "$T/tree/doomed" ||
	fail "write below"
below 0150644 "${inodes[@]}"
refuse "it can be read" ls "$T/tree/dir/sub" 2>"$T/said"
again
check "the folder is parked" wait_for 60 is_parked
check "what it had stays" test -e "$T/replica1/dir/sub/new"
check "umount" umount_tree
below 040755 "${inodes[0]}"
below 0100644 "${inodes[1]}"
again
check "wait" synced
check "same after the cut" same "$T/replica1"

# what was overwritten while nothing was mounted is found when it can be read
ino=$(stat -c %i "$T/tree/dir/file")
check "umount" umount_tree
cp -p "$T/tree/dir/file" "$T/was"
echo new CONTENT >"$T/tree/dir/file" &&
	touch -r "$T/was" "$T/tree/dir/file" || fail "write below"
below 0150644 "$ino"
again
check "the file is parked" wait_for 60 is_parked
check "umount" umount_tree
below 0100644 "$ino"
again
check "wait" synced
check "same at the end" same "$T/replica1"

# and of what is gone indeed nothing is kept
none_kept() {
	echo more >>"$T/tree/more" && synced &&
		[ "$(sqlite3 -readonly "$T/state/journal.db" \
			"SELECT count(*) FROM stale")" = 0 ]
}
command -v sqlite3 >/dev/null || skip "the rest: sqlite3 is not installed"
check "nothing is kept" wait_for 60 none_kept
exit 0
