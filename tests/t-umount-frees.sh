#!/bin/bash
# Who is told that the tree is unmounted can unmount the file system below: a large
# file that was removed is freed by then, whoever of us had it open last.
. "$(dirname "$0")/functions.sh"

# removed PROCESS CLOSE - it has still to do that one of a large file, its last
removed() {
	fallocate -l 80M "$T/tree/large" || fail "a large file"
	exec 6<"$T/tree/large"
	rm "$T/tree/large"
	plan close "$2" 1 wait /large "$1"
	exec 6<&-
	check "$1 is to free it" wait_for 60 test -e "$T/plan.hits"
}
told() { # PROCESS
	grep -q " $1\[.* has still to free a large file" "$T/state/mirrorfs.log"
}
ended() { grep -q "unmounted root" "$T/state/mirrorfs.log"; }

check "mount" mount_with_faults
removed mount 1
background "$MIRRORFS" umount "$T/tree"
check "the supervisor waits" wait_for 60 told supervisor
refuse "umount is done" process_gone "$BG"
refuse "it has ended" ended
plan
check "umount" wait "$BG"
check "it has ended now" wait_for 60 ended
rm "$T/state/mirrorfs.log"

check "mount" mount_with_faults
removed fs-worker 2 # the first one is of who had it open
check "umount(8)" umount "$T/tree"
check "the worker waits" wait_for 60 told fs
refuse "the other one has ended" ended
plan
check "it has ended now" wait_for 60 ended
exit 0
