#!/bin/bash
# A large file that is written all over without a pause comes to replicas at each
# settle-age where the file system can clone it: xfs, btrfs.
. "$(dirname "$0")/functions.sh"
. "$TESTS/counters.sh"

lay_below "${CLONES:-xfs}" "$T/tree"
printf '[mount]\nroot = %s\nsettle-age = 500ms\nsettle-idle = never\n' \
	"$T/tree" >"$T/steady.conf"
check "mount" mount_tree --config "$T/steady.conf" --replica "r1=$T/replica1"
counters_begin 40000000
check "wait" synced
counters_go_on
check "wait" synced
check "same" same "$T/replica1"
exit 0
