#!/bin/bash
# A large journal is not looked through at a mount: one that is damaged is met when
# it is used, set aside and replaced all the same.
. "$(dirname "$0")/functions.sh"
need sqlite3
expect_log "journal|malformed"

pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
for i in {1..200}; do echo "$i" >"$T/tree/$i"; done
check "wait" synced
DB=$T/state/journal.db
# damage TABLE - the page where it begins
damage() {
	local page
	check "umount" umount_tree
	sqlite3 "$DB" "CREATE TABLE IF NOT EXISTS junk(x);
		INSERT INTO junk VALUES(zeroblob(70 << 20));
		PRAGMA wal_checkpoint(TRUNCATE);" >/dev/null || fail "sqlite3"
	page=$(sqlite3 "$DB" "SELECT rootpage FROM sqlite_master
		WHERE type = 'table' AND name = '$1'")
	dd if=/dev/urandom of="$DB" bs=4096 count=1 seek=$((page - 1)) \
		conv=notrunc status=none
}
n=0
for table in record replica dirty parked; do
	damage $table
	check "mount, damaged $table" mount_tree "${REPLICAS[@]}" 2>"$T/err"
	equal "$(ls "$T/state" | grep -c '^journal.db.damaged-[0-9TZ.]*$')" 1 \
		"damaged ones that are kept"
	echo "$table" >"$T/tree/new"
	rm "$T/tree/$((++n))" || fail "rm"
	check "wait" synced
	check "same" same "$T/replica1"
	rm "$T/state/"journal.db.damaged-*
done
check "umount" umount_tree
exit 0
