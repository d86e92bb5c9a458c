#!/bin/bash
# The first copy of a tree with everything in it, by pipe and by sshd, also
# into a folder that is adopted; what is extra there is removed.
. "$(dirname "$0")/functions.sh"

"$HELPERS/churn" --seed "$SEED" --ops 6000 "$T/tree" || fail "churn"
cp -a /usr/include/linux "$T/tree/many" 2>/dev/null
mkdir -p "$T/tree/deep/$(printf 'd%.0s/' {1..60})"
echo x >"$T/tree/$(printf 'n%.0s' {1..255})"
printf x >"$T/tree/$(printf 'odd \001\377\n"%%')"
ln -s /nowhere "$T/tree/dangling"
mkfifo "$T/tree/fifo"
truncate -s 20M "$T/tree/sparse"
mkdir -m 0 "$T/tree/closed"
touch -d '1999-12-31' "$T/tree/many" "$T/tree"

ssh_replicas 1
mkdir -p "$T/replica2/extra/below" "$T/replica2/many/linux"
mkdir "$T/replica3"
echo extra >"$T/replica2/extra/below/file"
echo wrong >"$T/replica2/many/linux/fuse.h"
mkdir "$T/replica2/dangling"
ln -s / "$T/replica2/deep"
refuse "not empty" mount_tree --replica "r2=$T/replica2" 2>/dev/null
check "mount" mount_tree "${REPLICAS[@]}" --replica "r3=$T/replica3"
check "adopt" "$MIRRORFS" replica add "$T/tree" "r2=$T/replica2" --adopt
check "wait" synced
for i in 1 2 3; do
	check "replica $i" same "$T/replica$i"
done
blocks=$(stat -c %b "$T/replica1/sparse")
check "sparse stays sparse ($blocks)" test "$blocks" -lt 1000
check "the target of a link is untouched" test -d /usr
check "the stage is empty" wait_for 60 empty_stage "$T/replica1"
equal "$(stat -c %a "$T/replica1/.mirrorfs")" 700 "mode of the stage"

# somebody meddled with a replica: what is changed again there is put right
rm -rf "$T/replica1/many" "$T/replica3/deep"
echo again >"$T/tree/many/linux/new-file" 2>/dev/null ||
	echo again >"$T/tree/many/new-file"
mv "$T/tree/deep" "$T/tree/deeper"
check "wait" synced
check "the folder is back" same "$T/replica1"
check "renamed all the same" same "$T/replica3"
check "replica 2" same "$T/replica2"
exit 0
