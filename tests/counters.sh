# A file that is written at both ends without a pause, and stays open: $T/tree/counters.
# What a replica has of it is of one moment if the first counter is one more than
# the last, or the same. Sourced by t-steady*.

# counters_begin BYTES
counters_begin() {
	COUNTERS=$1
	{ printf '%019d\n' 0; head -c $(($1 - 40)) /dev/zero
		printf '%019d\n' 0; } >"$T/tree/counters"
}

# counters - write, until there is $T/stop.
counters() {
	exec perl -e 'open(my $f, "+<", $ARGV[0]) or die; my $n = 0;
		until (-e $ARGV[1]) {
			$n++;
			for my $at (0, $ARGV[2] - 20) {
				sysseek($f, $at, 0);
				syswrite($f, sprintf("%019d\n", $n)) or die;
			}
			select(undef, undef, undef, 0.001) if $n % 8 == 0;
		}' "$T/tree/counters" "$T/stop" "$COUNTERS"
}

pair() { # FILE
	local a b
	a=$(head -c 19 "$1") b=$(tail -c 20 "$1")
	a=$((10#$a)) b=$((10#$b))
	[ "$a" = "$b" ] || [ "$a" = $((b + 1)) ]
}

# counters_go_on - on replica1 while they are written, again and again.
counted() { ! cmp -s -n 20 "$T/replica1/counters" "$T/copy"; }
counters_go_on() {
	local round
	background counters
	for round in 1 2 3 4 5 6; do
		head -c 20 "$T/replica1/counters" >"$T/copy"
		check "$round: the counters go on" wait_for 60 counted
		cp "$T/replica1/counters" "$T/copy"
		check "$round: the counters" pair "$T/copy"
	done
	touch "$T/stop"
	wait "$BG"
}
