#!/bin/bash
# The network dies: connections are cut by a proxy at bytes drawn from the seed, in
# the login, in what is asked of the server first and in a large upload, and by
# killed sshd sessions; it falls silent, and it is gone. The replica never shows a
# part, the users of the master do not notice, it ends equal, and who waits for a
# network that is gone tries more and more seldom.
. "$(dirname "$0")/functions.sh"
expect_log "lost|connection|cannot reach|silen|time|ended|refused|reset|closed"
expect_races

SIZE=$(scaled 100000000)
# the first one half-way through the upload, then of each connection somewhere
RANDOM=$SEED
CUTS=($((SIZE / 2)))
for most in 3000 SIZE/16 12000 SIZE/16 40000 1000 SIZE/16; do
	CUTS+=($((1 + (RANDOM * 32768 + RANDOM) % (most))))
done
say "cut after ${CUTS[*]}"

ssh_replicas 1
proxy_start "${CUTS[@]/#/--cut-after=}"
check "mount" mount_tree "${REPLICAS[@]}"
echo small >"$T/tree/small"
check "wait" synced

# 1. cut by the proxy
"$HELPERS/blob" write "$T/tree/large" "$SEED" "$SIZE" || fail "write"
all_cut() {
	if [ -e "$T/replica1/large" ]; then
		"$HELPERS/blob" check "$T/replica1/large" ||
			fail "a part is visible"
	fi
	[ "$(grep -c cut "$T/proxy.out")" = ${#CUTS[@]} ]
}
check "the proxy cut it" wait_for 120 all_cut
echo meanwhile >"$T/tree/small" || fail "the master must not notice"
check "wait after the cut" synced
"$HELPERS/blob" check "$T/replica1/large" || fail "after the cut"
check "same" same "$T/replica1"

# 2. the sessions of sshd die, while an old version is replaced
cp "$T/replica1/large" "$T/old"
"$HELPERS/blob" write "$T/tree/large" $((SEED + 1)) "$SIZE" || fail "write"
for i in 1 2 3; do
	sleep 0.3 # somewhere in the middle
	sshd_cut
	"$HELPERS/blob" check "$T/replica1/large" || fail "a mixture is visible"
done
check "wait after the kills" synced
cmp "$T/tree/large" "$T/replica1/large" || fail "after the kills"
refuse "still the old one" cmp -s "$T/old" "$T/replica1/large"

# 3. the network is silent
kill -HUP "$PROXY"
"$HELPERS/churn" --seed "$SEED" --ops 500 "$T/tree" || fail "churn"
# (one that was being made when its session was killed tells that at first)
silent() {
	state_is r1 offline && grep -Eq "answer|time" <<<"$(status_get r1 error)"
}
check "silence is told, and why" wait_for 120 silent

# 4. and gone for a while: each pause is twice as long as the one before, the first
# one 0.375 s at the least, so there are no more tries than this
kill -USR1 "$PROXY"
start=$EPOCHREALTIME
sleep 5
tries=$(grep -c refused "$T/proxy.out")
most=$(awk -v a="$start" -v b="$EPOCHREALTIME" \
	'BEGIN { print 2 + int(log((b - a) / 0.375 + 1) / log(2)) }')
check "$tries tries, $most are enough" test "$tries" -le "$most"
check "it is told" wait_for 60 state_is r1 offline
kill -USR2 "$PROXY"
check "wait when it is back" synced
check "same" same "$T/replica1"
check "state" wait_for 60 state_is r1 synced
equal "$(status_get r1 error)" null "error"
check "left on the stage" wait_for 60 no_uploads "$T/replica1"
exit 0
