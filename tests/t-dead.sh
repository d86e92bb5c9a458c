#!/bin/bash
# One replica lives and one is dead for ever: whatever is changed, the journal
# and the memory of all processes stay bounded. CHANGES: how many, in `make
# soak` 1,000,000. At the end the dead one comes back after all.
. "$(dirname "$0")/functions.sh"
need sqlite3
expect_log "cannot reach|lost|connection|ended"
CHANGES=${CHANGES:-$(scaled 8000)}
ROUNDS=5 FILES=100
MOST=2000 # records: those of the live one's batches, and what is not pruned yet

journal_kib() {
	cat "$T/state/journal.db" "$T/state/journal.db-wal" | wc -c |
		awk '{ printf "%d", $1 / 1024 }'
} 2>/dev/null

# own_kib PROCESS - its memory, without what is shared (of a fixed size)
own_kib() {
	awk '/^RssAnon/ { print $2 }' "/proc/$(status_pid "$1")/status"
}

records() {
	sqlite3 -readonly "$T/state/journal.db" "SELECT count(*) FROM record"
}

# few_records - a writer that has nothing to write looks seldom
few_records() {
	touch "$T/tree"
	[ "$(records)" -le $MOST ]
}

follows() {
	"$MIRRORFS" wait "$T/tree" --replica r2 --timeout 120
}

# sample ROUND - JOURNAL, SYNC and WORKER become what they are now, KiB
sample() {
	JOURNAL=$(journal_kib) SYNC=$(own_kib sync_pid)
	WORKER=$(own_kib worker_pid)
	say "$1 of $CHANGES changes: journal $JOURNAL KiB, memory of sync" \
		"$SYNC, fs worker $WORKER, supervisor" \
		"$(own_kib supervisor_pid) KiB"
}

ssh_replicas 1
mkdir "$T/replica2" "$T/tree/in"
printf '[mount]\nroot = %s\nhistory = 1ms\n' "$T/tree" >"$T/history.conf"
check "mount" mount_tree --config "$T/history.conf" "${REPLICAS[@]}" \
	-o max-backlog=500
check "add" "$MIRRORFS" replica add "$T/tree" "r2=$T/replica2" \
	-o max-backlog=never,durable=no
check "wait" synced
port=$SSHD_PORT
sshd_stop
for ((i = 1; i <= ROUNDS; i++)); do
	"$HELPERS/benchtool" changes "$T/tree/in" $FILES \
		$((CHANGES / ROUNDS / FILES)) || fail "changes"
	check "the live one follows" follows
	if [ $i = 1 ]; then
		"$MIRRORFS" retry "$T/tree" >/dev/null # look now
		check "stale" wait_for 60 state_is r1 stale
	fi
	check "records go" wait_for 60 few_records
	sample $((i * CHANGES / ROUNDS))
	[ $i != 2 ] || was=($JOURNAL $SYNC $WORKER)
done
check "the live one has all" follows
check "replica 2" same "$T/replica2"
if [ -z "$SANITIZED" ]; then # that one keeps what is freed
	check "the journal does not grow" \
		test "$JOURNAL" -lt $((was[0] * 3 / 2 + 8192))
	check "nor does sync" test "$SYNC" -lt $((was[1] * 3 / 2 + 8192))
	check "nor does the worker" test "$WORKER" -lt $((was[2] * 3 / 2 + 8192))
fi

sshd_start "$T/sshd" "$port" || fail "sshd does not start again"
"$MIRRORFS" retry "$T/tree" >/dev/null
check "wait when it is back" synced 120
check "replica 1" same "$T/replica1"
exit 0
