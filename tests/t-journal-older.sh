#!/bin/bash
# The database is put back from an older copy of the same mount, while a replica is
# behind what is in there: it is noticed, after a clean end and when all was killed,
# and what the replica lacks is sent, also what looks there as it does here.
. "$(dirname "$0")/functions.sh"
need sqlite3
expect_log "older copy|did not end well|worker died"

# other content, and all that is seen by SFTP the same
change() {
	printf '%s' "$2" >"$T/tree/$1"
	touch -d 2020-01-01 "$T/tree/$1"
}
warned() { # COUNT
	[ "$(grep -c "is an older copy" "$T/state/mirrorfs.log")" = "$1" ]
}
older() { # COUNT HOW
	change cold/x "old $1"
	check "wait" synced
	sqlite3 "$T/state/journal.db" ".backup $T/backup.db"
	sleep 3 # more than ctimes may lag behind
	check "pause" "$MIRRORFS" replica pause "$T/tree" r1
	change cold/x "new $1"
	mkdir "$T/tree/cold/dir$1"
	sleep 2 # marks are lifted, at first
	"$2"
	rm -f "$T/state/journal.db"*
	cp "$T/backup.db" "$T/state/journal.db"
	check "mount" mount_tree # from now on marks stay
	check "it is told" wait_for 60 warned "$1"
	"$MIRRORFS" replica resume "$T/tree" r1
	check "wait" synced
	check "same" same "$T/replica1"
}

pipe_replicas 1
printf "[mount]\nroot = %s\nactivity-lift = 500ms\n" "$T/tree" >"$T/conf"
mkdir "$T/tree/cold"
check "mount" mount_tree --config "$T/conf" "${REPLICAS[@]}"
older 1 kill_all
older 2 umount_tree
check "umount" umount_tree
check "mount" mount_tree
check "not when it is not" warned 2
exit 0
