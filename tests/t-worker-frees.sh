#!/bin/bash
# A worker is killed while it frees a large file that was removed, which the disk
# holds up: it cannot end, but does nothing that the next one could not stand. So
# that one serves at once, whether the thread is in close(2) or ends.
. "$(dirname "$0")/functions.sh"
need fsfreeze
expect_log "fs worker died"

mkdir "$T/fs"
lay_below btrfs "$T/fs"
mkdir "$T/fs/tree"
ROOT=$T/fs/tree
has_none() { # PID - no descriptor of it
	! find "/proc/$1/fd" -lname '*/large*' 2>/dev/null | grep -q .
}
# removed - and closed, but the worker has still to free it
removed() {
	WORKER=$(status_pid worker_pid "$ROOT")
	fallocate -l 80M "$ROOT/large" || fail "a large file"
	exec 6<"$ROOT/large"
	rm "$ROOT/large"
	plan close 2 1 wait /large fs-worker # the first one is of the handle
	exec 6<&-
	check "it is to be freed" wait_for 60 test -e "$T/plan.hits"
	check "by the worker" wait_for 60 has_none "$SUPERVISOR"
	freeze "$T/fs" || skip "file systems cannot be frozen here"
}
another() {
	local now
	now=$(status_pid worker_pid "$ROOT")
	[ "${now:-0}" -gt 0 ] && [ "$now" != "$WORKER" ]
}
killed() { # HOW
	kill -9 "$WORKER"
	check "$1: it cannot end" wait_for 60 waits_for_disk "$WORKER"
	check "$1: another one" wait_for 60 another
	equal "$(timeout 100 cat "$ROOT/open")" one "$1: who comes now"
	check "$1: what is open" timeout 100 head -c 3 <&5 >"$T/out"
	check "$1: the old one is there still" waits_for_disk "$WORKER"
	thaw
}

[ -z "$SANITIZED" ] || skip "cannot be preloaded into a sanitized program"
pipe_replicas 1
plan
export FAULTS=$T/plan
LD_PRELOAD=$HELPERS/sysfault.so mount_at "$ROOT" "$T/state" "${REPLICAS[@]}" ||
	fail "mount"
SUPERVISOR=$(status_pid supervisor_pid "$ROOT")
# who reads the file to send it would have it open as well
check "pause" "$MIRRORFS" replica pause "$ROOT" r1
echo one >"$ROOT/open"
exec 5<"$ROOT/open"

removed
plan
check "it is in close" wait_for 60 waits_for_disk "$WORKER"
killed close
removed
killed end
exec 5<&-
check "resume" "$MIRRORFS" replica resume "$ROOT" r1
check "wait" "$MIRRORFS" wait "$ROOT" --timeout 60
refuse "it is mounted again" grep -q "mounted again" "$T/state/mirrorfs.log"
check "umount" umount_at "$ROOT"
exit 0
