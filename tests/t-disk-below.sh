#!/bin/bash
# The tree's disk hangs with a worker in it, and the kernel cannot put a mount
# beneath the dead one (before Linux 6.5): who waits for that worker is told all
# the same, and the new mount above it works.
. "$(dirname "$0")/functions.sh"
need fsfreeze
[ -z "$SANITIZED" ] || skip "a minute of waiting for what the plain build shows"
expect_log "fs worker died|no fs worker (comes to serve|can be started)"

mkdir "$T/fs"
lay_below ext4 "$T/fs"
ROOT=$T/fs/tree
mkdir "$ROOT"

pipe_replicas 1
plan
export FAULTS=$T/plan
LD_PRELOAD=$HELPERS/sysfault.so
export LD_PRELOAD
check "mount" mount_at "$ROOT" "$T/below" "${REPLICAS[@]}"
unset LD_PRELOAD
echo before >"$ROOT/file" || fail "a file"
check "wait" "$MIRRORFS" wait "$ROOT" --timeout 60
WORKER=$(status_pid worker_pid "$ROOT")
freeze "$T/fs" || skip "file systems cannot be frozen here"
background perl -e 'truncate($ARGV[0], 3) or exit 3' "$ROOT/file"
CALLER=$BG
check "a call hangs" wait_for 60 waits_for_disk "$WORKER"
plan move_mount 1 1000 22 "$ROOT"
kill -9 "$WORKER"
anew() { grep -q "mounted again" "$T/below/mirrorfs.log"; }
check "it is given up" wait_for 90 anew
check "who called is told" wait_for 30 process_gone "$CALLER"
wait "$CALLER"
equal $? 3 "by an error"
plan
thaw
equal "$(cat "$ROOT/file")" bef "what was called"
check "wait" "$MIRRORFS" wait "$ROOT" --timeout 60
ended() { grep -q "given up has ended" "$T/below/mirrorfs.log"; }
check "the old one ends" wait_for 60 ended
check "wait" "$MIRRORFS" wait "$ROOT" --timeout 60
check "same" "$HELPERS/treecmp" "$ROOT" "$T/replica1"
check "umount" umount_at "$ROOT"
refuse "the dead one is gone, too" mountpoint -q "$ROOT"
exit 0
