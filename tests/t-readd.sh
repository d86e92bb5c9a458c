#!/bin/bash
# A replica that is removed while it is behind, and added again: it is ours, and as
# of a record. What was changed since may look the same there, by size and time.
. "$(dirname "$0")/functions.sh"

old() { touch -d 2020-02-02 "$@"; }

pipe_replicas 1
mkdir "$T/tree/a" "$T/tree/b"
echo AAA | tee "$T/tree/f" "$T/tree/a/x" >"$T/tree/g"
echo BBB >"$T/tree/b/x"
old "$T/tree/f" "$T/tree/a"/* "$T/tree/b"/* "$T/tree/a" "$T/tree/b"
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced
check "pause" "$MIRRORFS" replica pause "$T/tree" r1
echo BBB >"$T/tree/f"
old "$T/tree/f"
mv "$T/tree/a" "$T/tree/c"
mv "$T/tree/b" "$T/tree/a"
mv "$T/tree/c" "$T/tree/b"
check "remove" "$MIRRORFS" replica remove "$T/tree" r1
check "add" "$MIRRORFS" replica add "$T/tree" "web=$T/replica1"
check "wait" synced
check "same" same "$T/replica1"
equal "$(cat "$T/replica1/f")" BBB "a file that was changed"
equal "$(cat "$T/replica1/a/x")" BBB "a file in a folder that was moved"
exit 0
