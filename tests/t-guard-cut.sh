#!/bin/bash
# A first copy that is cut off counts what is foreign once: it is not refused for
# what it has met twice.
. "$(dirname "$0")/functions.sh"
need sqlite3
expect_log "connection|lost|reset|ended"

ssh_replicas 1
proxy_start --delay 5
for ((i = 0; i < 250; i++)); do
	mkdir "$T/tree/$i" && echo "$i" >"$T/tree/$i/file" || fail "tree"
done
cp -a "$T/tree/." "$T/replica1" && mkdir "$T/replica1/foreign" &&
	touch "$T/replica1/foreign/"{1..115} || fail "replica"
check "mount" mount_tree
check "add" "$MIRRORFS" replica add "$T/tree" "r1=$PROXY_URL" \
	"${PROXY_LOGIN[@]}" --adopt
under_way() {
	[ -n "$(sqlite3 -readonly "$T/state/journal.db" \
		"SELECT path FROM seed WHERE path <> ''")" ]
}
check "it is under way" wait_for 60 under_way
kill -USR1 $PROXY
check "offline" wait_for 60 state_is r1 offline
kill -USR2 $PROXY
check "retry" "$MIRRORFS" retry "$T/tree"
check "wait" synced
check "same" same "$T/replica1"
equal "$(status_get r1 progress.entries)" "$(status_get r1 progress.all_entries)" \
	"entries"
exit 0
