#!/bin/bash
# What users remove while a first copy is under way needs nobody's leave, though
# that copy has brought it itself.
. "$(dirname "$0")/functions.sh"
expect_log "refused"
faulty_server
ssh_replicas 1
mkdir "$T/tree/one"
for i in {1..150}; do
	echo "$i" >"$T/tree/one/$i"
done
echo "200 /one/77" >"$CTL/hold"
check "mount" mount_tree "${REPLICAS[@]}"
check "a file is under way" wait_for 60 held 1
mkdir -p "$T/replica1/one/77/in-the-way" || fail "mkdir"
mv "$T/tree/one" "$T/out" || fail "mv"
touch "$CTL/release"
check "wait" synced
check "same" same "$T/replica1"
check "umount" umount_tree

# but what strangers had in it is not theirs to remove
rm -r "$T/state" "$T/replica1/.mirrorfs" "$CTL"/*
mv "$T/out" "$T/tree/one"
mkdir "$T/replica1/one"
touch "$T/replica1/one/stranger"{1..150}
echo "11 /replica1" >"$CTL/hold"
check "mount" mount_tree "${REPLICAS[@]}" --adopt
check "its root is listed" wait_for 60 held 1
mv "$T/tree/one" "$T/out" || fail "mv"
touch "$CTL/release"
check "it asks" wait_for 60 state_is r1 refused
check "before all that" test -e "$T/replica1/one/stranger150"
exit 0
