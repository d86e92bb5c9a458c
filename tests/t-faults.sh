#!/bin/bash
# A server between sync and the real one that goes wrong at random requests:
# cut, refused, answered late, out of order, in small pieces, with nonsense, each
# of them at least once while it works. Meanwhile users write, and sync is killed.
# In the end the trees are equal.
. "$(dirname "$0")/functions.sh"
expect_log "lost|connection|protocol|parked|refused|cannot|ended|silen|reset"

faulty_server
KINDS="cut-before cut-after failure oversize unknown-id duplicate wrong-type
	truncated long-string"
MANNERS="chopped shuffled slow"

# goes_wrong SPAN KIND... - from the next connection on.
goes_wrong() {
	echo "$SEED" "$@" >"$CTL/faults"
	rm -f "$CTL/calm"
}
# n_faults - so many times something went wrong.
n_faults() {
	cat "$CTL/log" 2>/dev/null | wc -l
}
more_faults_than() {
	[ "$(n_faults)" -gt "$1" ]
}
# lacking WHAT... - prints those that did not go wrong behind the probing yet.
lacking() {
	local what
	for what; do
		grep -qs " $what [1-9]" "$CTL/log" || echo "$what"
	done
}
# at_random [behind] - what is lacking, or else anything; in the probing, or behind.
at_random() {
	local kinds
	# shellcheck disable=SC2086
	kinds=$(lacking $KINDS)
	# shellcheck disable=SC2086
	goes_wrong 200 $* ${kinds:-$KINDS} $MANNERS
}
# all_came - for wait_for: each kind and manner has been there. Who is connected,
# and has met all that he drew, is cut off now and then.
all_came() {
	local i
	at_random behind
	[ $((polls += 1)) -lt 60 ] || { polls=0; sshd_cut; }
	for i in 1 2 3 4 5 6 7 8 9; do
		echo "$polls" >>"$T/tree/more$i"
	done
	"$MIRRORFS" retry "$T/tree" >/dev/null # without a pause
	# shellcheck disable=SC2086
	[ -z "$(lacking $KINDS $MANNERS)" ]
}
# settled - nothing goes wrong any more: in the end all replicas are equal.
settled() {
	touch "$CTL/calm"
	sshd_cut # who was drawn a fault may not have met it yet
	check "wait, seed $SEED" synced 120
	for r in "$T"/replica?; do
		wait_for 60 same "$r" || fail "$r, seed $SEED"
	done
	wait_for 60 no_parked || fail "parked"
	wait_for 60 empty_stage "$T"/replica? || fail "left on the stage"
}
no_parked() {
	[ "$("$MIRRORFS" status "$T/tree" --json |
		jq '[.replicas[].parked] | add')" = 0 ]
}

ssh_replicas 3
# what goes wrong may have all compared while a replica is far behind: then it
# would ask before it deletes so much (t-guard), and nobody is here to answer
check "mount" mount_tree "${REPLICAS[@]}" -o parallel-above=1 -o max-delete=100%
check "wait" synced

# 1. everything, at random, while users write and sync is killed
for ((round = 1; round <= ${SOAK:-1}; round++)); do
	SEED=$((SEED + 1000)) kills=0 polls=0
	rm -f "$CTL/log"
	at_random behind
	sshd_cut
	background "$HELPERS/churn" --seed "$SEED" --ops "$(scaled 6000)" \
		--procs 3 "$T/tree"
	until process_gone "$BG"; do
		sleep 0.$((RANDOM % 10)) # somewhere in its work
		at_random $([ $((RANDOM % 3)) = 0 ] || echo behind)
		[ $kills = 0 ] || [ $((RANDOM % 3)) = 0 ] || continue
		pid=$(status_pid sync_pid)
		[ "${pid:-0}" -gt 0 ] && kill -9 "$pid" 2>/dev/null &&
			kills=$((kills + 1))
	done
	wait "$BG" || fail "churn"
	check "sync was killed" test $kills -gt 0
	# shellcheck disable=SC2086
	wait_for 120 all_came || fail "did not come:" $(lacking $KINDS $MANNERS)
	say "killed $kills times," \
		"$(cut -d' ' -f3 "$CTL/log" | sort | uniq -c | xargs)"
	settled
done

# 2. the connection is cut at each request of a piece of work
work() {
	local d=$T/tree/work
	rm -rf "$d" && mkdir -p "$d/a/b" && echo "$1" >"$d/a/file" &&
		ln "$d/a/file" "$d/a/b/link" && ln -s a "$d/sym" &&
		chown 1:1 "$d/a/file" && mv "$d/a" "$d/c" &&
		echo more >>"$d/c/file" && touch -d "2001-01-01" "$d/c"
}
rm -f "$CTL/log"
first=1 last=100 step=1
[ "${SOAK:-1}" -gt 1 ] || first=$((1 + RANDOM % 25)) last=60 step=25
for ((n = first; n <= last; n += step)); do
	before=$(n_faults)
	goes_wrong "=$n" behind $([ $((RANDOM % 2)) = 0 ] && echo cut-before ||
		echo cut-after)
	sshd_cut
	work "$n" || fail "work"
	wait_for 5 more_faults_than "$before" # or it had fewer requests
	settled
done
check "cut in the work" test -s "$CTL/log"
exit 0
