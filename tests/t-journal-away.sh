#!/bin/bash
# The state folder is moved away and back while the tree is mounted: the journal
# is the one that it was, and what was changed meanwhile is in it.
. "$(dirname "$0")/functions.sh"
need sqlite3
expect_log "journal|mirrorfs.log|sync process ended|activity log"

db=$T/state/journal.db
whole() {
	"$MIRRORFS" status "$T/tree" 2>/dev/null | grep -qx "journal: ok"
}
set_aside() {
	ls "$T/state/" | grep -q "^journal.db.damaged-"
}
records() { # WHERE
	sqlite3 "$db" "SELECT count(*) FROM record WHERE $1"
}

pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
echo one >"$T/tree/one"
check "wait" synced
was=$(stat -c %i "$db")
mv "$T/state" "$T/elsewhere" || fail "mv"
echo two >"$T/tree/two"
check "all have closed it" wait_for 120 \
	grep -q "sync process ended" "$T/elsewhere/mirrorfs.log"
echo three >"$T/tree/three"
mv "$T/elsewhere" "$T/state" || fail "mv back"
check "whole" wait_for 120 whole
check "wait" synced
check "same" same "$T/replica1"
equal "$(stat -c %i "$db")" "$was" "the journal"
equal "$(records "path IN ('one', 'two', 'three') AND op = 1")" 3 "records"
equal "$(records "op = 16")" 0 "gaps"

# another file system is there, which has a copy: the same number of the inode
check "umount" umount_tree
mv "$T/state" "$T/kept" && mkdir "$T/state" || fail "mkdir"
image=$T/image${#LOWERS[@]}
lay_below ext4 "$T/state" && cp -a "$T/kept/." "$T/state" || fail "cp"
check "mount" mount_tree
check "wait" synced
was=$(stat -c %i "$db")
sync && fsfreeze -f "$T/state" &&
	cp --sparse=always "$image" "$T/copy" || fail "copy"
fsfreeze -u "$T/state"
echo gone >"$T/tree/gone"
check "wait" synced
mount -o loop "$T/copy" "$T/state" || fail "mount of the copy"
LOWERS+=("$T/state")
equal "$(stat -c %i "$db")" "$was" "the number"
echo three >"$T/tree/other"
check "another one" wait_for 120 set_aside
check "wait" synced
equal "$(cat "$T/replica1/other")" three "what is recorded there"
check "same" same "$T/replica1"

# gone for good, with the folder there: that is no reason to wait
rm "$db"
echo four >"$T/tree/four"
replaced() {
	[ -e "$db" ] && whole
}
check "another one" wait_for 120 replaced
check "wait" synced
equal "$(records "op = 16")" 1 "gaps"
check "same" same "$T/replica1"

# by a symbolic link, which leads elsewhere now; nobody but a reader has looked
check "umount" umount_tree
mkdir "$T/one" && cp -a "$T/state/." "$T/one" && rm -f "$T/one/"*.damaged-* ||
	fail "cp"
take_below "$T/state"
take_below "$T/state"
rmdir "$T/state" && ln -s one "$T/state" || fail "link"
check "mount" mount_tree
check "wait" synced
cp -a "$T/one" "$T/two" && ln -sfn two "$T/state" || fail "link"
check "another one" wait_for 120 set_aside
echo five >"$T/tree/five"
check "wait" synced
check "same" same "$T/replica1"

# nor has the activity log there the marks that were made since
doubted() {
	[ "$(od -An -j16 -N4 -t u4 --endian=big "$T/two/activity")" -eq 2 ]
}
check "it is not to be believed" wait_for 60 doubted
echo six >"$T/tree/six"
kill_all
check "mount" mount_tree
check "wait" synced
check "same" same "$T/replica1"
grep -q "the activity log is no help (it could not be written): everything" \
	"$T/two/mirrorfs.log" || fail "marks were believed"
exit 0
