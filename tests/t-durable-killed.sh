#!/bin/bash
# What was sent when sync was killed, and not fsynced yet, is not sent again: the
# next one finds it equal. Its power cut must not take that from a replica which
# says "synced": steps of a batch, and a first copy.
. "$(dirname "$0")/functions.sh"
need sqlite3
expect_log "the sync process ended|lost|connection"
DURABLE=yes
mkdir "$T/host" "$T/disk"
# a file system that copies the image as it is at one moment, at once
lay_below xfs "$T/host"
faulty_server
ssh_replicas 1
rmdir "$T/replica1"
ln -s "$T/disk/r" "$T/replica1"

LOWERS+=("$T/disk")
# replica_on KIND [OPTIONS]
replica_on() {
	lower_mount "$1" "$T/disk" "$T/host/disk" 400M ${2:+"$2"} ||
		skip "no $1 can be mounted"
	mkdir "$T/disk/r"
}
noticed() {
	grep -c "r1: .*may have been lost with its power" "$T/state/mirrorfs.log"
}
noticed_again() { [ "$(noticed)" -gt "$was" ]; }
# killed TEXT - sync, when what it waits for is held; what the next one makes of
# it; and what is left of the replica when its power is cut then
killed() {
	check "$1: it is under way" wait_for 60 held 1
	kill -9 "$(status_pid sync_pid)"
	rm "$CTL/hold"
	check "$1: wait" synced
	touch "$CTL/release"
	check "$1: same" same "$T/replica1/"
	[ -z "${2:-}" ] || sleep "$2"
	cp --reflink=always "$T/host/disk" "$T/host/cut" || fail cp
	"$MIRRORFS" replica pause "$T/tree" r1
	check "$1: the disk is let go" wait_for 60 umount "$T/disk"
	mv "$T/host/cut" "$T/host/disk"
	mount -o loop "$T/host/disk" "$T/disk" || fail "$1: mount"
	was=$(noticed) # as sync was killed, too
	"$MIRRORFS" replica resume "$T/tree" r1
	check "$1: it is noticed" wait_for 60 noticed_again
	check "$1: wait for what was lost" synced
	check "$1: same behind the cut" same "$T/replica1/"
	check "$1: umount" umount_tree
	check "$1: the disk is idle" wait_for 60 umount "$T/disk"
	rm -r "$T/state" "$T/host/disk" "$CTL"/*
}

# an fsync of anything brings names to the disk of ext4, but not what is in files
replica_on ext4 commit=1
mkdir "$T/tree/few"
for i in {1..200}; do
	echo "content $i" >"$T/tree/few/$i"
done
sleep 3 # else they are in doubt, as they were changed just before the mount
echo "200 /few/99" >"$CTL/hold"
check "mount" mount_tree "${REPLICAS[@]}"
killed "first copy" 3

# … on btrfs of that file only
replica_on btrfs
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced
sync -f "$T/disk"
"$MIRRORFS" replica pause "$T/tree" r1
chmod 600 "$T/tree/few"/{1,2,3,4,5}
echo "200 .mirrorfs/state" >"$CTL/hold"
"$MIRRORFS" replica resume "$T/tree" r1
killed "batch"
exit 0
