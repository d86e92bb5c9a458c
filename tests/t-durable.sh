#!/bin/bash
# What a replica has acknowledged survives its own power cut: its disk is copied
# as it is right after "mirrorfs wait", which is what a cut leaves, and mounted.
# KIND: of file systems, a replica on each. With ext4 and xfs an fsync of
# anything brings all names to the disk, with btrfs only its own: that one shows
# what is not fsynced. Much at once: on the first of them.
. "$(dirname "$0")/functions.sh"

need sqlite3
expect_log "parked|sync process ended"
DURABLE=${CUT_DURABLE:-yes}
mkdir "$T/copy" "$T/host"
# a file system that copies the image as it is at one moment, at once
lay_below xfs "$T/host"
REPLICAS=()
kinds=()
for k in ${KIND:-ext4 btrfs}; do
	mkdir "$T/$k"
	lower_mount "$k" "$T/$k" "$T/host/$k" 400M ||
		{ say "no $k can be mounted"; continue; }
	LOWERS+=("$T/$k")
	mkdir "$T/$k/r"
	kinds+=("$k")
	REPLICAS+=(--replica "$k=$T/$k/r")
done
[ ${#kinds[@]} -gt 0 ] || skip "no file system for a replica"
kind=${kinds[0]}

# lay KIND IMAGE FOLDER
lay() {
	local opt=loop
	[ "$1" != xfs ] || opt=loop,nouuid
	mount -o "$opt" "$2" "$3" || fail "$1 cannot be mounted after the cut"
}
# cut KIND - the power of the replica is cut; KIND.cut is what is left of it
cut() {
	cp --reflink=always "$T/host/$1" "$T/host/$1.cut" || fail "cp"
}
# look KIND FOLDER TEXT - it is there, and known to be
look() {
	local r=0
	lay "$1" "$T/host/$1.cut" "$T/copy"
	"$HELPERS/treecmp" --ignore-special "$T/tree/$2" "$T/copy/r/$2" \
		>"$T/treecmp.out" 2>&1 || r=1
	cmp "$T/$1/r/.mirrorfs/state" "$T/copy/r/.mirrorfs/state" || r=2
	lower_umount "$T/copy"
	[ $r != 1 ] || { head -n 5 "$T/treecmp.out"; fail "lost on $1: $3"; }
	[ $r = 0 ] || fail "state file on $1: $3"
}
# all_there TEXT - of what was done in `few`
all_there() {
	local k
	check "wait: $1" synced
	for k in "${kinds[@]}"; do cut "$k"; done
	for k in "${kinds[@]}"; do look "$k" few "$1"; done
}
# the replica goes on with what the cut has left
revive() {
	"$MIRRORFS" replica pause "$T/tree" "$kind"
	check "the disk is let go" wait_for 60 umount "$T/$kind"
	mv "$T/host/$kind.cut" "$T/host/$kind"
	lay "$kind" "$T/host/$kind" "$T/$kind"
	"$MIRRORFS" replica resume "$T/tree" "$kind"
}
notices() {
	grep -c "$kind: .*may have been lost with its power" \
		"$T/state/mirrorfs.log"
}
noticed() { [ "$(notices)" -gt "$1" ]; }

check "mount" mount_tree "${REPLICAS[@]}"
mkdir "$T/tree/few"
check "wait" synced
for i in 1 2; do
	echo "$i" >"$T/tree/few/new$i"
	echo "changed $i" >"$T/tree/few/same"
	all_there "content $i"
	mv "$T/tree/few/new$i" "$T/tree/few/moved$i"
	all_there "name $i"
	chmod "60$i" "$T/tree/few/same"
	all_there "mode $i"
done
# so is what was not changed by a record
for k in "${kinds[@]}"; do
	chmod 666 "$T/$k/r/few/same" && sync -f "$T/$k/r" || fail "chmod"
done
check "reconcile" "$MIRRORFS" reconcile "$T/tree" "$T/tree/few" --wait \
	>"$T/out"
all_there "what was compared"
for k in "${kinds[@]:1}"; do
	check "remove $k" "$MIRRORFS" replica remove "$T/tree" "$k"
done
# too much at once for that: it is not lost either
for i in 1 2; do
	# all of it is one batch
	"$MIRRORFS" replica pause "$T/tree" "$kind"
	"$HELPERS/churn" --seed $((SEED + i)) --ops "$(scaled 500)" \
		--procs 2 "$T/tree" || fail "churn"
	mkdir "$T/tree/many$i"
	for k in {1..60}; do
		echo "$i $k" >"$T/tree/many$i/$k"
	done
	"$MIRRORFS" replica resume "$T/tree" "$kind"
	check "wait for much $i" synced
	cut "$kind"
	before=$(notices)
	revive
	check "it is noticed" wait_for 60 noticed "$before"
	check "wait for what was lost" synced
	check "equal $i" same "$T/$kind/r"
done
# nor is what was parked, by records that are behind the cursor
parked() {
	[ "$(status_get "$kind" parked)" -ge 1 ] && state_is "$kind" synced
}
"$MIRRORFS" replica pause "$T/tree" "$kind"
check "paused" wait_for 60 state_is "$kind" paused
chattr +i "$T/$kind/r/few" || fail "chattr"
mkdir "$T/tree/few/held"
for k in {1..60}; do
	echo "held $k" >"$T/tree/few/held/$k"
done
"$MIRRORFS" replica resume "$T/tree" "$kind"
check "it is parked" wait_for 60 parked
# the marks of before would do, too: a minute later they are gone
sqlite3 "$T/state/journal.db" ".timeout 10000" "DELETE FROM unsafe" ||
	fail "sqlite3"
chattr -i "$T/$kind/r/few" && sync -f "$T/$kind/r" || fail "chattr"
check "retry" "$MIRRORFS" retry "$T/tree" >"$T/out"
check "wait for what was parked" synced
cut "$kind"
before=$(notices)
revive
check "it is noticed" wait_for 60 noticed "$before"
check "wait for what was lost" synced
check "equal" same "$T/$kind/r"
# and what an earlier try had brought, and that was cut off: it is equal
"$MIRRORFS" replica pause "$T/tree" "$kind"
check "paused" wait_for 60 state_is "$kind" paused
chattr +i "$T/$kind/r/few" || fail "chattr"
mkdir "$T/tree/few/brought"
echo brought >"$T/tree/few/brought/file"
"$MIRRORFS" replica resume "$T/tree" "$kind"
check "it is parked" wait_for 60 parked
"$MIRRORFS" replica pause "$T/tree" "$kind"
check "paused" wait_for 60 state_is "$kind" paused
chattr -i "$T/$kind/r/few" && sync -f "$T/$kind/r" || fail "chattr"
cp -a "$T/tree/few/brought" "$T/$kind/r/few/" || fail "cp"
sqlite3 "$T/state/journal.db" ".timeout 10000" "DELETE FROM unsafe" ||
	fail "sqlite3"
kill -9 "$(status_pid sync_pid)"
"$MIRRORFS" replica resume "$T/tree" "$kind"
check "retry" "$MIRRORFS" retry "$T/tree" >"$T/out"
check "wait for what was brought" synced
cut "$kind"
look "$kind" few "what was brought"
# a mark is for a minute, also where there is always another one
if [ -n "${SOAK:-}" ]; then
	sqlite3 "$T/state/journal.db" ".timeout 10000" "INSERT OR REPLACE
		INTO unsafe SELECT id, 0 FROM replica WHERE removed_ns = 0" ||
		fail "sqlite3"
	kill_children "$(status_pid sync_pid)"
	for i in {1..15}; do
		mkdir "$T/tree/busy$i"
		for k in {1..40}; do
			echo "$i $k" >"$T/tree/busy$i/$k"
		done
		sleep 10
	done
	check "the mark has moved on" test "$(sqlite3 "$T/state/journal.db" \
		".timeout 10000" "SELECT seq FROM unsafe")" -gt 0
fi
exit 0
