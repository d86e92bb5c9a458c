#!/bin/bash
# Cursors survive a restart of everything: what a replica has is not sent
# again, and what it lacks is.
. "$(dirname "$0")/functions.sh"

ssh_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
mkdir "$T/tree/d"
for i in $(seq 1 300); do echo "$i" >"$T/tree/d/$i"; done
check "wait" synced
# inode numbers of the replica: a file that is sent again gets a new one
inodes() { (cd "$T/replica1" && find d -printf '%p %i\n' | sort); }
was=$(inodes)
check "umount" umount_tree
check "mount" mount_tree
check "wait" synced
equal "$(status_get r1 lag_records)" 0 "lag"
equal "$(inodes)" "$was" "nothing was sent again"
echo new >"$T/tree/d/new"
rm "$T/tree/d/7"
check "umount at once" umount_tree
check "mount" mount_tree
check "wait" synced
check "same" same "$T/replica1"
equal "$(inodes | grep -v -e new -e '^d ')" \
	"$(printf '%s\n' "$was" | grep -v -e '^d/7 ' -e '^d ')" "the others"
epochs=$("$MIRRORFS" log "$T/tree" --op mount | wc -l)
equal "$epochs" 3 "mounts in the log"
exit 0
