#!/bin/bash
# A mount whose journal has to wait, in all settings: with an activity log and
# without, and without file handles; on a disk that is read-only, and on one
# that is full; what the tree says meanwhile is copied by nobody; and the mount
# may be taken away lazily.
. "$(dirname "$0")/functions.sh"
. "$TESTS/lib/journal-disk.sh"
expect_log "journal|No space left|database or disk is full|activity log"
expect_log "records of the last moments|no file handles|lines are missing here|unmounted lazily"
need getfattr setfattr

mkdir "$T/disk" "$T/tree/cold"
mount -t tmpfs -o size=24m none "$T/disk" || skip "no tmpfs"
LOWERS+=("$T/disk")
state=$T/disk/state
name=late-$$
printf '[mount]\nroot = %s\nactivity-log = no\n' "$T/tree" >"$T/off.conf"
pipe_replicas 1
echo "old" >"$T/tree/cold/file"
mount_it() {
	mount_at "$T/tree" "$state" --name "$name" "${REPLICAS[@]}" "$@" \
		2>"$T/err"
}
arrived() {
	equal "$(cat "$T/replica1/cold/file")" "$(cat "$T/tree/cold/file")" \
		"$1"
	check "same" same "$T/replica1"
}
mends() {
	check "it mends itself, $1" wait_for 60 journal_works
	check "wait" synced
	arrived "$1"
}
epoch_of_journal() {
	sed -n "s/.*'epoch', *'\([0-9]*\)'.*/\1/p" "$state/identity"
}
epoch_of_marks() {
	od -An -j20 -N8 -t u8 --endian=big "$state/activity" | tr -d ' '
}
epochs_agree() {
	[ "$(epoch_of_journal)" = "$(epoch_of_marks)" ]
}
# comparisons since the line that `mark` has remembered
mark() {
	line=$(wc -l <"$state/mirrorfs.log")
}
said() {
	tail -n +"$((line + 1))" "$state/mirrorfs.log" | grep -q "$1"
}

logged() { # TEXT - what it says while it cannot say it in the state folder
	grep -q "$1" "/run/mirrorfs/$name/log"
}
again() {
	timeout 10 cat "$T/tree/cold/file" >"$T/out" 2>/dev/null
}
# another_worker - and mount, as there are no file handles: nothing is lost by that
another_worker() {
	kill -9 "$(status_pid worker_pid)"
	check "it serves again" wait_for 60 again
	check "records wait" wait_for 60 logged "moments wait in memory"
	refuse "lost" logged "moments were lost"
}

late() { # TEXT OPTION...
	check "mount" mount_it "${@:2}"
	check "wait" synced
	check "umount" umount_tree
	read_only
	check "mount, read-only, $1" mount_it "${@:2}"
	change cold/file "$1"
	[ "$1" != pin ] || another_worker
	mark
	writable
	mends "$1"
	check "umount" umount_tree
	check "mount once more" mount_it "${@:2}"
	check "wait" synced
	check "umount" umount_tree
	refuse "changed while it was not mounted, $1" \
		said "while it was not mounted"
}
late off --config "$T/off.conf"
late pin --without handles
late NEW

# full, with nothing in reserve: the activity log can be written
rm -f "$state/reserve"
cat /dev/zero >>"$T/disk/filler" 2>"$T/err"
check "mount, full" mount_it
check "it says so" grep -q "warning:.*No space.*replicas wait" "$T/err"
change cold/file ABC
rm "$T/disk/filler"
mends "full"
check "the activity log is of the same epoch" wait_for 60 epochs_agree
check "umount" umount_tree

# nobody takes the note away by copying attributes
read_only
check "mount, read-only" mount_it
refuse "it is listed" grep owed <(getfattr -d -m - "$T/tree" 2>&1)
refuse "it can be removed" \
	setfattr -x trusted.mirrorfs.owed "$T/tree" 2>"$T/err"
refuse "it can be set" \
	setfattr -n trusted.mirrorfs.owed -v 1 "$T/tree/cold" 2>"$T/err"
change cold/file DEF
check "umount, read-only" umount_tree
writable
check "mount" mount_it
check "wait" synced
arrived "the note was there"
check "umount" umount_tree

# what was opened before there is an activity log is read on, and opened once more,
# when there is one, and with it passthrough
read_only
check "mount, read-only" mount_it
head -c 2097152 /dev/zero >"$T/tree/big" && exec 5<"$T/tree/big" ||
	fail "a large file"
equal "$(head -c 1000 <&5 | wc -c)" 1000 "what is read of it"
writable
mends "a large file"
marked() {
	"$MIRRORFS" status "$T/tree" --json | jq -e \
		'.passthrough | contains("activity log") | not' >"$T/out"
}
check "there is one" wait_for 60 marked
cat "$T/tree/big" >"$T/out" || fail "it cannot be opened once more"
exec 5<&-
check "umount" umount_tree

# taken away lazily while it is late: what is written past it then, and after the
# comparison
read_only
check "mount, read-only" mount_it
supervisor=$(status_pid supervisor_pid)
cd "$T/tree" || exit 1
check "lazily" umount -l "$T/tree"
ended() {
	! kill -0 "$supervisor" 2>/dev/null
}
check "it is seen" wait_for 60 logged "unmounted lazily"
echo "one" >late
writable
check "it mends itself" wait_for 60 logged "journal can be written"
check "everything was compared" wait_for 60 test -s "$T/replica1/late"
echo "two" >later
check "what is there goes on" wait_for 60 test -s "$T/replica1/later"
change cold/file GHI
cd "$T" || exit 1
check "it ends" wait_for 60 ended
check "mount" mount_it
check "wait" synced
arrived "past the mount"
check "umount" umount_tree
exit 0
