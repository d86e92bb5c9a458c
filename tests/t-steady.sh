#!/bin/bash
# Files that are written to without a pause: one that is only appended to comes
# to replicas at each settle-age, as it was at one moment, and so does one that is
# written all over: its writers are held for as long as it takes to copy it. Over
# sshd, as there the second connection and deltas are had.
. "$(dirname "$0")/functions.sh"
. "$TESTS/counters.sh"
expect_log "."
need sqlite3

ssh_replicas 1
printf '[mount]\nroot = %s\nsettle-age = 500ms\nsettle-idle = never
delta-above = 1M\n' "$T/tree" >"$T/steady.conf"
check "mount" mount_tree --config "$T/steady.conf" "${REPLICAS[@]}" \
	-o parallel-above=8M

# lines NAME - a line of twenty bytes each time; a part of one is never there
lines() {
	exec perl -e 'open(my $f, ">>", $ARGV[0]) or die; my $n = 0;
		until (-e $ARGV[1]) {
			syswrite($f, sprintf("%019d\n", $n++)) or die;
			select(undef, undef, undef, 0.001) if $ARGV[2];
		}' "$T/tree/$1" "$T/stop" "${2:-0}"
}
head -c 16000000 /dev/zero >"$T/tree/large"
counters_begin 1000000
: >"$T/tree/log"
check "wait" synced

# grown NAME SIZE - the replica has more of it
grown() { [ "$(stat -c %s "$T/replica1/$1")" -gt "$2" ]; }
# whole NAME - what the replica has is the beginning of what the master has
whole() {
	cp "$T/replica1/$1" "$T/copy"
	local size
	size=$(stat -c %s "$T/copy")
	[ $((size % 20)) = 0 ] && cmp -s -n "$size" "$T/copy" "$T/tree/$1"
}
background lines log
background lines large
background counters
for round in 1 2 3 4 5 6; do
	size=$(stat -c %s "$T/replica1/log")
	large=$(stat -c %s "$T/replica1/large")
	check "$round: the log grows" wait_for 60 grown log "$size"
	check "$round: the large one grows" wait_for 60 grown large "$large"
	check "$round: the log is whole" whole log
	check "$round: the large one is whole" whole large
	cp "$T/replica1/counters" "$T/copy"
	check "$round: the counters" pair "$T/copy"
done
touch "$T/stop"
wait "${CHILDREN[@]}"
check "wait" synced
check "same" same "$T/replica1"

# alone, it gets no pause from others
rm "$T/stop"
counters_go_on
check "wait" synced
check "same" same "$T/replica1"

# a new one, and the line is so slow that it settles again and again before all of
# it was sent
rm "$T/stop"
check "slow" "$MIRRORFS" replica set "$T/tree" r1 bwlimit=8M
head -c 32000000 /dev/zero >"$T/tree/slow"
background lines slow 1
# (not when a part of what is before the lines has)
arrived() { [ -e "$T/replica1/slow" ] && grown slow 31999999; }
check "the slow one arrives" wait_for 60 arrived
check "it is whole" whole slow
check "while it is written" kill -0 "$BG"
check "as fast as can be" "$MIRRORFS" replica set "$T/tree" r1 bwlimit=never
touch "$T/stop"
wait "$BG"
check "wait" synced
check "same" same "$T/replica1"
exit 0
