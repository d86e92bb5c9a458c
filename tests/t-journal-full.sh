#!/bin/bash
# The journal's disk is full. By default users go on, status says what is wrong
# since when and what to do, and once there is room all arrives. With journal =
# required changes are refused meanwhile, and nothing else is.
. "$(dirname "$0")/functions.sh"
expect_log "journal|No space left|database or disk is full|r1: |connection"
expect_log "fs worker died|lines are missing here"
expect_races

mkdir "$T/state"
mount -t tmpfs -o size=24m,mode=700 none "$T/state" || skip "no tmpfs"
LOWERS+=("$T/state")
n=0
failing() {
	"$MIRRORFS" status "$T/tree" >"$T/status"
	grep -q "^journal: failing since 2.*$1" "$T/status"
}
fill() {
	cat /dev/zero >"$T/state/filler" 2>"$T/err"
	check "it is full" grep -q "No space" "$T/err"
}
# little_room - the next page of the log is begun with its next line
little_room() {
	local size
	size=$(stat -c %s "$T/state/mirrorfs.log")
	printf '%*s\n' $((4096 - size % 4096 + 4096 - 30)) "" >>"$T/state/mirrorfs.log"
}
# change until the writer notices; more is refused then, if anything is
more() {
	local i
	for i in {1..50}; do
		echo $i >"$T/tree/notice$((n += 1))" 2>>"$T/refused" || break
	done
	failing "$1"
}
until_failing() {
	wait_for 60 more "$1"
}

pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
echo one >"$T/tree/one"
check "wait" synced
check "works" journal_works
little_room
fill
check "noticed" until_failing "No space left.*make room for .*users go on"
refuse "a write was refused" test -s "$T/refused"
"$HELPERS/churn" --seed "$SEED" --ops "$(scaled 2000)" --procs 2 "$T/tree" ||
	fail "churn while it is full"
refuse "it has everything" state_is r1 synced
check "what only the memory has" test "$(status_get r1 lag_records)" -gt 0
equal "$("$MIRRORFS" replica list "$T/tree" --json | jq -r '.[0].state')" \
	"$(status_get r1 state)" "the list"
"$MIRRORFS" wait "$T/tree" --timeout 0 2>"$T/err" && fail "wait"
check "wait says why" grep -q "failing since.*No space left" "$T/err"
refuse "status says no" "$MIRRORFS" status "$T/tree" >"$T/out"
equal "$("$MIRRORFS" status "$T/tree" --json | jq -r .journal.state)" failing \
	"json"
# what the journal cannot be told now it is told later
mv "$T/replica1" "$T/away"
check "the session ends" wait_for 60 kill_children "$(status_pid sync_pid)"
sleep 1
worker=$(status_pid worker_pid)
kill -9 "$worker"
check "another worker" wait_for 60 worker_after "$worker"
rm "$T/state/filler"
check "it mends itself" wait_for 60 journal_works
away() {
	state_is r1 offline || state_is r1 refused
}
check "that it is away" wait_for 60 away
mv "$T/away" "$T/replica1"
"$MIRRORFS" retry "$T/tree" >"$T/out" || fail "retry"
check "wait after" synced
missing() { grep -q "lines are missing here" "$T/state/mirrorfs.log"; }
check "the log tells what it has not" wait_for 60 missing
refuse "half a line" grep -Eqv "^ *$|^[-0-9]+ [0-9:.]+ [a-z]+ [a-z-]+\[" \
	"$T/state/mirrorfs.log"
check "equal" same "$T/replica1"
check "umount" umount_tree

check "mount, required" mount_tree "${REPLICAS[@]}" --journal required
check "wait, required" synced
# beside a reader it would be passed through to the file below, where it can be
truncate -s 2M "$T/tree/large"
exec 8<"$T/tree/large" 9<>"$T/tree/large"
truncate -s 64K "$T/tree/mapped"
mkfifo "$T/fifo"
"$HELPERS/mapper" "$T/tree/mapped" <"$T/fifo" >"$T/mapper.out" &
MAPPER=$!
exec 7>"$T/fifo"
said() {
	grep -q "^$1" "$T/mapper.out"
}
check "it is mapped" wait_for 60 said mapped
"$MIRRORFS" status "$T/tree" >"$T/status"
check "nothing is passed through" grep -q "^passthrough: off" "$T/status"
fill
check "noticed, required" until_failing "No space left.*changes are refused"
refuse "a new file" touch "$T/tree/new" 2>"$T/err"
check "why" grep -q "No space left" "$T/err"
refuse "a removal" rm "$T/tree/one"
refuse "a write beside a reader" bash -c 'echo x >&9' 2>"$T/err"
check "why, beside a reader" grep -q "No space left" "$T/err"
exec 8<&- 9>&-
# what is stored is not thrown away
echo 5000 >&7
check "a store" wait_for 60 said stored
exec 7>&-
wait $MAPPER || fail "the mapping"
refuse "a truncation" truncate -s 0 "$T/tree/one"
equal "$(cat "$T/tree/one")" one "reading"
rm "$T/state/filler"
check "accepted again" wait_for 60 touch "$T/tree/again"
check "wait, after required" synced
check "equal, after required" same "$T/replica1"
check "umount at the end" umount_tree
refuse "an unknown policy" mount_tree --journal perhaps 2>"$T/err"
check "the words" grep -q "neither required nor preferred" "$T/err"
exit 0
