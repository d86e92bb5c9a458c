#!/bin/bash
# The supervisor is killed: nothing that was acknowledged is lost, nobody writes
# to the bare tree, the worker and sync end by themselves, and the next mount
# cleans up.
. "$(dirname "$0")/functions.sh"
need sqlite3
expect_log "fs worker died|the sync process ended|journal|cannot"

pipe_replicas 1
ended() {
	local p
	for p in "$@"; do
		wait_for 60 process_gone "$p" || return 1
	done
}
pids() {
	SUPERVISOR=$(status_pid supervisor_pid)
	WORKER=$(status_pid worker_pid)
	SYNC=$(status_pid sync_pid)
}
# fails closed: a write gives an error, and is not found below (one that comes
# when the last thread is just ending is told that the connection is aborted)
closed() {
	! { echo x >"$T/tree/unseen"; } 2>"$T/err" &&
		grep -Eq "not connected|connection abort" "$T/err"
}
told() { # LEVEL TEXT - the log
	grep -q " $1 .*$2" "$T/state/mirrorfs.log"
}

check "mount" mount_tree "${REPLICAS[@]}"
NAME=$("$MIRRORFS" status "$T/tree" --json | jq -r .name)
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
refuse "status says well" "$MIRRORFS" status "$T/tree" >"$T/status"
check "status says so" grep -q "^$T/tree: DEAD: .*mirrorfs mount" "$T/status"
background "$MIRRORFS" status "$T/tree" --watch >"$T/watched"
WATCH=$BG
watched() { # TEXT - last
	grep "^$T/tree: " "$T/watched" | tail -n 1 | grep -q ": $1"
}
check "status --watch says so" wait_for 60 watched DEAD
refuse "wait says that all has arrived" "$MIRRORFS" wait "$T/tree" 2>"$T/err"
check "and why" grep -q "did not end well" "$T/err"

refuse "with the state of another one" "$MIRRORFS" mount "$T/tree" \
	--state-dir "$T/other" 2>"$T/err"
check "and why" grep -q "its state in $T/state.*--state-dir $T/state" "$T/err"
refuse "by another name" "$MIRRORFS" mount "$T/tree" --name other 2>/dev/null
refuse "anything of it" test -e "$T/other"
# in use by this shell, dead, and yet; with the state that it had:
check "mount again" timeout 60 "$MIRRORFS" mount "$T/tree" \
	${DURABLE:+-o "durable=$DURABLE"} ${WITHOUT:+"--without=$WITHOUT"}
check "it is mounted" mounted_at "$T/tree"
check "status --watch sees that" wait_for 60 watched mounted
end_process "$WATCH"
exec 5>&-
refuse "what nobody saw" test -e "$T/tree/unseen"
equal "$(cat "$T/tree/open")" text "the open file"
check "wait" synced
check "same" same "$T/replica1"
equal "$("$MIRRORFS" log "$T/tree" --op create --limit 1000 | wc -l)" 301 \
	"records of all that was acknowledged"

# before its children have ended: it waits for them; and of two that wait one
# mounts
pids
check "wait" synced
kill -STOP "$SYNC"
kill -9 "$SUPERVISOR"
check "the supervisor ends" ended "$SUPERVISOR"
# a child has its lock still
refuse "wait says that all has arrived" "$MIRRORFS" wait "$T/tree" 2>"$T/err"
check "and why" grep -q "did not end well" "$T/err"
two=()
for i in 1 2; do
	background "$MIRRORFS" mount "$T/tree" --state-dir "$T/state" \
		>"$T/mount$i" 2>&1
	two+=("$BG")
done
check "the worker ends" ended "$WORKER"
refuse "one does not wait" wait_for 1 process_gone "${two[0]}"
refuse "one does not wait" wait_for 1 process_gone "${two[1]}"
kill -CONT "$SYNC"
n=0
for i in "${two[@]}"; do wait "$i" && n=$((n + 1)); done
equal "$n" 1 "mounts at once"
check "mounted" mounted_at "$T/tree"
equal "$(grep -c " $T/tree fuse" /proc/self/mounts)" 1 "mounts"
equal "$(cat "$T/tree/f7")" 7 "content"

# all at once: what was in memory is missing in the journal, but the activity
# log says where to look
pids
check "wait" synced
coproc { exec sqlite3 "$T/state/journal.db" 2>&1; }
CHILDREN+=("$COPROC_PID")
echo "BEGIN IMMEDIATE; SELECT 'locked';" >&"${COPROC[1]}"
read -r line <&"${COPROC[0]}" && [ "$line" = locked ] || fail "lock: $line"
mkdir "$T/tree/both"
for i in $(seq 1 100); do
	echo "$i" >"$T/tree/both/f$i"
done
mv "$T/tree/both" "$T/tree/moved"
kill -9 "$SUPERVISOR" "$WORKER" "$SYNC"
kill "$COPROC_PID"
check "all end" ended "$SUPERVISOR" "$WORKER" "$SYNC"
check "it fails closed" closed
check "mount" mount_tree
check "wait" synced
check "same" same "$T/replica1"
check "told" wait_for 60 told notice "did not end well: what was being changed is compared"
[ "$("$MIRRORFS" log "$T/tree" --op unsure | wc -l)" -gt 0 ] ||
	fail "no record says where to look"

# … and the activity log is damaged: nothing tells where to look
pids
echo old >"$T/tree/moved/alike"
check "wait" synced
was=$(stat -c %y "$T/tree/moved/alike")
check "umount" umount_tree
check "mount" mount_tree
pids
check "wait" synced
kill -9 "$SUPERVISOR" "$WORKER" "$SYNC"
check "all end" ended "$SUPERVISOR" "$WORKER" "$SYNC"
umount -l "$T/tree" || fail "umount -l"
# all that SFTP tells is the same
printf new | dd of="$T/tree/moved/alike" conv=notrunc status=none
touch -d "$was" "$T/tree/moved/alike"
printf x | dd of="$T/state/activity" bs=1 seek=100 conv=notrunc status=none
check "mount" mount_tree
check "wait" synced
check "same" same "$T/replica1"
check "told" wait_for 60 told notice \
	"activity log is no help (it is damaged): everything"
equal "$("$MIRRORFS" log "$T/tree" --op gap | wc -l)" 1 "comparisons"

# what /run knows is lost: one that is served is not taken for a dead one
aside=/run/mirrorfs-test.$$ # there: the lock must stay the same file
mv "/run/mirrorfs/$NAME" "$aside" || fail "mv"
refuse "another mount" "$MIRRORFS" mount "$T/tree" --state-dir "$T/state" \
	2>"$T/err"
check "why" grep -q "served, but /run/mirrorfs does not know" "$T/err"
check "it goes on" test -e "$T/tree/moved/alike"
mv "$aside" "/run/mirrorfs/$NAME" || fail "mv"

# sync alone: nobody notices
pids
kill -9 "$SYNC"
echo more >"$T/tree/more"
check "wait" synced
check "same" same "$T/replica1"
check "told" wait_for 60 told warning "the sync process ended .*starting it again"
check "umount" umount_tree
exit 0
