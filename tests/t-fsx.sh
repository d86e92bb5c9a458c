#!/bin/bash
# Random calls on one file by several processes, against a model in memory: on
# the file system below first, which tests the test, then through the mount in
# each way that the kernel may serve it; with -P on a file that is passed, where
# there is passthrough. At the end the replica has the same bytes, also those
# that were stored by mappings late. SOAK=N: N minutes.
. "$(dirname "$0")/functions.sh"

SECONDS_EACH=$(scaled 4) N=$(scaled 1000)
PASSED=(-n "$(scaled 8000)") # not a time: on a slow machine a few say nothing
[ -z "${SOAK:-}" ] ||
	SECONDS_EACH=$((SOAK * 60 / 6)) PASSED=(-t $((SOAK * 60 / 6)))

# passed - with passthrough many of the readers are passed, without almost none
passed() {
	local file=$T/tree/passed
	check "fsx -P, without '${WITHOUT:-}'" "$HELPERS/fsx" -P -s "$SEED" \
		"${PASSED[@]}" -w "$(status_pid worker_pid)" "$file" \
		>"$T/said"
	say "$(tail -1 "$T/said")"
	check "side by side" "$HELPERS/fsx" -P -b \
		-s "$((SEED & ~1))" -n "$N" "$file.b"
	check "and a reader that stays" \
		"$HELPERS/fsx" -P -b -s "$((SEED | 1))" -n "$N" "$file.c"
	[ "$("$MIRRORFS" status "$T/tree" --json | jq -r .passthrough)" = on ] ||
		return 0
	check "enough were passed" awk '
		$1 == "passed" && $4 > 0 { enough = $2 * 4 > $4 }
		END { exit !enough }' "$T/said"
}

through_mount() {
	check "mount" mount_tree "${REPLICAS[@]}"
	check "fsx through the mount, without '${WITHOUT:-}'" \
		"$HELPERS/fsx" -s "$SEED" -t "$SECONDS_EACH" "$T/tree/file"
	check "side by side" "$HELPERS/fsx" -b -s "$SEED" -n 20000 \
		"$T/tree/beside"
	passed
	check "wait" synced
	check "same" same "$T/replica1"
	check "umount" umount_tree
	SEED=$((SEED + 1))
}

pipe_replicas 1
check "fsx below" "$HELPERS/fsx" -s "$SEED" -n "$N" "$T/plain"
check "side by side below" "$HELPERS/fsx" -b -s "$SEED" -n "$N" "$T/plain"
check "fsx -P below" "$HELPERS/fsx" -P -s "$SEED" -n "$N" "$T/plain"
check "side by side -P below" "$HELPERS/fsx" -P -b -s "$SEED" -n "$N" "$T/plain"
through_mount
WITHOUT=direct-writes through_mount
WITHOUT=passthrough,direct-writes through_mount
exit 0
