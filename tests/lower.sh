# The overlay over a file system of its own, root folder included. Sourced by
# t-lower-*. The whole suite on one: tests/run --lower TYPE.

# xfs gives folders that change their parents the time of the exchange
exchanged_folders() {
	mkdir -p "$T/tree/exchanged/inner" "$T/tree/exchanged-too" &&
		touch -d 2020-01-01 "$T/tree/exchanged/inner" \
			"$T/tree/exchanged-too" || fail "folders"
	check "wait" synced
	check "exchange" "$HELPERS/swapper" "$T/tree/exchanged/inner" \
		"$T/tree/exchanged-too"
	check "wait" synced
	check "same, exchanged folders" same "$T/replica1"
}

# lower_conforms TYPE - fscheck with everything on a fresh file system of TYPE,
# then the property over its root.
lower_conforms() {
	[ -z "$SANITIZED" ] || [ "$1" = ext4 ] || [ -n "${SOAK:-}" ] ||
		skip "with sanitizers on ext4 and overlayfs"
	lay_below "$1" "$T/tree"
	SEED=$SEED TMPDIR=$T/tree bash "$TESTS/t-overlay.sh" ||
		fail "t-overlay on $1"
	pipe_replicas 1
	check "mount over the root of $1" mount_tree "${REPLICAS[@]}"
	exchanged_folders
	property_rounds 1 2 "$(scaled 1000)"
	property_parked
	check "umount" umount_tree
	check "same without the mount" same "$T/replica1"
	check "mount again" mount_tree "${REPLICAS[@]}"
	property_rounds 1 1 "$(scaled 1000)"
	property_parked
}
