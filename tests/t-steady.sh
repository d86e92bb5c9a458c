#!/bin/bash
# Files that are written to without a pause: one that is only appended to comes
# to replicas at each settle-age, as it was at one moment; of one that is written
# all over nothing comes that was never there. Over sshd, as there the second
# connection and deltas are had.
. "$(dirname "$0")/functions.sh"
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
# counters - at both ends of a file that stays open; the first one is one more
# than the last, or the same
counters() {
	exec perl -e 'open(my $f, "+<", $ARGV[0]) or die; my $n = 0;
		until (-e $ARGV[1]) {
			$n++;
			for my $at (0, 999980) {
				sysseek($f, $at, 0);
				syswrite($f, sprintf("%019d\n", $n)) or die;
			}
			select(undef, undef, undef, 0.001) if $n % 8 == 0;
		}' "$T/tree/counters" "$T/stop"
}
head -c 16000000 /dev/zero >"$T/tree/large"
{ printf '%019d\n' 0; head -c 999960 /dev/zero; printf '%019d\n' 0; } \
	>"$T/tree/counters"
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
pair() { # FILE
	local a b
	a=$(head -c 19 "$1") b=$(tail -c 20 "$1")
	a=$((10#$a)) b=$((10#$b))
	[ "$a" = "$b" ] || [ "$a" = $((b + 1)) ]
}

background lines log
background lines large
background counters
for round in 1 2 3 4 5 6; do
	size=$(stat -c %s "$T/replica1/log")
	large=$(stat -c %s "$T/replica1/large")
	check "$round: the log grows" wait_for 30 grown log "$size"
	check "$round: the large one grows" wait_for 30 grown large "$large"
	check "$round: the log is whole" whole log
	check "$round: the large one is whole" whole large
	cp "$T/replica1/counters" "$T/copy"
	check "$round: the counters" pair "$T/copy"
done
touch "$T/stop"
wait "${CHILDREN[@]}"
check "wait" synced
check "same" same "$T/replica1"

# a new one, and the line is so slow that it settles again and again before all of
# it was sent
rm "$T/stop"
check "slow" "$MIRRORFS" replica set "$T/tree" r1 bwlimit=8M
head -c 32000000 /dev/zero >"$T/tree/slow"
background lines slow 1
check "the slow one arrives" wait_for 60 test -s "$T/replica1/slow"
check "it is whole" whole slow
check "while it is written" kill -0 "$BG"
check "as fast as can be" "$MIRRORFS" replica set "$T/tree" r1 bwlimit=never
touch "$T/stop"
wait "$BG"
check "wait" synced
check "same" same "$T/replica1"
exit 0
