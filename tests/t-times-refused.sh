#!/bin/bash
# A server refuses one request about a folder, whichever: its times are right in
# the end all the same.
. "$(dirname "$0")/functions.sh"
expect_log "parked"

faulty_server
ssh_replicas 1
mkdir "$T/tree/folder"
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced
for n in 0 1 2 3 4; do
	echo "root/folder 1 $n" >"$CTL/refuse"
	echo "$n" >"$T/tree/folder/file" &&
		touch -d "2001-01-0$((n + 1))" "$T/tree/folder" || fail "touch"
	check "wait" synced
	check "all but $n" wait_for 60 same "$T/replica1"
	rm -f "$CTL/refuse"
done
exit 0
