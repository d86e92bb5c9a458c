#!/bin/bash
# The supervisor is killed: nothing that was acknowledged is lost, nobody writes
# to the bare tree, the worker and sync end by themselves, and the next mount
# cleans up.
. "$(dirname "$0")/functions.sh"
expect_log "fs worker died|the sync process ended"

pipe_replicas 1
ended() {
	local p
	for p in "$@"; do
		wait_for 30 process_gone "$p" || return 1
	done
}
pids() {
	SUPERVISOR=$(status_pid supervisor_pid)
	WORKER=$(status_pid worker_pid)
	SYNC=$(status_pid sync_pid)
}
# fails closed: a write gives an error, and is not found below
closed() {
	! { echo x >"$T/tree/unseen"; } 2>/dev/null
}

check "mount" mount_tree "${REPLICAS[@]}"
pids
# more than the writer has put into the database by then
for i in $(seq 1 300); do
	echo "$i" >"$T/tree/f$i"
done
exec 5>"$T/tree/open" && echo text >&5
kill -9 "$SUPERVISOR"
check "worker and sync end" ended "$SUPERVISOR" "$WORKER" "$SYNC"
check "the mount stays" mounted_at "$T/tree"
check "it fails closed" closed
refuse "an open file takes more" sh -c 'echo more >&5' 2>/dev/null
refuse "status says well" "$MIRRORFS" status "$T/tree" >/dev/null 2>&1

# in use by this shell, dead, and yet:
check "mount again" mount_tree
exec 5>&-
refuse "what nobody saw" test -e "$T/tree/unseen"
equal "$(cat "$T/tree/open")" text "the open file"
check "wait" synced
check "same" same "$T/replica1"
equal "$("$MIRRORFS" log "$T/tree" --op create --limit 1000 | wc -l)" 301 \
	"records of all that was acknowledged"

# before its children have ended: it waits for them
pids
kill -STOP "$SYNC"
kill -9 "$SUPERVISOR"
background sh -c "'$MIRRORFS' mount '$T/tree' --state-dir '$T/state'"
check "the worker ends" ended "$WORKER"
refuse "two at once" process_gone "$BG"
kill -CONT "$SYNC"
wait "$BG" || fail "mount that had to wait"
check "mounted" mounted_at "$T/tree"
equal "$(cat "$T/tree/f7")" 7 "content"

# both at once: what was in memory is missing in the journal, but the activity
# log says where to look
pids
mkdir "$T/tree/both"
for i in $(seq 1 100); do
	echo "$i" >"$T/tree/both/f$i"
done
mv "$T/tree/both" "$T/tree/moved"
kill -9 "$SUPERVISOR" "$WORKER"
check "all end" ended "$SUPERVISOR" "$WORKER" "$SYNC"
check "mount" mount_tree
check "wait" synced
check "same" same "$T/replica1"

# sync alone: nobody notices
pids
kill -9 "$SYNC"
echo more >"$T/tree/more"
check "wait" synced
check "same" same "$T/replica1"
check "umount" umount_tree
exit 0
