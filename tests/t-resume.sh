#!/bin/bash
# A first copy that is cut off goes on where it was, while users write. What it
# has found to be foreign before it was cut is deleted in the end.
. "$(dirname "$0")/functions.sh"
expect_log "lost|connection|cannot reach|silen|time|ended|refused|reset|closed"

ssh_replicas 1
proxy_start --delay 20
# each folder that the replica has is looked at: some round trips
for ((i = 100; i < 210; i++)); do
	mkdir "$T/tree/d$i"
	echo "$i" >"$T/tree/d$i/file"
done
cp -a "$T/tree/." "$T/replica1/"
mkdir "$T/replica1/d100/foreign" "$T/replica1/d103/foreign"
echo changed-too >"$T/replica1/d101/file"
ln "$T/tree/d102/file" "$T/tree/d190/link"
check "mount" mount_tree
check "add" "$MIRRORFS" replica add "$T/tree" --adopt "${PROXY_LOGIN[@]}" \
	"r1=$PROXY_URL"
# some folders further than those that this test is about
under_way() {
	passed=$(status_get r1 progress.path)
	passed=${passed#d}
	[ "$passed" -gt 105 ]
} 2>/dev/null
check "it is noted how far it is" wait_for 60 under_way
equal "$(status_get r1 progress.all_entries)" 222 "how much there is"
kill -USR1 "$PROXY"
check "cut off" wait_for 60 state_is r1 offline
before=$(status_get r1 progress.entries)
check "not complete" test "$before" -lt 221
# what was done is not looked at again
looked=d$((passed - 1))/file
echo "by somebody else" >"$T/replica1/$looked"
mv "$T/tree/d100" "$T/tree/d999"
mv "$T/tree/d209" "$T/tree/d000"
echo late >"$T/tree/d101/late"
kill -ALRM "$PROXY"
kill -USR2 "$PROXY"
check "wait" synced
check "it went on" grep -q "r1: going on behind /d" "$T/state/mirrorfs.log"
equal "$(cat "$T/replica1/$looked")" "by somebody else" "what was done already"
echo again >"$T/tree/$looked"
check "wait" synced
check "replica" same "$T/replica1"
equal "$(status_get r1 progress)" null "nothing is under way"
exit 0
