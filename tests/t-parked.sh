#!/bin/bash
# What a replica refuses is put aside, shown with its reason, and tried again;
# other paths and other replicas go on; nothing ends a process.
. "$(dirname "$0")/functions.sh"
need sqlite3
expect_log "parked|blocked|applied|tr(y|ied)|no space|failure"

mkdir -p "$T/replica2"
mount -t tmpfs -o size=3M,mode=755 none "$T/replica1" ||
	skip "cannot mount a tmpfs"
CHILDREN_DONE() { umount "$T/replica1/sub" "$T/replica1" 2>/dev/null; }
trap 'r=$?; cd /; [ $r = 0 ] || "$MIRRORFS" status "$T/tree"
	for m in "${MOUNTS[@]}"; do "$MIRRORFS" umount "$m"; done
	MOUNTS=(); CHILDREN_DONE; end_test $r' EXIT
check "mount" mount_tree --replica "r1=$T/replica1" \
	--replica "r2=$T/replica2"
sync_pid=$(status_pid sync_pid)
echo small >"$T/tree/before"
head -c 8000000 /dev/urandom >"$T/tree/huge"
echo small >"$T/tree/after"
check "the other replica" "$MIRRORFS" wait "$T/tree" --replica r2 --timeout 60
check "replica 2" same "$T/replica2"
check "other paths go on" wait_for 60 test -s "$T/replica1/after"
parked() { [ "$(status_get r1 parked)" "$@" ]; }
check "it is parked" wait_for 60 parked -ge 1
"$MIRRORFS" status "$T/tree" >"$T/out"
cat "$T/out"
check "path and reason are told" grep -Eq "huge.*(space|full)" "$T/out"
refuse "a part is visible" test -e "$T/replica1/huge"
"$MIRRORFS" wait "$T/tree" "$T/tree/huge" --timeout 1 >/dev/null 2>&1
equal $? 1 "wait for the parked path"
check "wait for another path" "$MIRRORFS" wait "$T/tree" "$T/tree/after" \
	--timeout 60
check "the log says parked" sh -c \
	"'$MIRRORFS' log '$T/tree' '$T/tree/huge' | grep -q parked"
check "a folder beside it" mkdir "$T/tree/d"
check "goes on" wait_for 60 test -d "$T/replica1/d"

# what the replica has of it stays, also when all that is beside it is compared
mkdir "$T/tree/one" "$T/tree/two" && echo old >"$T/tree/one/file" ||
	fail "folders"
check "an old content" wait_for 60 test -s "$T/replica1/one/file"
head -c 8000000 /dev/urandom >"$T/tree/one/file"
check "the new one is parked" wait_for 60 parked_as disk-full one/file
rmdir "$T/replica1/two"
check "exchange" "$HELPERS/swapper" "$T/tree/one" "$T/tree/two"
check "wait for one of them" "$MIRRORFS" wait "$T/tree" "$T/tree/one" \
	--timeout 60
equal "$(cat "$T/replica1/two/file")" old "what it has"
rm -r "$T/tree/one" "$T/tree/two"

check "the cause is told" wait_for 60 parked_as disk-full huge
"$MIRRORFS" status "$T/tree" --parked >"$T/out" || fail "status --parked"
check "with what it needs" grep -Eq "disk-full.*/huge.*needs 7.6M, has" "$T/out"
check "and what to do" grep -q "^disk-full: free space" "$T/out"

# healed: there is room, it arrives by itself
mount -o remount,size=30M "$T/replica1" || fail "remount"
check "tried again" wait_for 120 parked -eq 0
check "wait" synced
check "replica 1" same "$T/replica1"
equal "$(status_pid sync_pid)" "$sync_pid" "the sync process never ended"
equal "$("$MIRRORFS" status "$T/tree" --parked)" "nothing is parked" "the list"

# no inodes
mount -o remount,nr_inodes=$(find "$T/replica1" | wc -l) "$T/replica1" ||
	fail "remount"
touch "$T/tree/one-more"
check "no inodes" wait_for 60 parked_as no-inodes one-more
mount -o remount,nr_inodes=1000 "$T/replica1" || fail "remount"
check "arrives by itself" wait_for 60 parked -eq 0

