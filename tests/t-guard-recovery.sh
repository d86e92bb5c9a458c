#!/bin/bash
# After a bad end what was marked is compared. Where much of it is gone (fsck has
# put it into lost+found), a replica keeps it and asks; a little goes by itself.
. "$(dirname "$0")/functions.sh"
expect_log "did not end well|journal|cannot"
pipe_replicas 1
mkdir "$T/below" && mount --bind "$T/below" "$T/tree" &&
	mount --make-private "$T/tree" || skip "no bind mounts"
LOWERS+=("$T/tree")
check "mount" mount_tree "${REPLICAS[@]}"
mkdir "$T/tree/dir" "$T/tree/dir/sub" "$T/lost" || fail "mkdir"
(cd "$T/tree/dir" && touch sub/{1..150} {1..150}) || fail "files"
check "wait" synced

# lost FILE... - below "dir", after a bad end; then it is mounted again
lost() {
	touch "$T/tree/dir/touched" "$T/tree/dir/sub/touched" # marks
	check "wait" synced
	kill_all
	(cd "$T/below/dir" && mv "$@" "$T/lost") || fail "mv"
	check "mount again" mount_tree
}
there() {
	[ "$(find "$T/replica1/$1" -type f ! -name touched | wc -l)" = "$2" ]
}

lost sub/{1..60}
check "wait" synced
check "a little goes" there dir/sub 90
check "same" same "$T/replica1"
lost {1..150}
check "it asks" wait_for 60 state_is r1 refused
check "all is there yet" there dir 240
check "and tells how many" grep -q "150 of the 2.* entries" \
	<<<"$(status_get r1 error)"
check "allow it" "$MIRRORFS" replica resume "$T/tree" r1 --allow-delete
check "wait" synced
check "same at the end" same "$T/replica1"

# by a record that it lacks, before those that say where to look
(cd "$T/tree/dir" && touch {151..300}) || fail "files"
check "wait" synced
check "pause" "$MIRRORFS" replica pause "$T/tree" r1
lacking() { # so the record is in the journal
	[ "$(status_get r1 lag_records)" -gt 0 ]
}
touch "$T/tree/dir/151" || fail "touch"
check "a record" wait_for 60 lacking
kill_all
mv "$T/below/dir" "$T/lost" || fail "mv"
check "mount again" mount_tree
check "resume" "$MIRRORFS" replica resume "$T/tree" r1
check "it asks for the folder" wait_for 60 state_is r1 refused
there dir 240 || fail "all is there yet"
kill_all
mv "$T/lost/dir" "$T/below" || fail "mv"
check "mount with the folder" mount_tree
check "wait" synced

# more than are listed, where nobody wants to be asked
check "any share" "$MIRRORFS" replica set "$T/tree" r1 max-delete=100%
(cd "$T/tree/dir" && touch {301..800}) || fail "files"
lost {301..800}
check "wait" synced
check "all that are lost" same "$T/replica1"
exit 0
