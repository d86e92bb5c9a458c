#!/bin/bash
# A replica is put back from a copy that was made when it had all records, but for
# a path that was parked, and that has arrived since; or for one that was still to
# be done over: it is recognised.
. "$(dirname "$0")/functions.sh"
need jq
expect_log "parked|permission|failure|refused|ended"

parked() { [ "$(status_get r1 parked)" = "$1" ]; }
told() { grep -q "comparing everything: $1" "$T/state/mirrorfs.log"; }

pipe_replicas 1
mkdir "$T/tree/dir"
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced
chattr +i "$T/replica1/dir" 2>/dev/null || skip "no chattr here"
echo content >"$T/tree/dir/file"
check "it is parked" wait_for 60 parked 1
check "pause" "$MIRRORFS" replica pause "$T/tree" r1
cp -a "$T/replica1" "$T/copy"
chattr -i "$T/replica1/dir"
check "resume" "$MIRRORFS" replica resume "$T/tree" r1
check "retry" "$MIRRORFS" retry "$T/tree"
check "wait" synced
equal "$(cat "$T/replica1/dir/file")" content "it has arrived"
# not when it is as it was
check "pause" "$MIRRORFS" replica pause "$T/tree" r1
check "resume" "$MIRRORFS" replica resume "$T/tree" r1
check "wait" synced
refuse "it is told" told "it is older"

check "pause" "$MIRRORFS" replica pause "$T/tree" r1
rm -rf "$T/replica1"
cp -a "$T/copy" "$T/replica1"
touch "$T/tree/next" # to wait for: the log tells before the journal does
check "resume" "$MIRRORFS" replica resume "$T/tree" r1
check "it is told" wait_for 60 told "it is older"
check "wait" synced
check "same" same "$T/replica1"
check "umount" umount_tree

# its number was there already when a file was refused, and the copy was made
rm -r "$T/state" "$T/replica1" "$T/copy"
mkdir "$T/replica1"
faulty_server
ssh_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced
check "pause" "$MIRRORFS" replica pause "$T/tree" r1
for i in a b c; do
	echo $i >"$T/tree/dir/$i"
done
echo "dir/b 1" >"$CTL/refuse"
echo "7 dir/b" >"$CTL/hold" # an lstat
check "resume" "$MIRRORFS" replica resume "$T/tree" r1
check "it is looked at again" wait_for 60 held 1
check "the number is there" wait_for 60 grep -q "^seq=$("$MIRRORFS" log \
	"$T/tree" --op write --json --limit 1 | jq .seq)\$" \
	"$T/replica1/.mirrorfs/state"
refuse "it is there" test -e "$T/replica1/dir/b"
cp -a "$T/replica1" "$T/copy"
rm "$CTL/hold"
touch "$CTL/release"
check "wait" synced
check "same" same "$T/replica1"
check "pause" "$MIRRORFS" replica pause "$T/tree" r1
rm -r "$T/replica1"
cp -a "$T/copy" "$T/replica1"
touch "$T/tree/last"
check "resume" "$MIRRORFS" replica resume "$T/tree" r1
check "it is told" wait_for 60 told "it is older"
check "wait" synced
check "same" same "$T/replica1"
exit 0
