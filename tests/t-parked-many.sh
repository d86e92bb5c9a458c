#!/bin/bash
# A folder on the replica takes nothing, and very many files are for it: what is
# changed elsewhere does not wait until each of them was tried again and again, and
# the tries take a small part of the time. FILES: how many.
. "$(dirname "$0")/functions.sh"
expect_log "parked"
FILES=${FILES:-200}

ssh_replicas 1
proxy_start --delay 3
mkdir "$T/tree/sub" "$T/tree/other"
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced
check "pause" "$MIRRORFS" replica pause "$T/tree" r1
mount -t tmpfs none "$T/replica1/sub" || fail "mount"
LOWERS+=("$T/replica1/sub")
"$HELPERS/benchtool" files "$T/tree/sub" 1 $FILES 10 || fail "files"
echo x >"$T/tree/other/file"
check "resume" "$MIRRORFS" replica resume "$T/tree" r1
check "another path" "$MIRRORFS" wait "$T/tree" "$T/tree/other" --timeout 120
left=$("$MIRRORFS" status "$T/tree" --parked --json |
	jq '[.[] | select(.cause == "waiting")] | length')
check "none of $FILES is still to be tried ($left)" test "$left" -gt 0
check "it is there" test -s "$T/replica1/other/file"

# all are tried, and tell the cause; while others go on
kill -ALRM "$PROXY" # no delay any more
has_cause() {
	"$MIRRORFS" status "$T/tree" --parked --json |
		jq -e "length == $FILES and
			all(.[]; .cause == \"other-filesystem\")" >/dev/null
}
check "the cause of all" wait_for 60 has_cause

# all are due again soon; no more than a twentieth of the time is for tries, also
# while each change wakes who tries: nine trips on the line make one (here counted
# as 20 ms)
kill -ALRM "$PROXY" # as slow as before
tries() {
	"$MIRRORFS" status "$T/tree" --parked --json | jq '[.[].tries] | add'
}
before=$(tries) start=$EPOCHREALTIME
for i in {1..40}; do
	echo "$i" >"$T/tree/other/file"
	sleep 0.1
done
n=$(($(tries) - before))
most=$(awk -v a="$start" -v b="$EPOCHREALTIME" \
	'BEGIN { print 6 + int((b - a) * 1000 / 21 / 20) }')
check "$n tries, $most are enough" test $n -le "$most"
kill -ALRM "$PROXY"
check "out of the way" take_below "$T/replica1/sub"
check "retry" "$MIRRORFS" retry "$T/tree" >"$T/out"
check "wait" synced
check "replica" same "$T/replica1"
check "the stage is empty" wait_for 60 empty_stage "$T/replica1"
exit 0
