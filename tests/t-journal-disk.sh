#!/bin/bash
# The disk of the journal is full, or read-only, when a tree is mounted. At the
# first mount that is refused in one line. Later a full one stops nobody: room
# was kept for it; and on one that is read-only users are served, and the
# journal follows when it can. What failed leaves nothing that the next mount
# trips over.
. "$(dirname "$0")/functions.sh"
. "$TESTS/lib/journal-disk.sh"
expect_log "journal|No space left|database or disk is full|activity log"
expect_log "records of the last moments|lines are missing here"

mkdir "$T/disk"
mount -t tmpfs -o size=24m none "$T/disk" || skip "no tmpfs"
LOWERS+=("$T/disk")
state=$T/disk/state
fill() {
	cat /dev/zero >>"$T/disk/filler" 2>"$T/err"
	check "it is full" grep -q "No space" "$T/err"
}
# refused PATTERN - a mount, in one line; nothing is mounted
refused() {
	timeout 60 "$MIRRORFS" mount "$T/tree" --state-dir "$state" \
		"${REPLICAS[@]}" 2>"$T/err"
	equal $? 1 "status of a mount"
	cat "$T/err"
	equal "$(wc -l <"$T/err")" 1 "lines of error"
	check "why" grep -q "$1" "$T/err"
	refuse "damaged" grep -q damaged "$T/err"
	refuse "it is mounted" mounted_at "$T/tree"
}
mount_again() {
	mount_at "$T/tree" "$state" "${REPLICAS[@]}" "$@"
}
more() {
	echo more >"$T/tree/more$((n += 1))" || fail "users go on"
	! journal_works
}

pipe_replicas 1
fill
refused "No space left"
read_only
refused "Read-only file system"
writable
rm "$T/disk/filler"
check "mount" mount_again
echo one >"$T/tree/one"
check "wait" synced
check "umount" umount_tree

n=0
for round in 1 2; do
	fill
	check "mount, full, round $round" mount_again
	echo "$round" >"$T/tree/round$round"
	fill
	check "its journal fails in the end" wait_for 60 more
	rm "$T/disk/filler"
	check "it mends itself" wait_for 60 journal_works
	check "wait" synced
	check "same" same "$T/replica1"
	fill
	check "umount, full" umount_tree
	rm "$T/disk/filler"
done

# read-only: they are served, and what they do comes to replicas later
mkdir "$T/tree/cold"
echo "old" >"$T/tree/cold/file"
echo "old" >"$T/tree/open"
check "mount" mount_again
check "wait" synced
check "umount" umount_tree
read_only
check "mount, read-only" mount_again 2>"$T/err"
equal "$(wc -l <"$T/err")" 1 "lines of warning"
check "it says so" grep -q "warning:.*Read-only.*replicas wait" "$T/err"
change cold/file NEW
echo "seen" >"$T/tree/seen"
exec 7>>"$T/tree/open"
refuse "status says well" "$MIRRORFS" status "$T/tree" >"$T/status" 2>&1
check "why" grep -q "^journal: failing since.*Read-only" "$T/status"
worker=$(status_pid worker_pid)
writable
check "it mends itself" wait_for 60 journal_works
check "wait" synced
check "same" same "$T/replica1"
replaced() {
	[ "$(status_pid worker_pid)" != "$worker" ]
}
check "a worker with an activity log" wait_for 60 replaced
echo "goes on" >&7 || fail "what was open"
exec 7>&-
check "nothing is owed" wait_for 60 not_owed
check "wait" synced
check "same, with what was open" same "$T/replica1"
check "umount" umount_tree

# … or at the next mount
read_only
check "mount, read-only" mount_again 2>"$T/err"
change cold/file OLD
check "umount, read-only" umount_tree
check "something is owed" owed
refuse "with journal = required" mount_again --journal required 2>"$T/err"
equal "$(wc -l <"$T/err")" 1 "lines of error"
writable
check "mount" mount_again
check "wait" synced
equal "$(cat "$T/replica1/cold/file")" "$(cat "$T/tree/cold/file")" "content"
equal "$(jq -r .journal.set_aside < \
	<("$MIRRORFS" status "$T/tree" --json))" 0 "journals set aside"
check "wait" synced
check "same" same "$T/replica1"
check "umount" umount_tree
equal "$(stat -c %s "$state/reserve")" 4194304 "room for the next mount"
exit 0
