#!/bin/bash
# A folder that a replica lacks comes whole, also when the sync process is killed
# while that is under way, and all that was to be looked at was one file in it; or,
# after a bad end, the folder that it is in.
. "$(dirname "$0")/functions.sh"
expect_log "journal|cannot|did not end well|the sync process ended|lost|connection"
faulty_replica
mkdir "$T/tree/old" "$T/tree/hot"
for i in $(seq 10 50); do
	echo "$i" >"$T/tree/old/f$i"
done
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced

# hold_at PATH - requests for it are not answered
hold_at() {
	rm -f "$CTL/release" "$CTL/held"
	echo "0 $1" >"$CTL/hold"
}
# killed_in FOLDER - a part of it is there
killed_in() {
	check "it is begun" wait_for 60 held 1
	kill -9 "$(status_pid sync_pid)"
	rm "$CTL/hold"
	check "wait for $1" synced
	touch "$CTL/release" # what comes so late is shut out
	check "$1 is complete" same "$T/replica1"
	equal "$(status_get r1 parked)" 0 "parked"
}

rm -r "${T:?}/replica1/old"
hold_at /old/f30
echo new >"$T/tree/old/f20"
killed_in old

echo x >"$T/tree/hot/file"
check "wait" synced
kill_all
check "umount" umount_tree
mkdir "$T/tree/hot/new"
for i in $(seq 10 50); do
	echo "$i" >"$T/tree/hot/new/f$i"
done
hold_at /hot/new/f30
check "mount again" mount_tree
killed_in new
exit 0
