#!/bin/bash
# What was in flight, or parked, when it was unmounted is compared by itself at the
# next mount. What has gone meanwhile, with its folder or without, is counted all the
# same: much is asked for. What users have removed is not, whatever is cut off.
DURABLE=yes
. "$(dirname "$0")/functions.sh"
need sqlite3 jq chattr
expect_log "parked"
CHILDREN_DONE() { chattr -i "$T/replica1/held" 2>/dev/null; }
trap 'r=$?; CHILDREN_DONE; end_test $r' EXIT

pipe_replicas 1
mkdir "$T/tree/dir" "$T/tree/dir/sub" "$T/tree/held" "$T/lost" || fail "mkdir"
(cd "$T/tree" && touch dir/{1..150} dir/sub/{1..150} held/{1..150}) ||
	fail "files"
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced

replica() { "$MIRRORFS" replica "$1" "$T/tree" r1; }
files() { equal "$(find "$T/replica1/$1" -type f | wc -l)" "$2" "files in /$1"; }
# in_flight NAME COUNT - so many new files in one batch, too many to fsync each: what
# is not sure to be on its disk is in flight for the next connection. Of a comparison
# that would be everything, for a minute; so a batch comes first.
in_flight() {
	touch "$T/tree/dir" || fail "touch"
	check "wait for a batch" synced
	check "pause" replica pause
	sqlite3 "$T/state/journal.db" ".timeout 10000" \
		"DELETE FROM unsafe" || fail "sqlite3"
	(cd "$T/tree/dir/sub" && touch $(seq -f "$1%g" "$2")) || fail "files"
	check "resume" replica resume
	check "wait" synced
	equal "$(sqlite3 "$T/state/journal.db" \
		"SELECT seq > 0 FROM unsafe")" 1 "it may be in flight"
}
# again FOLDER FILES - a mount, after which it asks, and has that many yet
again() {
	check "mount again" mount_tree
	check "it asks" wait_for 60 state_is r1 refused
	files "$@"
}
# back - all of it is there again: nobody has to be asked
back() {
	check "umount" umount_tree
	cp -a "$T/lost/." "$T/tree" && rm -r "$T/lost" && mkdir "$T/lost" ||
		fail "back"
	check "mount, with all" mount_tree
	check "wait" synced
	check "same" same "$T/replica1"
}

in_flight new 200
check "umount" umount_tree
mkdir -p "$T/lost/dir/sub" && mv "$T/tree/dir/sub/new"* "$T/lost/dir/sub" ||
	fail "mv"
again dir/sub 250
back
in_flight more 40
check "umount" umount_tree
mv "$T/tree/dir" "$T/lost" || fail "mv"
again dir 540
back

# parked
chattr +i "$T/replica1/held" || skip "chattr"
chmod 700 "$T/tree/held" || fail "chmod"
parked() { [ "$(status_get r1 parked)" -gt 0 ]; }
check "it is parked" wait_for 60 parked
check "umount" umount_tree
mkdir "$T/lost/held" && mv "$T/tree/held/"* "$T/lost/held" || fail "mv"
chattr -i "$T/replica1/held" || fail "chattr"
again held 50
back

# a folder in the place of another one, of which a replica has not heard before the
# unmount: what was in that is where records say, or was lost
turn() { mv "$T/tree/dir" "$T/tree/$1" && mv "$T/tree/$2" "$T/tree/dir"; }
mkdir -p "$T/tree/next/sub" && touch "$T/tree/next/"{only,1,2} || fail "next"
in_flight swap 150
check "pause" replica pause
check "mv" turn old next
check "umount" umount_tree
check "mount" mount_tree
check "resume" replica resume
check "wait, with another folder" synced
check "same" same "$T/replica1"
check "mv" turn next old
in_flight many 150
check "pause" replica pause
check "mv" turn old next
check "umount" umount_tree
mv "$T/tree/old" "$T/lost" || fail "mv"
check "mount" mount_tree
check "resume" replica resume
check "it asks" wait_for 60 state_is r1 refused
check "allow" "$MIRRORFS" replica resume "$T/tree" r1 --allow-delete
check "wait" synced
check "same" same "$T/replica1"
cp -a "$T/lost/old/." "$T/tree/dir" || fail "cp"
check "wait" synced

# what a user has removed, and a replica has not heard of before the unmount
in_flight last 150
check "pause" replica pause
rm -r "$T/tree/dir" || fail "rm"
check "umount" umount_tree
check "mount" mount_tree
check "resume" replica resume
check "wait" synced
check "same at the end" same "$T/replica1"

# its disk is not there, right after a small tree was copied for the first time:
# what was copied is not sure to be on its disk, so all of it is compared
mkdir "$T/small" "$T/replica2" && touch "$T/small/"{1..40} || fail "small"
check "mount" mount_at "$T/small" "$T/state2" --replica "r2=$T/replica2"
check "wait" "$MIRRORFS" wait "$T/small" --timeout 60
equal "$(sqlite3 "$T/state2/journal.db" "SELECT seq FROM unsafe")" 0 "unsafe"
check "umount" umount_at "$T/small"
rm "$T/small/"*
check "mount" mount_at "$T/small" "$T/state2"
empty() { status_get r2 error "$T/small" | grep -q "which is empty"; }
check "it asks" wait_for 60 empty
equal "$(ls "$T/replica2" | wc -l)" 40 "what is there"
exit 0
