#!/bin/bash
# A file whose new content does not fit on a replica is moved: what the replica has
# of it goes with it, also when it is to be tried before the record is there.
. "$(dirname "$0")/functions.sh"
expect_log "parked"

mount -t tmpfs -o size=3M,mode=755 none "$T/replica1" ||
	skip "cannot mount a tmpfs"
LOWERS+=("$T/replica1")
mkdir "$T/tree/one" "$T/tree/two"
echo old >"$T/tree/one/file"
check "mount" mount_with_faults --replica "r1=$T/replica1"
check "wait" synced
head -c 8000000 /dev/urandom >"$T/tree/one/file"
check "parked" wait_for 60 parked_as disk-full one/file

background timeout 60 "$MIRRORFS" wait "$T/tree" --timeout 15
WAITS=$BG
sleep 1
mv "$T/tree/one/file" "$T/tree/two/file" || fail "mv"
check "parked there" wait_for 60 parked_as disk-full two/file
# … and what was told of it by its old name is held back by the new one
alone() { [ "$(status_get r1 parked)" = 1 ]; }
check "the old name is done with" wait_for 60 alone
wait "$WAITS" && fail "wait says that it is there"
"$MIRRORFS" log "$T/tree" "$T/tree/one/file" --op write --json >"$T/out"
equal "$(jq -s '.[-1].replicas.r1.parked' "$T/out")" true "log"
equal "$(cat "$T/replica1/two/file")" old "what it has"
refuse "the old name" test -e "$T/replica1/one/file"

has() { [ "$(cat "$T/replica1/$1")" = "$2" ]; } 2>/dev/null
plan pwrite 1 1 wait journal.db-wal fs-worker
mv "$T/tree/two/file" "$T/tree/one/file" || fail "mv"
sleep 5
plan
check "what it has, late" wait_for 60 has one/file old
check "parked, late" wait_for 60 parked_as disk-full one/file
refuse "the old name, late" test -e "$T/replica1/two/file"

# in the place of another one that the replica has
echo other >"$T/tree/two/file"
check "it is there" wait_for 60 test -s "$T/replica1/two/file"
mv "$T/tree/one/file" "$T/tree/two/file" || fail "mv"
check "parked there" wait_for 60 parked_as disk-full two/file
equal "$(cat "$T/replica1/two/file")" other "what it has, replaced"

rm "$T/tree/two/file"

# nor through a link that its new folder is there still
ln -s three "$T/tree/link"
mkdir "$T/tree/three"
echo old >"$T/tree/one/file"
check "all is there" wait_for 60 has one/file old
head -c 8000000 /dev/urandom >"$T/tree/one/file"
check "parked anew" wait_for 60 parked_as disk-full one/file
noted() { [ "$(status_get r1 lag_records)" = 3 ]; }
sync_pid=$(status_pid sync_pid)
kill -STOP "$sync_pid" # all in one batch
rm "$T/tree/link" && mkdir "$T/tree/link" &&
	mv "$T/tree/one/file" "$T/tree/link/file" || fail "mv"
check "they are noted" wait_for 60 noted
kill -CONT "$sync_pid"
check "parked behind it" wait_for 60 parked_as disk-full link/file
rm "$T/tree/link/file"
check "wait" synced
nothing() { [ "$(status_get r1 parked)" = 0 ]; }
check "nothing is parked" wait_for 60 nothing
check "same" same "$T/replica1"
exit 0
