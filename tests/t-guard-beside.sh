#!/bin/bash
# What users remove while a first copy is under way needs nobody's leave, though
# that copy has brought it itself.
. "$(dirname "$0")/functions.sh"
faulty_server
ssh_replicas 1
mkdir "$T/tree/one"
for i in {1..150}; do
	echo "$i" >"$T/tree/one/$i"
done
echo "200 /one/77" >"$CTL/hold"
check "mount" mount_tree "${REPLICAS[@]}"
check "a file is under way" wait_for 30 held 1
mkdir -p "$T/replica1/one/77/in-the-way" || fail "mkdir"
mv "$T/tree/one" "$T/out" || fail "mv"
touch "$CTL/release"
check "wait" synced
check "same" same "$T/replica1"
exit 0
