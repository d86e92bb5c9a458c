# The property: N random operations on the mount, by several processes at
# once, then wait, then the replicas equal the tree. Sourced by t-property-*.

SAME=() # options of treecmp, for replicas that can do less

expect_races

# property_rounds REPLICAS ROUNDS OPERATIONS - each round adds to the tree
# that the last one left.
property_rounds() {
	local round seed i path
	for ((round = 1; round <= $2; round++)); do
		SEED=$((SEED + 100)) seed=$SEED
		"$HELPERS/churn" --seed $seed --ops "$3" --procs 4 \
			"$T/tree" >"$T/churn.out" ||
			{ cat "$T/churn.out"; fail "churn, seed $seed"; }
		check "wait, seed $seed" synced 120
		for ((i = 1; i <= $1; i++)); do
			same "$T/replica$i" ${SAME[@]+"${SAME[@]}"} && continue
			path=$(sed -n '1s/: .*//p' "$T/treecmp.out")
			say "--- what happened to $path"
			"$MIRRORFS" log "$T/tree" "$T/tree/$path" --limit 20
			cp "$T/treecmp.out" "$T/difference"
			# or only in the kernel's pages? docs/CONFORMANCE.md
			echo 1 >/proc/sys/vm/drop_caches
			same "$T/replica$i" ${SAME[@]+"${SAME[@]}"} >"$T/again"
			echo "read once more: $(head -n 1 "$T/again")" |
				tee -a "$T/difference"
			fail "replica $i, round $round, seed $seed"
		done
	done
	say "$2 rounds of $3 operations: $(tail -n 1 "$T/treecmp.out")"
}

# mount_above SIZE [OPTION...] - of files of that size and more only what changed
# travels; 0: of all. What stays open is sent while it is.
mount_above() {
	printf '[mount]\nroot = %s\ndelta-above = %s\nsettle-age = 100ms\n' \
		"$T/tree" "$1" >"$T/above.conf"
	shift
	mount_tree --config "$T/above.conf" "$@"
}

# nothing was put aside on the way
property_parked() {
	equal "$("$MIRRORFS" status "$T/tree" --json |
		jq '[.replicas[].parked] | add')" 0 "parked paths"
}

# property_filtered ROUNDS OPERATIONS PATTERN... - the same with replica1, which
# does not get what these patterns exclude: it equals what rsync makes of them.
property_filtered() {
	local rounds=$1 operations=$2 round seed pattern rules=()
	shift 2
	for pattern; do
		rules+=("--exclude=$pattern")
	done
	mkdir -p "$T/expected"
	for ((round = 1; round <= rounds; round++)); do
		SEED=$((SEED + 100)) seed=$SEED
		"$HELPERS/churn" --seed $seed --ops "$operations" --procs 4 \
			"$T/tree" >"$T/churn.out" ||
			{ cat "$T/churn.out"; fail "churn, seed $seed"; }
		check "wait, seed $seed" synced 120
		check "rsync" rsync -aHI --delete --delete-excluded \
			"${rules[@]}" "$T/tree/" "$T/expected/"
		"$HELPERS/treecmp" --ignore-special "$T/expected" \
			"$T/replica1" >"$T/difference" 2>&1 && continue
		cat "$T/difference"
		pattern=$(sed -n '1s/: .*//p' "$T/difference")
		"$MIRRORFS" log "$T/tree" "$T/tree/$pattern" --limit 20
		fail "round $round, seed $seed"
	done
}
