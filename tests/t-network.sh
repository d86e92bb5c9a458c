#!/bin/bash
# The network dies in the middle of a large upload: connections cut by a proxy
# and by killed sshd sessions, and a network that falls silent. The replica
# never shows a part, the users of the master do not notice, it ends equal.
. "$(dirname "$0")/functions.sh"
expect_log "lost|connection|cannot reach|silen|time|ended|refused|reset|closed"
expect_races

SIZE=$(scaled 100000000)
ssh_replicas 1
proxy_start --cut-after $((SIZE / 2))
check "mount" mount_tree "${REPLICAS[@]}"
echo small >"$T/tree/small"
check "wait" synced

# 1. cut half-way, once, by the proxy
"$HELPERS/blob" write "$T/tree/large" "$SEED" "$SIZE" || fail "write"
check "the proxy cut it" wait_for 60 grep -q cut "$T/proxy.out"
if [ -e "$T/replica1/large" ]; then
	"$HELPERS/blob" check "$T/replica1/large" || fail "a part is visible"
fi
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

# 3. the network is gone for a while, then back
kill -USR1 "$PROXY"
"$HELPERS/churn" --seed "$SEED" --ops 500 "$T/tree" || fail "churn"
check "it is told" wait_for 60 state_is r1 offline
kill -USR2 "$PROXY"
check "wait when it is back" synced
check "same" same "$T/replica1"
check "state" wait_for 60 state_is r1 synced
equal "$(status_get r1 error)" null "error"
check "left on the stage" wait_for 60 no_uploads "$T/replica1"
exit 0
