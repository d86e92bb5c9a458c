#!/bin/bash
# The journal's disk is full to the last byte, data and metadata, and things are
# changed in places that are not marked: marks can be made all the same, as the
# blocks of their file are there. On btrfs, too, where blocks are not
# overwritten unless a file is made so. Nobody dies of it: there, a store into
# what SQLite maps needs room as well.
. "$(dirname "$0")/functions.sh"
expect_log "journal cannot be|No space left|database or disk is full|lost|lines are missing here"

n=0
full() {
	"$MIRRORFS" status "$T/tree" >"$T/status" 2>&1
	! grep -qx "journal: ok" "$T/status"
}
more() {
	echo more >"$T/tree/notice$((n += 1))" || fail "users go on"
	full
}
# fill FOLDER - files of all sizes, until not even a small one can be had
fill() {
	mkdir "$1/fill"
	fallocate -l "$(($(stat -fc '%a * %S' "$1")))" "$1/fill/0" 2>"$T/err"
	cat /dev/zero >"$1/fill/1" 2>"$T/err"
	head -c 40M /dev/zero |
		split -b 2000 -a 5 - "$1/fill/f" 2>"$T/err"
	cat /dev/zero >"$1/fill/2" 2>"$T/err"
	check "it is full" grep -q "No space" "$T/err"
}

mkdir "$T/disk"
mkdir "$T"/tree/d{1..40}
for type in ext4:32M btrfs:128M xfs:320M; do
	missing=$(lower_missing "${type%:*}")
	if [ -n "$missing" ]; then
		say "not with ${type%:*}: $missing"
		continue
	fi
	lower_mount "${type%:*}" "$T/disk" "$T/image" "${type#*:}" ||
		skip "no ${type%:*} can be mounted here"
	LOWERS+=("$T/disk")
	check "mount, $type" mount_at "$T/tree" "$T/disk/state"
	worker=$(status_pid worker_pid)
	fill "$T/disk"
	check "it fails in the end, $type" wait_for 60 more
	for d in "$T"/tree/d*; do
		touch "$d/$type" || fail "users go on, $type"
	done
	if grep "activity log" "$T/disk/state/mirrorfs.log"; then
		fail "marks cannot be made on $type"
	fi
	rm -r "$T/disk/fill"
	check "it mends itself, $type" wait_for 60 journal_works
	equal "$(status_pid worker_pid)" "$worker" "the worker, $type"
	check "umount, $type" umount_tree
	LOGS=()
	check "away with it, $type" take_below "$T/disk"
	rm "$T/image"
done
exit 0
