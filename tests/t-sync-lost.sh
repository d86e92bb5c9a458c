#!/bin/bash
# A sync of the journal fails. Linux tells of that once, and the next one succeeds:
# what was to be written may be lost all the same. The mount may end before anybody
# has looked; the next one compares everything.
. "$(dirname "$0")/functions.sh"
expect_log "a disk has lost|the tree cannot be synced"
need sqlite3

pipe_replicas 1
check "mount" mount_with_faults "${REPLICAS[@]}"
echo one >"$T/tree/file"
check "wait" synced
check "umount" umount_tree
log() { tail -n +"$LINES_BEFORE" "$T/state/mirrorfs.log"; }
from_here() { LINES_BEFORE=$(($(wc -l <"$T/state/mirrorfs.log") + 1)); }
from_here
check "mount, after a good end" mount_with_faults
refuse "it compares nothing" eval 'log | grep -q "compar"'

plan fsync 1 1 5 /journal.db-wal
echo two | dd of="$T/tree/file" conv=fsync status=none
check "it failed" wait_for 60 test -s "$T/plan.hits"
plan
echo three | dd of="$T/tree/file" conv=fsync status=none
check "wait" synced
from_here
check "umount" umount_tree
check "it says so" wait_for 60 eval 'log | grep -q "a disk has lost"'
from_here
check "mount, after a bad one" mount_with_faults
check "it compares" wait_for 60 eval 'log | grep -q "compar"'
check "wait" synced
check "same" same "$T/replica1"

# of the tree: it is the supervisor that is told, when the mount ends
echo four >"$T/tree/file"
check "wait" synced
plan syncfs 1 1 5 /tree
from_here
check "umount" umount_tree
check "it says so" wait_for 60 eval 'log | grep -q "the tree cannot be synced"'
plan
from_here
check "mount, after a bad one" mount_with_faults
check "it compares everything" wait_for 60 eval \
	'log | grep -q "a disk has lost.*everything is compared"'
check "wait" synced
check "same" same "$T/replica1"
exit 0
