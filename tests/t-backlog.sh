#!/bin/bash
# A long backlog of few files: each is sent about once, not once a batch.
. "$(dirname "$0")/functions.sh"
expect_log "cannot reach|lost|connection|ended"

# caught_up KEY - what the log says of the newest backlog
caught_up() {
	sed -n "s/.*r1: caught up: .*$1=\([0-9]*\).*/\1/p" \
		"$T/state/mirrorfs.log" | tail -n 1
}

ssh_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
for i in 1 2 3 4 5 6 7 8 9 10; do
	echo start >"$T/tree/file$i"
done
check "wait" synced
port=$SSHD_PORT
sshd_stop
# or a change is under way, and all of that is compared later, not replayed
check "offline" wait_for 60 state_is r1 offline

# each round is an open, a write and a chmod of ten files, and one that goes
for ((n = 0; n < 350; n++)); do
	for i in 1 2 3 4 5 6 7 8 9 10; do
		echo "round $n" >>"$T/tree/file$i"
	done
	echo "$n" >"$T/tree/new"
	mv "$T/tree/new" "$T/tree/now"
	: >"$T/tree/gone"
	rm "$T/tree/gone"
done
chmod 600 "$T"/tree/file*
# what the journal gets later makes what was sent before old
written() {
	"$MIRRORFS" wait "$T/tree" --timeout 0 >"$T/out" 2>&1
	grep -q "r1 lacks" "$T/out"
}
check "all is in the journal" wait_for 60 written
sshd_start "$T/sshd" "$port" || fail "sshd does not start again"
check "wait when it is back" synced
check "replica" same "$T/replica1"
told() { [ -n "$(caught_up records)" ]; }
check "told" wait_for 60 told
records=$(caught_up records) uploads=$(caught_up uploads)
say "$records records, $uploads uploads"
check "$records records are a long backlog" test "$records" -gt 8200
check "$uploads uploads are few" test "$uploads" -le 20

# attributes alone: they are sent once, too
mkdir "$T/tree/many"
touch "$T"/tree/many/{1..100}
check "wait" synced
sshd_stop
check "offline" wait_for 60 state_is r1 offline
for ((n = 0; n < 60; n++)); do
	chmod 600 "$T"/tree/many/*
	chmod 644 "$T"/tree/many/*
done
check "all is in the journal" wait_for 60 written
sshd_start "$T/sshd" "$port" || fail "sshd does not start again"
check "wait when it is back" synced
check "replica" same "$T/replica1"
again() { [ "$(caught_up records)" != "$records" ]; }
check "told" wait_for 60 again
actions=$(caught_up actions)
check "$actions actions for $(caught_up records) records" \
	test "$actions" -le 150
exit 0
