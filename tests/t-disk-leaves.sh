#!/bin/bash
# The tree's disk hangs, and a worker in a call to it, which cannot be killed
# then. Neither a mount whose supervisor was killed nor one that has given that
# worker up is taken for ended while it is there: "mirrorfs umount" and the next
# mount wait for it, so what its last call does to the tree is compared.
. "$(dirname "$0")/functions.sh"
need fsfreeze
[ -z "$SANITIZED" ] || skip "a minute of waiting for what the plain build shows"
expect_log "fs worker died|no fs worker (comes to serve|can be started)"
expect_log "cannot start .* fs-worker|a worker that was given up has not ended"

mkdir "$T/fs"
lay_below ext4 "$T/fs"
ROOT=$T/fs/tree
mkdir "$ROOT"

pipe_replicas 1
mounted() { mount_at "$ROOT" "$T/leaves" "${REPLICAS[@]}"; }
same_tree() { "$HELPERS/treecmp" "$ROOT" "$T/replica1" >"$T/treecmp.out"; }
not_mounted() { ! mountpoint -q "$ROOT"; }

# hang NAME - a truncation of NAME to 3 bytes hangs in the disk, and its worker,
# which is killed.
hang() {
	echo before >"$ROOT/$1" || fail "a file"
	check "wait" "$MIRRORFS" wait "$ROOT" --timeout 60
	SUPERVISOR=$(status_pid supervisor_pid "$ROOT")
	WORKER=$(status_pid worker_pid "$ROOT")
	freeze "$T/fs" || skip "file systems cannot be frozen here"
	background perl -e 'truncate($ARGV[0], 3) or exit 3' "$ROOT/$1"
	check "a call hangs" wait_for 60 waits_for_disk "$WORKER"
	[ "${2-}" != supervisor ] || kill -9 "$SUPERVISOR"
	kill -9 "$WORKER"
	sleep 1
	check "this is what is meant" waits_for_disk "$WORKER"
}

# leave - unmounted while it hangs, then the disk is back.
leave() {
	background "$MIRRORFS" umount "$ROOT"
	local umount=$BG
	check "unmounted" wait_for 60 not_mounted
	sleep 1
	process_gone "$umount" && fail "umount does not wait for what hangs"
	timeout 45 "$MIRRORFS" mount "$ROOT" --state-dir "$T/leaves" \
		2>"$T/mount.err" && fail "mounted while it hangs"
	check "told" grep -q "have not ended yet" "$T/mount.err"
	thaw
	check "then it ends" wait "$umount"
	refuse "its name is given up" grep -qs "^$ROOT\$" \
		/run/mirrorfs/*/info
	check "the call was done" [ "$(cat "$ROOT/$1")" = bef ]
	check "mount again" mounted
	check "wait" "$MIRRORFS" wait "$ROOT" --timeout 60
	check "same" same_tree
}

check "mount" mounted
hang killed supervisor
leave killed

anew() { grep -q "mounted again" "$T/leaves/mirrorfs.log"; }
hang left
check "it is given up" wait_for 90 anew
leave left
check "umount" umount_at "$ROOT"
exit 0
