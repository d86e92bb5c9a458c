#!/bin/bash
# A journal of an older format: commands of a newer program read it and never
# change it, as the older one that may have it mounted could open it no more; a
# mount brings it up to date. One of a newer format is refused.
. "$(dirname "$0")/functions.sh"
need sqlite3

db() {
	sqlite3 "$T/state/journal.db" ".timeout 10000" "$1"
}
format() {
	db "PRAGMA user_version"
}
looks() {
	"$MIRRORFS" replica list --state-dir "$T/state" >"$T/list" &&
		grep -q r1 "$T/list" &&
		"$MIRRORFS" log --state-dir "$T/state" >"$T/list" &&
		grep -q "create .*/a " "$T/list"
}
# refuses WHICH COMMAND [ARGUMENT...] - what WHICH program made; it stays so
refuses() {
	local which=$1 before
	shift
	before=$(format)
	"$MIRRORFS" "$@" --state-dir "$T/state" 2>"$T/err" && fail "$*"
	check "$1 says why" grep -q "made by $which mirrorfs" "$T/err"
	equal "$(format)" "$before" "the format after $1"
}
# older - what there is to see and to do
older() {
	check "commands that look" looks
	refuses "an older" replica pause r1
	refuses "an older" retry
	refuses "an older" reconcile
	check "what helps" grep -q "the next mount" "$T/err"
	equal "$(format)" $((now - 1)) "the format"
}

pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
now=$(format)
echo 1 >"$T/tree/a"
check "wait" synced
check "umount" umount_tree

db "DROP TABLE absent; PRAGMA user_version = $((now - 1))"
older
check "mount" mount_tree
equal "$(format)" "$now" "the format after a mount"
equal "$(db "SELECT count(*) FROM absent")" 0 "what it lacked"

check "wait" synced # who has opened it goes on

# as if an older program had it mounted
db "PRAGMA user_version = $((now - 1))"
older
db "PRAGMA user_version = $now"
echo 2 >"$T/tree/b"
check "wait" synced
check "same" same "$T/replica1"

# a replica that cannot open it now tries again, whatever is written meanwhile
expect_log "r2: cannot open the journal"
db "PRAGMA user_version = $((now - 1));
	INSERT INTO replica(name, url, accept_new, adopt, paused, from_config)
	SELECT 'r2', '$T/replica2', accept_new, adopt, paused, from_config
	FROM replica WHERE name = 'r1'"
check "it cannot" wait_for 60 grep -q "r2: cannot open the journal" \
	"$T/state/mirrorfs.log"
echo 3 >"$T/tree/c"
check "wait" "$MIRRORFS" wait "$T/tree" --replica r1 --timeout 60
db "UPDATE replica SET removed_ns = 1 WHERE name = 'r2';
	PRAGMA user_version = $now"
check "umount" umount_tree

db "PRAGMA user_version = $((now + 1))"
refuses "a newer" mount "$T/tree"
refuse "it is not mounted" mounted_at "$T/tree"
exit 0
