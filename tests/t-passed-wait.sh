#!/bin/bash
# A file that is passed through, and open for reading and writing, may change at
# any moment, unseen: nobody is told that a replica has all of it until it is
# closed, also not between two looks at it.
. "$(dirname "$0")/functions.sh"

pipe_replicas 1
printf '[mount]\nroot = %s\nsettle-idle = 1s\n' "$T/tree" >"$T/conf"
check "mount" mount_tree --config "$T/conf" "${REPLICAS[@]}"
passthrough=$("$MIRRORFS" status "$T/tree" --json | jq -r .passthrough)
[ "$passthrough" = on ] || skip "passthrough is $passthrough"
truncate -s 2M "$T/tree/file"
check "wait" synced
exec 5<"$T/tree/file" 9<>"$T/tree/file"
exec 5<&-
printf first >&9
has() { [ "$(head -c "${#1}" "$T/replica1/file" | tr "\0" -)" = "$1" ]; }
check "it settles" wait_for 60 has first
printf second >&9
refuse "wait says that it is there" synced 3
check "it settles again" wait_for 60 has firstsecond
refuse "wait says that it is over" synced 3
printf third >&9
exec 9>&-
check "wait" synced
check "same" same "$T/replica1"
check "umount" umount_tree
exit 0
