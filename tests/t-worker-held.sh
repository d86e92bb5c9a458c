#!/bin/bash
# A call that takes long meets the deaths of several workers, all of them killed
# from outside: each next one does it again, and nobody refuses it. Nor is forgotten
# what was done by one that died, where the next one cannot tell.
. "$(dirname "$0")/functions.sh"
expect_log "fs worker died"

pipe_replicas 1
check "mount" mount_with_faults "${REPLICAS[@]}"

plan pwrite 1 1 wait /tree/held
echo "it was written" >"$T/tree/held" &
writer=$!
for i in 1 2 3 4 5 6; do
	check "it waits, $i" wait_for 60 test -e "$T/plan.hits"
	rm "$T/plan.hits"
	pid=$(status_pid worker_pid)
	kill -9 "$pid"
	check "another one, $i" wait_for 60 worker_after "$pid"
done
check "it waits again" wait_for 60 test -e "$T/plan.hits"
plan
wait $writer || fail "the write"
equal "$(cat "$T/tree/held")" "it was written" "the file"
refuse "refused" grep "is refused" "$T/state/mirrorfs.log"
check "wait" synced
check "same" same "$T/replica1"

# a folder is to get another name while something is removed in it: what had begun is
# done first, by whichever thread
for i in 1 2 3 4; do
	mkdir "$T/tree/dir" && echo "$i" >"$T/tree/dir/gone" || fail "folder"
	check "wait" synced
	plan unlink 1 1 then /dir/gone
	rm "$T/tree/dir/gone" &
	remover=$!
	check "it is removed, $i" wait_for 60 test -e "$T/plan.hits"
	mv "$T/tree/dir" "$T/tree/moved$i" &
	mover=$!
	sleep 0.2 # until that is on its way
	kill -9 "$(status_pid worker_pid)"
	plan
	wait $remover || fail "the removal"
	wait $mover || fail "the new name"
	check "wait" synced
	check "same, with another name, $i" same "$T/replica1"
done

# a name is removed by a worker that dies, and the next one gets no further than an
# error of the disk, which its caller is told: what was done is found nevertheless
plan unlink 1 1 then /tree/held
rm -f "$T/tree/held" 2>"$T/said" &
remover=$!
check "it is removed" wait_for 60 test -e "$T/plan.hits"
pid=$(status_pid worker_pid) supervisor=$(status_pid supervisor_pid)
kill -STOP "$supervisor" && kill -9 "$pid"
plan open 1 1 5 /tree/held fs-worker
kill -CONT "$supervisor"
refuse "its caller was told nothing" wait $remover
check "what it was told" grep -q "Input/output" "$T/said"
plan
check "wait" synced
check "same without it" same "$T/replica1"
exit 0
