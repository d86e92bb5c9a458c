#!/bin/bash
# Reading for a replica leaves no access times: those that users, or their
# programs, have set stay as they are. Files and folders of root and of another
# user; by the first copy, by uploads, by a comparison of contents; with file
# handles below and without.
. "$(dirname "$0")/functions.sh"

# Looked at and changed long ago, in this order: with relatime the next one who
# reads is noted.
make_things() {
	mkdir -p "$1/folder/theirs" && seq 1000 >"$1/folder/file" &&
		seq 2000 >"$1/folder/theirs/file" &&
		chown -R 4321:4321 "$1/folder/theirs" &&
		find "$1" -exec touch -a -d 2001-02-03 {} + &&
		find "$1" -exec touch -m -d 2002-02-03 {} + &&
		touch -a -d 2001-02-03 "$1" "$1/folder" "$1/folder/theirs"
}

# kept FOLDER TEXT
kept() {
	find "$1" -newerat 2001-02-04 >"$T/looked-at"
	[ ! -s "$T/looked-at" ] ||
		{ cat "$T/looked-at"; fail "$2 left access times"; }
}

# first the lower tree alone, then through the mount
round() {
	rm -rf "$T/state" "$T/replica1"
	pipe_replicas 1
	make_things "$T/tree/first" || fail "make"
	check "mount" mount_tree "${REPLICAS[@]}" 2>"$T/said"
	check "wait" synced
	check "umount" umount_tree
	kept "$T/tree/first" "the first copy"

	check "mount again" mount_tree "${REPLICAS[@]}" 2>"$T/said"
	check "wait" synced
	make_things "$T/tree/later" || fail "make"
	check "wait" synced
	check "compare" "$MIRRORFS" reconcile "$T/tree" --checksum --wait \
		>"$T/out"
	check "umount" umount_tree
	kept "$T/tree/later" "an upload, or a comparison,"
	check "same" same "$T/replica1"
	rm -rf "$T/tree/first" "$T/tree/later"
}

round
WITHOUT=handles round
exit 0
