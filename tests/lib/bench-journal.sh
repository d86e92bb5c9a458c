# What the journal costs an operation: tests/journalbench, in process, with
# the database on the disk. Needs base.sh, bench-peers.sh (S) and BUILD.

JOURNALBENCH=$BUILD/tests/journalbench
JOURNAL_TABLE=()

# operation, the row's name
JOURNAL_ROWS="
who|who did it (in each of the following)
write|write to a file that is open
create|create
close|close after writing: settled
rename|rename
unlink|unlink
"

# journal_value OPERATION PACE COLUMN - the median
journal_value() {
	median $(awk -v w="$1" -v p="$2" -v c="$3" \
		'$1 == p && $2 == w { print $c }' "$S/costs")
}

# The limit is for the mean at either pace: a median hides the wake-ups.
journal_row() {
	local verdict=missed pace cells= worst=0 v
	for pace in 0 40000; do
		v=$(journal_value "$1" $pace 4)
		worst=$(printf '%s\n' "$worst" "$v" | sort -g | tail -n 1)
		cells+=" $(journal_value "$1" $pace 3) | $v |"
	done
	awk -v a="$worst" 'BEGIN { exit !(a < 1) }' && verdict=met
	[ $verdict = met ] || MISSED+=" 'journal: $1'"
	JOURNAL_TABLE+=("| $2 |$cells < 1 $verdict |")
}

bench_journal() {
	local i pace work text
	OVERLAY_RUNS=
	: >"$S/costs"
	for ((i = 0; i < RUNS; i++)); do
		for pace in 0 40000; do
			rm -rf "$S/journal"
			mkdir "$S/journal"
			"$JOURNALBENCH" "$S/journal" $((20000 / SCALE)) \
				$pace >"$S/round" || die "journalbench"
			sed "s/^/$pace /" "$S/round" >>"$S/costs"
		done
	done
	while IFS='|' read -r work text; do
		[ -z "$work" ] || journal_row "$work" "$text"
	done <<<"$JOURNAL_ROWS"
}

journal_table() {
	echo "| the journal's part of an operation, µs | back to back: median | mean | 40 µs apart: median | mean | target (means) |"
	echo "|---|---|---|---|---|---|"
	printf '%s\n' "${JOURNAL_TABLE[@]}"
}
