#!/bin/bash
# A server that carries out late what a lost connection had asked for: it comes
# to nothing, whatever the next connection has done meanwhile.
. "$(dirname "$0")/functions.sh"
expect_log "lost|connection|cannot reach|ended|refused|reset|closed"

# start [OPTION...] - a mount with one replica, through the proxy, to a server
# with these options.
start() {
	rm -rf "$T/control" "$T/state" "$T/replica1" "$T/tree"
	mkdir "$T/replica1" "$T/tree"
	faulty_replica "$@"
	mkdir "$T/tree/folder" "$T/tree/folder/below"
	for i in gone moved other folder/below/file; do
		echo "first $i" >"$T/tree/$i"
	done
	check "mount" mount_tree "${REPLICAS[@]}"
	check "wait" synced
}
# released - the server has carried them out, and has ended.
released() {
	touch "$CTL/release"
	wait_for 60 process_gone "$LATE" || fail "it does not end"
}
finish() {
	check "wait" synced
	check "same" same "$T/replica1"
	check "left on the stage" wait_for 60 empty_stage "$T/replica1"
	check "umount" umount_tree
	end_process "$PROXY"
	sshd_stop
}

# 1. names: what was removed and renamed is made anew before the late requests
# are carried out
start
echo "13 gone" >"$CTL/hold"
kill -USR1 "$PROXY"
check "it is told" wait_for 60 state_is r1 offline
rm "$T/tree/gone" && mv "$T/tree/moved" "$T/tree/target" &&
	rmdir "$T/tree/empty" 2>/dev/null
mkdir "$T/tree/made" && chmod 700 "$T/tree/other" || fail "changes"
kill -USR2 "$PROXY"
check "requests wait" wait_for 60 held 3
kill -USR1 "$PROXY"
check "it is told" wait_for 60 state_is r1 offline
rm "$CTL/hold"
kill -USR2 "$PROXY"
check "the next connection" synced
check "same" same "$T/replica1"
echo second >"$T/tree/gone" && echo second >"$T/tree/moved" &&
	rmdir "$T/tree/made" && chmod 755 "$T/tree/other" &&
	mv "$T/tree/folder/below" "$T/tree/below" || fail "changes"
check "wait" synced
released
check "after late removals and renames" same "$T/replica1"
check "left on the stage" wait_for 60 empty_stage "$T/replica1"
finish

# 2. an upload, where the server makes no symbolic links
start -P symlink
echo "3 /stage/" >"$CTL/hold"
echo late >"$T/tree/late"
check "requests wait" wait_for 60 held 1
rm "$CTL/hold"
kill -USR1 "$PROXY"
check "it is told" wait_for 60 state_is r1 offline
kill -USR2 "$PROXY"
check "the next connection" synced
check "same" same "$T/replica1"
released
check "left by a late upload" wait_for 60 empty_stage "$T/replica1"
finish

# 3. a server to which each folder is made: the next visit is not the first
start
touch "$CTL/made"
kill -USR1 "$PROXY"
check "it is told" wait_for 60 state_is r1 offline
kill -USR2 "$PROXY"
check "the next connection" wait_for 60 state_is r1 synced
visits() {
	[ "$(find "$T/replica1/.mirrorfs/stage" -mindepth 1 -maxdepth 1 | wc -l)" = 1 ]
}
check "one visit is on the stage" wait_for 60 visits
finish
exit 0
