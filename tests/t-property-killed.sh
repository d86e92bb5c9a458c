#!/bin/bash
# The sync process is killed again and again in the middle of its work, over a
# real sshd: it is started again and ends with equal trees.
. "$(dirname "$0")/functions.sh"
. "$TESTS/property.sh"
expect_log "the sync process ended"
expect_log "lost|connection"

ssh_replicas 2
check "mount" mount_above 0 "${REPLICAS[@]}"
for round in 1 2 3; do
	background "$HELPERS/churn" --seed $((SEED + round * 1000)) \
		--ops "$(scaled $((${SOAK:-0} ? 15000 : 10000)))" --procs 3 "$T/tree"
	kills=0
	until process_gone "$BG"; do
		pid=$(status_pid sync_pid)
		if [ "${pid:-0}" -gt 0 ] 2>/dev/null; then
			kill -9 "$pid" && kills=$((kills + 1))
			sleep 0.$((RANDOM % 10))
		fi
		sleep 0.2
	done
	wait "$BG" || fail "churn"
	say "round $round: killed $kills times"
	check "it was killed" test "$kills" -gt 0
	check "wait" synced 200
	check "replica 1" same "$T/replica1"
	check "replica 2" same "$T/replica2"
done
property_parked
exit 0
