#!/bin/bash
# An overlayfs below: refused in one line where it has no file handles, as
# good as any where it has them (nfs_export).
. "$(dirname "$0")/functions.sh"
. "$TESTS/property.sh"

# laid OPTION
laid() {
	rm -rf "$T/upper" "$T/work"
	mkdir -p "$T/lower" "$T/upper" "$T/work"
	mount -t overlay -o "lowerdir=$T/lower,upperdir=$T/upper,workdir=$T/work,$1" \
		none "$T/tree" 2>/dev/null || skip "no overlayfs with $1 here"
	LOWERS+=("$T/tree")
}

laid index=off,nfs_export=off
refuse "mounted without file handles" "$MIRRORFS" mount "$T/tree" \
	--state-dir "$T/state" 2>"$T/err"
check "the reason" grep -q "cannot name files by handle" "$T/err"
equal "$(wc -l <"$T/err")" 1 "lines of error"
refuse "a state folder" test -e "$T/state"
take_below "$T/tree" || fail "umount"

seq 1000 >"$T/lower/old"
laid index=on,nfs_export=on
pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
echo more >>"$T/tree/old" # copied up
ln "$T/tree/old" "$T/tree/name"
check "wait" synced
check "same after copying up" same "$T/replica1"
property_rounds 1 2 "$(scaled 1000)"
property_parked
exit 0
