#!/bin/bash
# Random calls on one file by several processes, against a model in memory: on
# the file system below first, which tests the test, then through the mount in
# each way that the kernel may serve it. At the end the replica has the same
# bytes, also those that were stored by mappings late. SOAK=N: N minutes.
. "$(dirname "$0")/functions.sh"

SECONDS_EACH=$(scaled 4)
[ -z "${SOAK:-}" ] || SECONDS_EACH=$((SOAK * 60 / 3))

through_mount() {
	check "mount" mount_tree "${REPLICAS[@]}"
	check "fsx through the mount, without '${WITHOUT:-}'" \
		"$HELPERS/fsx" -s "$SEED" -t "$SECONDS_EACH" "$T/tree/file"
	check "side by side" "$HELPERS/fsx" -b -s "$SEED" -n 20000 \
		"$T/tree/beside"
	check "wait" synced
	check "same" same "$T/replica1"
	check "umount" umount_tree
	SEED=$((SEED + 1))
}

pipe_replicas 1
check "fsx below" "$HELPERS/fsx" -s "$SEED" -n 1000 "$T/plain"
check "side by side below" "$HELPERS/fsx" -b -s "$SEED" -n 1000 "$T/plain"
through_mount
WITHOUT=direct-writes through_mount
WITHOUT=passthrough,direct-writes through_mount
exit 0
