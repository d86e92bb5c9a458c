#!/bin/bash
# The fs worker is killed again and again, as hard as can be, while programs
# make every kind of call: each call does what it must, users see a pause. It
# is told to make room for a new program, too. In the end the replica is equal,
# and nothing was recorded twice.
#
# SOAK: as many times as long; then the figures are what counts.
. "$(dirname "$0")/functions.sh"
need pgrep
expect_log "fs worker died"
expect_races

KILLS=$(($(scaled 15) * ${SOAK:-1}))
PROCS=3

worker_of() {
	pgrep -P "$1" -f ' fs-worker ' | head -n 1
}

new_worker() {
	local now
	now=$(worker_of "$1")
	[ -n "$now" ] && [ "$now" != "$2" ]
}

# killed - the worker, and there is another one. Each second one has served: when
# none comes to serve, however often it is tried, the mount is made anew.
deaths=0
killed() {
	local pid
	[ $((deaths % 2)) = 0 ] || timeout 60 ls "$T/tree" >/dev/null || return 1
	pid=$(worker_of "$SUPERVISOR")
	[ -n "$pid" ] && kill -9 "$pid" 2>/dev/null || return 1
	deaths=$((deaths + 1))
	wait_for 60 new_worker "$SUPERVISOR" "$pid"
}

# storm KILLS OPTION... - calls, while the worker is killed so often
storm() {
	local kills=0 n=$1 r
	shift
	rm -f "$T/stop"
	mkdir -p "$T/tree/storm"
	background "$HELPERS/callstorm" --seed "$SEED" --procs $PROCS \
		--until "$T/stop" "$@" "$T/tree/storm"
	local storm=$BG
	check "it has made what it reads" wait_for 60 test -e \
		"$T/tree/storm/p0/big"
	while [ $kills -lt "$n" ] && ! process_gone "$storm"; do
		killed && kills=$((kills + 1))
		# let it work for a while, at times hardly
		sleep "0.$(((RANDOM % 4) / 3))$((RANDOM % 10))"
	done
	touch "$T/stop"
	wait "$storm"
	r=$?
	say "killed $kills times"
	return $r
}

pipe_replicas 1
mount_it() {
	check "mount" mount_tree "${REPLICAS[@]}" "$@"
	SUPERVISOR=$(status_pid supervisor_pid)
}

mount_it
say "$SECONDS s: mounted"
check "calls, and a worker that dies" storm "$KILLS" >"$T/storm"
cat "$T/storm"
say "$SECONDS s: stormed"
restarts=$(status_pid worker_restarts)
[ "$restarts" -ge "$KILLS" ] || fail "$restarts restarts"
check "wait" synced
check "same" same "$T/replica1"
check "told" wait_for 60 grep -q \
	" warning .*the fs worker died .*another one takes over" "$T/state/mirrorfs.log"
equal "$("$MIRRORFS" log "$T/tree" --op unsure | wc -l)" 0 "unsure records"
equal "$("$MIRRORFS" status "$T/tree" --json |
	jq '[.replicas[].parked] | add')" 0 "parked paths"
rm -r "$T/tree/storm" || fail "rm"
# not a request was lost that would have told it to forget
check "umount" umount_tree

say "$SECONDS s: compared"

# exactly one record for each change
mount_it
changes() {
	local i
	for ((i = 0; i < 60; i++)); do
		mkdir "$T/tree/d$i" && mknod "$T/tree/d$i/f" p &&
			ln "$T/tree/d$i/f" "$T/tree/d$i/g" &&
			mv "$T/tree/d$i/g" "$T/tree/d$i/h" &&
			rm "$T/tree/d$i/f" || return 1
	done
}
check "that of the mount is written" synced
before=$("$MIRRORFS" log "$T/tree" --limit 100000000 | wc -l)
changes &
CHILDREN+=($!)
until process_gone $!; do
	killed
	sleep 0.05
done
wait $! || fail "changes"
check "wait" synced
equal $(($("$MIRRORFS" log "$T/tree" --limit 100000000 | wc -l) - before)) 300 \
	"records"
check "same" same "$T/replica1"
exit 0
