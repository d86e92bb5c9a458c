#!/bin/bash
# What a replica has acknowledged survives its own power cut: its disk is copied
# as it is right after "mirrorfs wait", which is what a cut leaves, and mounted.
# KIND: ext4 (default), xfs, btrfs.
. "$(dirname "$0")/functions.sh"

kind=${KIND:-ext4} DURABLE=${CUT_DURABLE:-yes}
opt=
[ "$kind" != xfs ] || opt=nouuid
mkdir "$T/copy" "$T/disk" "$T/host"
# a file system that copies the image as it is at one moment, at once
lay_below xfs "$T/host"
image=$T/host/image
lower_mount "$kind" "$T/disk" "$image" 400M || skip "no $kind can be mounted"
LOWERS+=("$T/disk")
mkdir "$T/disk/r1"

# cut - the power of the replica is cut; $image.cut is what is left of it
cut() {
	cp --reflink=always "$image" "$image.cut" || fail "cp"
}
# look FOLDER TEXT - it is there
look() {
	mount -o "loop${opt:+,$opt}" "$image.cut" "$T/copy" ||
		fail "the disk cannot be mounted after the cut"
	"$HELPERS/treecmp" --ignore-special "$T/tree/$1" "$T/copy/r1/$1" \
		>"$T/treecmp.out" 2>&1
	local r=$?
	lower_umount "$T/copy"
	[ $r = 0 ] || { head -n 5 "$T/treecmp.out"; fail "lost: $2"; }
}
# the replica goes on with what the cut has left
revive() {
	"$MIRRORFS" replica pause "$T/tree" r1
	check "the disk is let go" wait_for 30 umount "$T/disk"
	mv "$image.cut" "$image"
	mount -o "loop${opt:+,$opt}" "$image" "$T/disk" || fail "mount"
	"$MIRRORFS" replica resume "$T/tree" r1
}

noticed() {
	[ "$(grep -c "may have been lost with its power" \
		"$T/state/mirrorfs.log")" -ge "$1" ]
}

check "mount" mount_tree --replica "r1=$T/disk/r1"
mkdir "$T/tree/few"
check "wait" synced
for i in 1 2 3; do
	echo "$i" >"$T/tree/few/new$i"
	echo "changed $i" >"$T/tree/few/same"
	[ $i = 1 ] || mv "$T/tree/few/new$((i - 1))" "$T/tree/few/moved$i"
	check "wait $i" synced
	cut
	look few "round $i"
done
# too much at once for that: it is not lost either
for i in 1 2; do
	# all of it is one batch
	"$MIRRORFS" replica pause "$T/tree" r1
	"$HELPERS/churn" --seed $((SEED + i)) --ops "$(scaled 500)" \
		--procs 2 "$T/tree" || fail "churn"
	mkdir "$T/tree/many$i"
	for k in {1..60}; do
		echo "$i $k" >"$T/tree/many$i/$k"
	done
	"$MIRRORFS" replica resume "$T/tree" r1
	check "wait for much $i" synced
	cut
	revive
	check "it is noticed" wait_for 60 noticed $i
	check "wait for what was lost" synced
	check "equal $i" same "$T/disk/r1"
done
exit 0
