#!/bin/bash
# What is compared after a bad end is compared behind the users: the tree is
# mounted, and they work, while the first thing that is looked at on the replica
# has no answer yet. Nothing counts as arrived meanwhile.
. "$(dirname "$0")/functions.sh"
need jq
expect_log "journal|cannot|did not end well"

faulty_replica
mkdir "$T/tree/d"
for i in $(seq 40); do
	echo "old $i" >"$T/tree/d/f$i"
done
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced

pids=("$(status_pid supervisor_pid)" "$(status_pid worker_pid)"
	"$(status_pid sync_pid)")
kill -STOP "${pids[2]}" # nothing of it is sent
for i in $(seq 40); do # nor does size or time tell
	was=$(stat -c %y "$T/tree/d/f$i")
	printf new | dd of="$T/tree/d/f$i" conv=notrunc status=none &&
		touch -d "$was" "$T/tree/d/f$i" || fail "a change"
done
kill -9 "${pids[@]}"
for p in "${pids[@]}"; do
	check "they end" wait_for 60 process_gone "$p"
done

# any request for one of them
echo "0 /d/f" >"$CTL/hold"
check "mount again" mount_tree
check "it is looked at" wait_for 60 held 1
echo user >"$T/tree/d/new" && mv "$T/tree/d/f1" "$T/tree/d/g1" &&
	rm "$T/tree/d/f2" && echo more >>"$T/tree/d/f3" || fail "users work"
equal "$(cat "$T/tree/d/g1")" "new 1" "what they read"
refuse "all has arrived" "$MIRRORFS" wait "$T/tree" --timeout 1 2>/dev/null
refuse "status says so" state_is r1 synced
equal "$(cat "$T/replica1/d/f40")" "old 40" "the replica meanwhile"
rm "$CTL/hold"
touch "$CTL/release"
check "wait" synced
check "same" same "$T/replica1"
equal "$("$MIRRORFS" log "$T/tree" --op gap | wc -l)" 0 \
	"comparisons of everything"
exit 0
