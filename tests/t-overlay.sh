#!/bin/bash
# The overlay behaves as the file system below: every case of fscheck passes
# on a plain folder and on the mount, for root and for another user, and none is
# left out on the mount alone; and what it made arrives on a replica.
. "$(dirname "$0")/functions.sh"
# no replica can have it, when it is met before it is removed
expect_log "parked /[a-z]*/deeper-than-path-max"

# fscheck_to OUTPUT FOLDER [COMMAND...] - in FOLDER, by COMMAND
fscheck_to() {
	local out=$1 folder=$2
	shift 2
	"$@" "$HELPERS/fscheck" "$folder" >"$out" || { cat "$out"; return 1; }
}
# a kernel before 6.2 does not ask a FUSE file system for what has no name
ADMITTED=()
kernel_has 6.2 || ADMITTED=(tmpfile-is-linked tmpfile-errors
	tmpfile-by-other-ways tmpfile-empty-path tmpfile-of-users)

mkdir -m 777 "$T/plain" "$T/plain-user"
chmod 755 "$T" "$T/tree"
fscheck_to "$T/below" "$T/plain" env || fail "on a plain folder"
fscheck_to "$T/below-user" "$T/plain-user" as_user ||
	fail "on a plain folder, as another user"
pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
mkdir "$T/tree/root" && mkdir -m 777 "$T/tree/user" || fail "mkdir"
fscheck_to "$T/above" "$T/tree/root" env || fail "as root"
fscheck_to "$T/above-user" "$T/tree/user" as_user || fail "as another user"
no_fewer "$T/below" "$T/above" ${ADMITTED[@]+"${ADMITTED[@]}"}
no_fewer "$T/below-user" "$T/above-user" ${ADMITTED[@]+"${ADMITTED[@]}"}
check "wait" synced
check "same" same "$T/replica1"
exit 0
