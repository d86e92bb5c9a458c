#!/bin/bash
# The clock of all of mirrorfs' processes jumps by years, to and fro, while
# programs work and processes are killed: order and equality hold, nobody
# counts as having been away for too long, and nothing is compared as a whole.
. "$(dirname "$0")/functions.sh"
[ -z "$SANITIZED" ] || skip "cannot be preloaded into a sanitized program"
expect_log "the sync process ended|fs worker died"
expect_races

YEAR=31536000
clock 0
pipe_replicas 2
check "mount" env LD_PRELOAD="$HELPERS/sysfault.so" CLOCK_STEP="$T/step" \
	timeout 60 "$MIRRORFS" mount "$T/tree" --state-dir "$T/state" \
	-o durable=no,max-away=1d "${REPLICAS[@]}"
MOUNTS+=("$T/tree") LOGS+=("$T/state/mirrorfs.log")
check "wait" synced
# one replica lies behind all the time
"$MIRRORFS" replica pause "$T/tree" r2 || fail "pause"

background "$HELPERS/churn" --seed "$SEED" --ops 3000 --procs 2 "$T/tree"
churn=$BG
for years in 10 -10 0 1 -1; do
	clock $((years * YEAR))
	: >"$T/tree/years$years" # churn may be done with its work
	last=$("$MIRRORFS" status "$T/tree" --json | jq .last_seq)
	more() {
		process_gone "$churn" || [ "$("$MIRRORFS" status "$T/tree" \
			--json | jq .last_seq)" -gt $((last + 100)) ]
	}
	check "it goes on" wait_for 60 more
	for pid in "$(status_pid sync_pid)" "$(status_pid worker_pid)"; do
		[ "$pid" -gt 0 ] 2>/dev/null && kill -9 "$pid"
	done
done
wait "$churn" || fail "churn"
clock 0
"$MIRRORFS" replica resume "$T/tree" r2 || fail "resume"
check "wait" synced
check "same" same "$T/replica1"
check "same" same "$T/replica2"
seqs=$("$MIRRORFS" log "$T/tree" --json --limit 100000 | jq .seq)
[ "$(wc -l <<<"$seqs")" -gt 300 ] || fail "few records"
equal "$seqs" "$(sort -n <<<"$seqs")" "the order of the log"
equal "$("$MIRRORFS" log "$T/tree" --json --limit 100000 |
	jq -r '.path | select(. and test("^years")) | sub("years"; "")' |
	awk '!seen[$0]++' | xargs)" "10 -10 0 1 -1" "the order of what was done"
check "times jump" jq -se 'map(.time) | max - min > 300000000' \
	<("$MIRRORFS" log "$T/tree" --json --limit 100000) >"$T/out"
equal "$("$MIRRORFS" log "$T/tree" --op gap | wc -l)" 0 "comparisons"
refuse "somebody was away" grep -q "stale" "$T/state/mirrorfs.log"
check "umount" umount_tree
exit 0
