#!/bin/bash
# The overlay behaves as the file system below: every case of fscheck passes
# on a plain folder and on the mount, for root and for another user; and what
# it made arrives on a replica.
. "$(dirname "$0")/functions.sh"
# no replica can have it, when it is met before it is removed
expect_log "parked /[a-z]*/deeper-than-path-max"

mkdir -m 777 "$T/plain" "$T/plain-user"
check "the cases pass on a plain folder" "$HELPERS/fscheck" "$T/plain" \
	>"$T/out"
pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
mkdir "$T/tree/root" && mkdir -m 777 "$T/tree/user" || fail "mkdir"
"$HELPERS/fscheck" "$T/tree/root" || fail "as root"
chmod 755 "$T" "$T/tree"
as_user "$HELPERS/fscheck" "$T/tree/user" || fail "as another user"
check "wait" synced
check "same" same "$T/replica1"
exit 0