# another file system inside, and one that is read-only as a whole
mkdir "$T/tree/sub"
check "wait" synced
mount -t tmpfs none "$T/replica1/sub" || fail "mount"
echo x >"$T/tree/sub/file"
check "another file system" wait_for 60 parked_as other-filesystem sub/file
check "pause" "$MIRRORFS" replica pause "$T/tree" r1
equal "$(sqlite3 -readonly "$T/state/journal.db" \
	"SELECT state FROM replica WHERE name = 'r1'")" 6 "paused, by its thread"
umount "$T/replica1/sub" || fail "umount"
sqlite3 "$T/state/journal.db" ".timeout 10000" "UPDATE parked SET next_ns = next_ns +
	200000000000" || fail "sqlite3"
check "resume" "$MIRRORFS" replica resume "$T/tree" r1
check "go on" wait_for 60 state_is r1 synced
check "still parked" parked_as other-filesystem sub/file
check "retry another path" "$MIRRORFS" retry "$T/tree" "$T/tree/d"
check "still parked" parked_as other-filesystem sub/file
refuse "no such replica" "$MIRRORFS" retry "$T/tree" --replica r9 2>"$T/out"
"$MIRRORFS" retry "$T/tree" --replica r1 "$T/tree/sub" >"$T/out" ||
	fail "retry"
equal "$(cat "$T/out")" "1 path will be tried now" "what retry says"
check "at once" wait_for 60 parked -eq 0
check "wait" synced
check "replica 1" same "$T/replica1"

mount -o remount,ro "$T/replica1" || fail "remount"
echo y >"$T/tree/sub/file"
check "read-only" wait_for 60 parked_as read-only sub/file
# each try that is in vain doubles the pause: behind the eighth it is two minutes
tried() { [ "$(parked_tries)" -gt "$1" ]; }
while n=$(parked_tries) && [ "$n" -lt 8 ]; do
	check "retry" "$MIRRORFS" retry "$T/tree" >/dev/null
	check "tried" wait_for 60 tried "$n"
done
next=$(sqlite3 -readonly "$T/state/journal.db" \
	"SELECT min(next_ns) / 1000000000 FROM parked")
check "no try for long" test $((next - EPOCHSECONDS)) -gt 30
check "nor for ever" test $((next - EPOCHSECONDS)) -le 300
mount -o remount,rw "$T/replica1" || fail "remount"
check "retry all" "$MIRRORFS" retry "$T/tree" >/dev/null
check "at once" wait_for 60 parked -eq 0

# the log tells of what fails twice; a busy machine may take longer than the second
# between the tries
told() { grep -q "r1: parked /$1:" "$T/state/mirrorfs.log"; }
for n in {1..15}; do
	mount -o remount,ro "$T/replica1" || fail "remount"
	echo "$n" >"$T/tree/twice$n"
	check "read-only" wait_for 60 parked_as read-only "twice$n"
	[ "$n" = 1 ] && check "told" wait_for 60 told twice1
	mount -o remount,rw "$T/replica1" || fail "remount"
	check "arrives by itself" wait_for 60 parked -eq 0
	[ "$n" -gt 1 ] && ! told "twice$n" && break
done
refuse "what failed once is told" told "twice$n"

# a next try that lies further ahead than any pause: the clock was set back
mount -o remount,ro "$T/replica1" || fail "remount"
echo z >"$T/tree/sub/file"
check "read-only again" wait_for 60 parked_as read-only sub/file
check "pause" "$MIRRORFS" replica pause "$T/tree" r1
mount -o remount,rw "$T/replica1" || fail "remount"
sqlite3 "$T/state/journal.db" ".timeout 10000" "UPDATE parked SET next_ns = next_ns +
	3600000000000" || fail "sqlite3"
check "resume" "$MIRRORFS" replica resume "$T/tree" r1
check "at once" wait_for 60 parked -eq 0
check "replica 1" same "$T/replica1"
equal "$(status_pid sync_pid)" "$sync_pid" "the sync process never ended"
exit 0
