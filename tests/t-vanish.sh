#!/bin/bash
# A folder is gone from the replica each time that a file is about to be
# published in it, as when users of the master remove it and make it anew
# while it is compared: nothing is parked, it is brought again.
. "$(dirname "$0")/functions.sh"

faulty_server
ssh_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
echo x >"$T/tree/first"
check "wait" synced
echo "5 /d/f $T/replica1/d" >"$CTL/vanish"
mkdir "$T/tree/d" && echo x >"$T/tree/d/f" || fail "work"
check "wait" synced
equal "$(grep -c vanish "$CTL/log")" 5 "how often it vanished"
check "same" same "$T/replica1"
equal "$(status_get r1 parked)" 0 "parked"
check "umount" umount_tree
exit 0
