#!/bin/bash
# What the workers leave to each other is of no use any more: none comes to
# serve. Callers shall not hang for ever: they get an error, and the mount is
# made anew. What is changed then reaches the replica, as what was before.
. "$(dirname "$0")/functions.sh"
need pgrep
expect_log "fs worker died|cannot start|mapping shared memory"
expect_log "no fs worker comes to serve|somebody has cut"

pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
SUPERVISOR=$(status_pid supervisor_pid)
echo before >"$T/tree/before"
exec 5>"$T/tree/open" && echo one >&5

# the memory of the first pages, which tell what it is
for fd in "/proc/$SUPERVISOR/fd/"*; do
	[[ $(readlink "$fd") == *mirrorfs-kept* ]] || continue
	dd if=/dev/zero of="$fd" bs=16 count=1 conv=notrunc 2>/dev/null ||
		fail "dd"
done
serves() {
	mounted_at "$T/tree" && touch "$T/tree/touched" 2>/dev/null
}
kill -9 "$(status_pid worker_pid)"
# one call is under way at that time: it ends, well or not
timeout 60 cat "$T/tree/before" >/dev/null 2>&1
[ $? != 124 ] || fail "a caller hangs"
check "it serves again" wait_for 60 serves
check "announced" wait_for 20 grep -q "mounted again" "$T/state/mirrorfs.log"
equal "$(status_pid supervisor_pid)" "$SUPERVISOR" "the supervisor"
refuse "a file from before" sh -c 'echo two >&5' 2>/dev/null
exec 5>&-
equal "$(cat "$T/tree/open")" one "its content"
echo after >"$T/tree/after"
check "wait" synced
check "same" same "$T/replica1"

# somebody cuts the connection
device=$(stat -c %d "$T/tree")
minor=$(((device & 255) | (device >> 12 & ~255)))
if [ -w "/sys/fs/fuse/connections/$minor/abort" ]; then
	echo 1 >"/sys/fs/fuse/connections/$minor/abort"
	check "it serves again" wait_for 60 serves
	equal "$(cat "$T/tree/after")" after "content"
fi
check "umount" umount_tree
exit 0
