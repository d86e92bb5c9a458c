#!/bin/bash
# The file systems below do not agree on which set-id bits go, when a file that
# is empty is cut, or when one gets or loses an ACL: over each of them it is as
# it is without the mount.
. "$(dirname "$0")/functions.sh"
. "$TESTS/lib/lower.sh"

# probe FOLDER RESULT - and how it went
probe() {
	"$HELPERS/secprobe" "$1" lower >"$2" || { tail -n 5 "$2"; return 1; }
}

# compare TYPE
compare() {
	mkdir "$T/tree/plain" "$T/tree/probe" || fail "mkdir"
	check "a plain $1" probe "$T/tree/plain" "$T/wanted"
	check "root keeps them" grep -q \
		'^lower root open-rdonly 06777 empty: ok 106777 ' "$T/wanted"
	check "mount over $1" mount_tree
	check "the mount over $1" probe "$T/tree/probe" "$T/got"
	diff "$T/wanted" "$T/got" >"$T/difference" || {
		head -n 40 "$T/difference"
		fail "over $1"
	}
	check "umount" umount_tree
}

for type in ${ONLY_LOWER:-$LOWER_ALL}; do
	missing=$(lower_missing "$type")
	[ -z "$missing" ] || { say "without $type: $missing"; continue; }
	lower_mount "$type" "$T/tree" "$T/image-$type" 1G ||
		{ say "without $type: it cannot be mounted here"; continue; }
	LOWERS+=("$T/tree")
	compare "$type"
	check "umount $type" take_below "$T/tree"
done
exit 0
