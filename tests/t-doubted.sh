#!/bin/bash
# What is found out about a replica as we connect outlives the connection: it is
# empty, it is of an earlier time, its owners are to be others. Until all of it was
# compared it is not complete, and not synced.
. "$(dirname "$0")/functions.sh"
expect_log "may have been lost with its power"

faulty_server
ssh_replicas 1
old() { touch -d 2021-03-01 "$@"; }
mkdir "$T/tree/folder" && echo old >"$T/tree/folder/file" || fail "files"
old "$T/tree/folder/file"
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced
pause() {
	check "pause" "$MIRRORFS" replica pause "$T/tree" r1
	check "paused" wait_for 60 state_is r1 paused
}
resume() { check "resume" "$MIRRORFS" replica resume "$T/tree" r1; }
# put_back FOLDER - as the replica's content
put_back() {
	find "$T/replica1" -mindepth 1 -delete
	cp -a "$1/." "$T/replica1/" || fail "cp"
}
# cut_off - a comparison that has begun is cut off when it comes to the folder
cut_off() {
	check "it is being compared" wait_for 60 held 1
	"$MIRRORFS" wait "$T/tree" --timeout 1 >"$T/out" 2>&1
	equal $? 1 "status of wait meanwhile, $1"
	pause
	rm -f "$CTL/hold" "$CTL/held"
	touch "$CTL/release" # or they would wait for ever
	resume
	check "wait, $1" synced
	check "same, $1" same "$T/replica1"
}
hold() {
	rm -f "$CTL/release"
	echo "11 /folder" >"$CTL/hold"
}

pause
cp -a "$T/replica1" "$T/backup" || fail "backup"
resume
echo new >"$T/tree/folder/file" && old "$T/tree/folder/file" || fail "change"
check "wait" synced
pause
put_back "$T/backup"
hold
resume
cut_off "restored"

pause
mkdir "$T/empty" && put_back "$T/empty"
mkdir "$T/replica1/folder" # or there is nothing to look at
hold
resume
cut_off "empty"

hold
check "set" "$MIRRORFS" replica set "$T/tree" r1 owner=33:33
check "it is being compared" wait_for 60 held 1
pause
rm -f "$CTL/hold" "$CTL/held"
touch "$CTL/release"
resume
check "wait" synced
equal "$(stat -c %u:%g "$T/replica1/folder/file")" 33:33 "its owner"
check "umount" umount_tree
[ -z "$SANITIZED$OTHER_RELEASE" ] || exit 0 # thousands of folders

# in the middle of a first copy: also of what it has got by then
rm -r "$T"/tree/* "$T/replica1" && mkdir "$T/replica1" || fail "rm"
cd "$T/tree" && mkdir {1000..4999} || fail "folders"
for i in *; do printf '%3000d' "$i" >"$i/file"; done
cd "$T" || fail "cd"
sql() { sqlite3 "$T/new/journal.db" ".timeout 10000" "$1"; }
far() { sql "SELECT path FROM seed" | grep -q .; }
check "mount" mount_at "$T/tree" "$T/new" "${REPLICAS[@]}" \
	-o durable=no,bwlimit=1M
check "it is under way" wait_for 60 far
check "set" "$MIRRORFS" replica set "$T/tree" r1 owner=33:33
check "wait" synced
equal "$(find "$T/replica1" -name .mirrorfs -prune -o ! -uid 33 -print)" "" \
	"what is not theirs"
# what it gets anew may be lost with its power, all of it
noted() { sql "SELECT seq FROM unsafe" | grep -q .; }
check "set" "$MIRRORFS" replica set "$T/tree" r1 durable=yes
pause
put_back "$T/empty"
resume
check "it is under way" wait_for 60 noted
equal "$(sql "SELECT seq FROM unsafe")" 0 "from where it is compared"
check "wait" synced
exit 0
