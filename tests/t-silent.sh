#!/bin/bash
# A supervisor that was stopped answers nobody. Users go on, and no command
# waits for it: each says in one line what is so and what to do. What was given
# up is not done when it goes on.
. "$(dirname "$0")/functions.sh"

pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
echo one >"$T/tree/one"
check "wait" synced
supervisor=$(status_pid supervisor_pid)
worker=$(status_pid worker_pid)

# silent N COMMAND... - started at once with the others, as each takes a while
N=0
silent() {
	((N += 1))
	timeout 200 "$MIRRORFS" "$@" >"$T/out$N" 2>"$T/err$N" &
	ASKED[N]=$!
}
# told N COMMAND - it ended with status 1, and one line
told() {
	wait "${ASKED[$1]}"
	equal $? 1 "status of $2"
	equal "$(wc -l <"$T/err$1")" 1 "lines of error of $2"
	check "why, of $2" grep -q "kill -CONT $supervisor" "$T/err$1"
}
# more open files than its queue takes lose their last name: one of them may wait
# for room in vain, not each
remove_open() (
	for i in {1..800}; do
		exec {fd}>"$T/tree/open$i" || exit
	done
	timeout 200 rm "$T"/tree/open*
)

trap 'r=$?; kill -CONT "$supervisor"; end_test $r' EXIT
kill -STOP "$supervisor"
silent wait "$T/tree"
silent umount "$T/tree"
silent upgrade "$T/tree"
silent reconcile "$T/tree"
silent mount "$T/tree" --state-dir "$T/state"
silent replica pause "$T/tree" r1
silent status "$T/tree" --json
silent status "$T/tree"
silent replica set "$T/tree" r1 bwlimit=1G
# more than its queue takes
for i in {1..70}; do
	silent umount "$T/tree"
done
echo two >"$T/tree/two" || fail "users go on"
equal "$("$MIRRORFS" log "$T/tree" --limit 1000 | grep -c one)" 2 "log"
check "removals go on" remove_open
n=0
for what in wait umount upgrade reconcile mount pause; do
	told $((n += 1)) "$what"
done
wait "${ASKED[7]}" && fail "status --json says well"
equal "$(jq -r '"\(.mounted) \(.answers) \(.supervisor_pid)
	\(.journal.state) \(.replicas[0].name)"' "$T/out7" | xargs)" \
	"true false $supervisor unknown r1" "json"
wait "${ASKED[8]}" && fail "status says well"
check "status says why" grep -q \
	"mounted, but .*was stopped: \"kill -CONT $supervisor\"" "$T/out8"
check "and tells of replicas" grep -q "^r1 " "$T/out8"
told 9 "replica set"
for i in {10..79}; do
	told "$i" "umount $i"
done

# nor does the tree, when a way in it is to be looked at
trap 'r=$?; kill -CONT "$supervisor" "$worker"; end_test $r' EXIT
kill -STOP "$worker"
check "log of a path" timeout 200 "$MIRRORFS" log "$T/tree" \
	"$T/tree/nowhere/one" 2>"$T/err"
check "it says so" grep -q "does not answer: no symbolic link" "$T/err"
kill -CONT "$supervisor"
timeout 200 "$MIRRORFS" wait "$T/tree" "$T/tree/nowhere/two" --timeout 1 \
	2>"$T/err"
equal $? 1 "wait for a path"
check "it says so, too" grep -q "timed out: .* does not answer" "$T/err"
kill -CONT "$worker"

# paused was noted, and so was the limit
check "paused" wait_for 60 state_is r1 paused
check "limit" sh -c \
	"'$MIRRORFS' replica list '$T/tree' --verbose | grep -q 'bwlimit.*1G'"
check "still mounted" mounted_at "$T/tree"
equal "$(status_pid worker_pid)" "$worker" "the worker"
check "resume" "$MIRRORFS" replica resume "$T/tree" r1
check "wait" synced
check "same" same "$T/replica1"
check "umount" umount_tree
exit 0
