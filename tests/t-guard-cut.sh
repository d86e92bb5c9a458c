#!/bin/bash
# A first copy that is cut off counts what is foreign once, also what it meets twice:
# it is not refused for that, and all of it goes.
. "$(dirname "$0")/functions.sh"
once
need sqlite3
expect_log "connection|lost|reset|ended"

ssh_replicas 1
MUCH=$((1 << 40))
echo $MUCH >"$T/credit"
proxy_start --delay 5 --credit "$T/credit" --count "$T/count"
for ((i = 0; i < 250; i++)); do
	mkdir "$T/tree/$i" && echo "$i" >"$T/tree/$i/file" || fail "tree"
done
check "mount" mount_tree
under_way() {
	[ -n "$(sqlite3 -readonly "$T/state/journal.db" \
		"SELECT path FROM seed WHERE path <> ''")" ]
}
# passing COMMAND... - it succeeds; until then more may pass, as it is used up
passing() {
	local n
	"$@" && return
	read -r n <"$T/count" && [ "$n" -lt "$(cat "$T/credit")" ] ||
		printf '%-20d\n' $((n + 20000)) >"$T/credit"
	return 1
}
# cut_off - a first copy, while it is under way
cut_off() {
	cp "$T/count" "$T/credit"
	background "$MIRRORFS" replica add "$T/tree" "r1=$PROXY_URL" \
		"${PROXY_LOGIN[@]}" --adopt -o durable=yes
	check "it is under way" wait_for 60 passing under_way
	check "add" wait "$BG"
	kill -USR1 $PROXY
	check "offline" wait_for 60 state_is r1 offline
	echo $MUCH >"$T/credit"
	kill -USR2 $PROXY
	check "retry" "$MIRRORFS" retry "$T/tree"
	check "wait" synced
	check "same" same "$T/replica1"
	check "remove" "$MIRRORFS" replica remove "$T/tree" r1
	rm -rf "$T/replica1" && mkdir "$T/replica1" || fail "replica"
}
cp -a "$T/tree/." "$T/replica1" && mkdir "$T/replica1/foreign" &&
	touch "$T/replica1/foreign/"{1..115} || fail "replica"
cut_off
# much that it was sent may not be on its disk: then all is looked at again
cp -a "$T/tree/"[02-9]* "$T/replica1" && mkdir "$T/replica1/foreign" &&
	touch "$T/replica1/foreign/"{1..10} || fail "replica"
cut_off

# what users have removed since: all is compared, as what a first copy has sent may
# not be on its disk, but nobody has to say that it may go
check "add" "$MIRRORFS" replica add "$T/tree" "r1=$PROXY_URL" \
	"${PROXY_LOGIN[@]}" -o durable=yes
check "wait" synced
kill -USR1 $PROXY
rm -r "$T/tree/"[1-9][0-9]* || fail "rm"
check "offline" wait_for 60 state_is r1 offline
kill -USR2 $PROXY
check "retry" "$MIRRORFS" retry "$T/tree"
check "wait" synced
check "same" same "$T/replica1"
exit 0
