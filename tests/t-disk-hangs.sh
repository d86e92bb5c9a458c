#!/bin/bash
# The tree's disk hangs, and a worker in a call to it, which cannot even be
# killed then. Callers do not hang with it for ever: they get an error, and the
# mount is made anew, which works as soon as the disk does. What the old call
# still does then is compared. Nor do those of a mount, another one, for which no
# process can be had, nor of a third one whose journal's disk hangs, and a worker
# that marks something there.
. "$(dirname "$0")/functions.sh"
need fsfreeze
[ -z "$SANITIZED" ] || skip "a minute of waiting for what the plain build shows"
expect_log "fs worker died|no fs worker (comes to serve|can be started)"
expect_log "cannot start .* fs-worker"

ROOT=$T/fs/tree
mkdir "$T/fs"
lay_below ext4 "$T/fs"
mkdir "$ROOT"
anew() { grep -q "mounted again" "$T/hangs/mirrorfs.log"; }
same_tree() { "$HELPERS/treecmp" "$ROOT" "$T/replica1" >"$T/treecmp.out"; }

pipe_replicas 1
check "mount" mount_at "$ROOT" "$T/hangs" "${REPLICAS[@]}"
echo before >"$ROOT/file" || fail "a file"
check "wait" "$MIRRORFS" wait "$ROOT" --timeout 60
SUPERVISOR=$(status_pid supervisor_pid "$ROOT")
WORKER=$(status_pid worker_pid "$ROOT")
freeze "$T/fs" || skip "file systems cannot be frozen here"
# (a write would not be done after all)
background perl -e 'truncate($ARGV[0], 3) or exit 3' "$ROOT/file"
CALLER=$BG
check "a call hangs" wait_for 60 waits_for_disk "$WORKER"
kill -9 "$WORKER"
sleep 1
check "this is what is meant" waits_for_disk "$WORKER"

mkdir "$T/marks" "$T/third"
lay_below ext4 "$T/marks"
check "a third mount" mount_at "$T/third" "$T/marks"
WORKER=$(status_pid worker_pid "$T/third")
freeze "$T/marks" || fail "freeze"
background mkdir "$T/third/folder"
MARKED=$BG
check "a mark hangs" wait_for 60 waits_for_disk "$WORKER"
kill -9 "$WORKER"

check "another mount" mount_with_faults
echo there >"$T/tree/file" || fail "a file"
plan fork 1 999 11 fork mount
kill -9 "$(status_pid worker_pid)"
timeout 150 cat "$T/tree/file" >/dev/null 2>&1
[ $? != 124 ] || fail "a caller hangs where no worker can be had"
plan
again() { timeout 10 cat "$T/tree/file" >"$T/out" 2>/dev/null; }
check "it serves again" wait_for 60 again
equal "$(cat "$T/out")" there "content"
check "told" wait_for 60 grep -q "mounted again" "$T/state/mirrorfs.log"
check "umount" umount_tree

check "who marked is told" wait_for 90 process_gone "$MARKED"
thaw "$T/marks"
check "then it is mounted again" wait_for 60 \
	grep -q "mounted again" "$T/marks/mirrorfs.log"
check "umount" umount_at "$T/third"

check "it is given up" wait_for 90 anew
wait "$CALLER"
equal $? 3 "an error for who called"
equal "$(status_pid supervisor_pid "$ROOT")" "$SUPERVISOR" "the supervisor"
check "compared before" "$MIRRORFS" wait "$ROOT" --timeout 60
thaw
check "the old one ends" wait_for 60 grep -q "a worker that was given up has" \
	"$T/hangs/mirrorfs.log"
equal "$(cat "$ROOT/file")" bef "what was called"
echo new >"$ROOT/new" || fail "who comes now"
check "wait" "$MIRRORFS" wait "$ROOT" --timeout 60
check "same" same_tree
check "umount" umount_at "$ROOT"
exit 0
