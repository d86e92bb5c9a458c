#!/bin/bash
# A first copy of many folders that is cut off goes on where it was, while users
# write: the connection is cut, then sync is killed. What was done before is not
# looked at again; what was found to be foreign by then is deleted in the end.
. "$(dirname "$0")/functions.sh"
expect_log "connection|lost|reset|ended"

# a folder that is looked at costs two round trips at least, a mark comes after a
# hundred and a second: of these of 4 ms, after less than 180 folders
faulty_server
ssh_replicas 1
proxy_start --delay 2
mkdir "$T/tree"/d{100..549} || fail "tree"
for ((i = 100; i < 550; i++)); do
	echo "$i" >"$T/tree/d$i/file"
done
cp -a "$T/tree/." "$T/replica1" && rm -r "$T/replica1"/d{300,500}/file \
	"$T/replica1"/d54* && mkdir "$T/replica1/d104/foreign" || fail "replica"
ln "$T/tree/d102/file" "$T/tree/d490/link"
check "mount" mount_tree

# went_on - prints where it did, each time
went_on() {
	sed -n 's|.*r1: going on behind /\(d[0-9]*\)$|\1|p' \
		"$T/state/mirrorfs.log"
}
# cut_off - for wait_for: where it was to be
cut_off() { [ ! -e "$CTL/cut" ]; }

echo "1 d300/file" >"$CTL/cut"
check "add" "$MIRRORFS" replica add "$T/tree" "r1=$PROXY_URL" --adopt \
	"${PROXY_LOGIN[@]}" -o durable=no
check "the connection is cut" wait_for 120 cut_off
kill -USR1 "$PROXY"
equal "$(status_get r1 progress.all_entries)" 902 "how much there is"
# what is looked at will be put right
echo planted >"$T/replica1/d101/file"
mv "$T/tree/d100" "$T/tree/d999" && mv "$T/tree/d549" "$T/tree/d000" &&
	echo late >"$T/tree/d103/late" || fail "changes"

sync=$(status_pid sync_pid)
echo "1 d500/file $sync" >"$CTL/cut"
kill -USR2 "$PROXY"
check "retry" "$MIRRORFS" retry "$T/tree"
check "cut once more" wait_for 120 cut_off
check "sync is killed" wait_for 60 process_gone "$sync"
[[ $(went_on | tail -n 1) > d104 ]] || fail "it did not go on: $(went_on)"
most=0
until n=$(status_get r1 progress.entries) && [ "$n" = null ]; do
	[ "${n:-0}" -le $most ] || most=$n
	sleep 0.02
done
say "most entries: $most"
[ $most -le 910 ] || fail "$most entries, of 902 and what came since"
check "wait" synced
say "behind:" $(went_on)
[[ $(went_on | tail -n 1) > d300 ]] || fail "another sync did not go on"
equal "$(status_get r1 progress)" null "nothing is under way"

equal "$(cat "$T/replica1/d101/file")" planted "what was done"
kill -ALRM "$PROXY" # no delay any more
"$MIRRORFS" reconcile "$T/tree" --wait >"$T/out" || fail "reconcile"
check "nothing else differed" grep -q "compared, 1 differed" "$T/out"
check "same" same "$T/replica1"
exit 0
