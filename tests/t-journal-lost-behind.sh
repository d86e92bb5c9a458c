#!/bin/bash
# The journal's database is lost while a replica is behind: what it lacks is sent,
# also a file that looks there as it does here, and was changed before the mount.
# What was complete for long is compared only.
. "$(dirname "$0")/functions.sh"
need sqlite3
expect_log "journal|lost|sync process ended"

# other content, and all that is seen by SFTP the same
change() {
	printf '%s' "$2" >"$T/tree/$1"
	touch -d 2020-01-01 "$T/tree/$1"
}
mended() {
	"$MIRRORFS" status "$T/tree" 2>/dev/null | grep -qx "journal: ok"
}

change alike old
check "mount" mount_tree --replica "r1=$T/replica1"
check "wait" synced
check "pause" "$MIRRORFS" replica pause "$T/tree" r1
sleep 3 # more than ctimes may lag behind
change alike new
check "umount" umount_tree
sleep 3
check "mount" mount_tree
echo x >"$T/tree/x"
noted() { grep -q "complete" "$T/state/identity"; }
check "since when it is behind is noted" wait_for 60 noted
rm "$T/state/journal.db"
echo last >"$T/tree/last"
check "it is there again" wait_for 60 mended
since=$(sqlite3 "$T/state/journal.db" \
	"SELECT since_ns / 1000000000 FROM forgotten")
was=$(stat -c %Z "$T/tree/alike")
[ "$since" -le "$was" ] && [ "$since" -ge $((was - 4)) ] ||
	fail "it may lack what was changed since $since, and lacks $was"
check "resume" "$MIRRORFS" replica resume "$T/tree" r1
check "wait" synced
check "same" same "$T/replica1"

# that is over: who asks for a comparison has nothing sent again
timeout 60 "$MIRRORFS" reconcile "$T/tree" --wait || fail "reconcile"
check "nothing differs" wait_for 60 \
	grep -q "r1: compared /: .* differed=0\b" "$T/state/mirrorfs.log"
exit 0
