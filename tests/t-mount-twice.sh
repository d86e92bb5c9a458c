#!/bin/bash
# Two mounts of one tree by two names at once, of which one waits for a replica:
# the other one has the tree then, and the first is refused.
. "$(dirname "$0")/functions.sh"
expect_log "cannot|no answer|does not|by another name"

pipe_replicas 1
silent_server
"$MIRRORFS" mount "$T/tree" --name "slow-$$" --state-dir "$T/state-slow" \
	--replica "s=sftp://root@127.0.0.1:$(cat "$T/port")/x" \
	--accept-new 2>"$T/err" &
slow=$!
check "it waits for its replica" wait_for 60 test -e "$T/asked"
check "mount" mount_tree "${REPLICAS[@]}"
wait "$slow"
equal $? 1 "the first is refused"
check "and says why" grep -q "cannot mount $T/tree: .*busy" "$T/err"
check "so does its log" grep -q "was mounted by another name" \
	"$T/state-slow/mirrorfs.log"
equal "$(grep -c " $T/tree fuse.mirrorfs " /proc/mounts)" 1 "mounts there"
echo x >"$T/tree/file"
check "its replica has what is written" wait_for 60 test -s "$T/replica1/file"
check "umount" umount_tree
exit 0
