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

# journal_value OPERATION COLUMN - the median
journal_value() {
	median $(awk -v w="$1" -v c="$2" '$1 == w { print $c }' "$S/costs")
}

journal_row() {
	local mid mean verdict=missed
	mid=$(journal_value "$1" 2)
	mean=$(journal_value "$1" 3)
	awk -v a="$mid" 'BEGIN { exit !(a < 1) }' && verdict=met
	[ $verdict = met ] || MISSED+=" 'journal: $1'"
	JOURNAL_TABLE+=("| $2 | $mid µs | $mean µs | < 1 µs $verdict |")
}

bench_journal() {
	local i work text
	OVERLAY_RUNS=
	: >"$S/costs"
	for ((i = 0; i < RUNS; i++)); do
		rm -rf "$S/journal"
		mkdir "$S/journal"
		"$JOURNALBENCH" "$S/journal" $((20000 / SCALE)) \
			>>"$S/costs" || die "journalbench"
	done
	while IFS='|' read -r work text; do
		[ -z "$work" ] || journal_row "$work" "$text"
	done <<<"$JOURNAL_ROWS"
}

journal_table() {
	echo "| the journal's part of an operation | median | mean | target |"
	echo "|---|---|---|---|"
	printf '%s\n' "${JOURNAL_TABLE[@]}"
}
