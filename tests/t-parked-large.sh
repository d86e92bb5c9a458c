#!/bin/bash
# A large file that is refused its place on the replica is sent once: the tries that
# follow are renames. One that changes meanwhile is sent anew.
. "$(dirname "$0")/functions.sh"
need chattr
expect_log "parked|cannot"

MB=$((1 << 20))
lay_below ext4 "$T/replica1"
rmdir "$T/replica1/lost+found"
ssh_replicas 1
echo $((1 << 40)) >"$T/credit"
proxy_start --credit "$T/credit" --count "$T/count"
sent() { read -r n <"$T/count" && echo "$n"; }
since() { echo $((($(sent) - BEFORE) / MB)); }
check "mount" mount_tree "${REPLICAS[@]}"
mkdir "$T/tree/fixed" && echo x >"$T/tree/fixed/small" || fail "mkdir"
check "wait" synced
chattr +i "$T/replica1/fixed" || fail "chattr"

BEFORE=$(sent)
head -c $((16 * MB)) /dev/urandom >"$T/tree/fixed/large"
check "it is parked" wait_for 60 parked_as not-permitted fixed/large
for ((i = 0; i < 3; i++)); do
	check "retry" "$MIRRORFS" retry "$T/tree"
	echo $i >"$T/tree/beside"
	check "others go on" wait_for 60 cmp -s "$T/tree/beside" \
		"$T/replica1/beside"
done
sleep 1
say "sent: $(since) MiB"
[ "$(since)" -lt 20 ] || fail "it was sent more than once"

# another content, of the same size
head -c $((16 * MB)) /dev/urandom >"$T/tree/fixed/large"
check "retry" "$MIRRORFS" retry "$T/tree"
sleep 1
chattr -i "$T/replica1/fixed" || fail "chattr"
check "retry" "$MIRRORFS" retry "$T/tree"
check "it arrives" wait_for 120 cmp -s "$T/tree/fixed/large" \
	"$T/replica1/fixed/large"
check "wait" synced
check "same" same "$T/replica1"
say "sent: $(since) MiB"
[ "$(since)" -lt 36 ] || fail "it was sent again and again"
nothing_left() {
	[ -z "$(find "$T/replica1/.mirrorfs" -type f -size +1M)" ]
}
check "nothing is left in the stage" wait_for 60 nothing_left
exit 0
