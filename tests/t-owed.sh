#!/bin/bash
# A file that is written again before its last version was sent: that one never
# arrives, and whoever waits for it, or asks the log, is not told that it has.
. "$(dirname "$0")/functions.sh"
need sqlite3 jq

ssh_replicas 1
echo 0 >"$T/credit"
proxy_start --credit "$T/credit" --count "$T/count"
let_pass() { echo $((1 << 40)) >"$T/credit"; }
under_way() {
	[ "$(sqlite3 "$T/state/journal.db" \
		"SELECT inflight > cursor FROM replica")" = 1 ]
} 2>/dev/null
there() { "$MIRRORFS" wait "$T/tree/$1" --timeout 0 2>>"$T/out"; }
dirty() { # NAME - it is being written, and the journal knows
	there "$1"
	grep -q " is still being written" "$T/out"
}
# not_there - how many versions of files are not on the replica, by the log
not_there() {
	"$MIRRORFS" log "$T/tree" --op write --json --limit 1000 |
		jq -s 'map(select(.replicas.r1.time == null)) | length'
}

printf '[mount]\nroot = %s\nsettle-age = never\nsettle-idle = never\n' \
	"$T/tree" >"$T/owed.conf"
let_pass
check "mount" mount_tree --config "$T/owed.conf" "${REPLICAS[@]}"
echo one >"$T/tree/file"
ln "$T/tree/file" "$T/tree/name"
check "wait" synced
read -r passed <"$T/count"
echo "$passed" >"$T/credit"
echo before >"$T/tree/before"
check "what is before it is under way" wait_for 60 under_way
echo two >"$T/tree/file"
"$MIRRORFS" wait "$T/tree/file" 2>"$T/wait.err" &
WAIT=$!
sleep 0.3 # it asks for what there is now
exec 8<>"$T/tree/file"
printf T >&8 # over what was there, or the old part would be sent
check "it is being written" wait_for 60 dirty file
echo after >"$T/tree/after"
let_pass
check "what is behind it arrives" wait_for 60 there after
equal "$(cat "$T/replica1/file")" one "the replica's file"
check "who waits for it is not told that it is there" kill -0 $WAIT
equal "$(status_get r1 state)" replaying "state"
equal "$(not_there)" 1 "versions that are on their way"
# nor when it has lost the name by which it was to be sent
rm "$T/tree/name"
echo later >"$T/tree/later"
check "the removal arrives" wait_for 60 there later
sleep 0.1
check "who waits for it is not told either" kill -0 $WAIT
exec 8>&-
check "in the end it is" wait $WAIT
equal "$(cat "$T/replica1/file")" Two "the replica's file"
check "wait" synced
equal "$(not_there)" 0 "versions that are on their way"
check "same" same "$T/replica1"
