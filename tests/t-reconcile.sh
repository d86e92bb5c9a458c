#!/bin/bash
# mirrorfs reconcile: a file, a folder or all of it is compared on demand and
# made equal; contents that differ although size and time do not are found with
# --checksum alone; much is deleted only when that is said.
. "$(dirname "$0")/functions.sh"
expect_log "parked"
trap 'r=$?; chattr -i "$T/replica1/other/6" 2>/dev/null; end_test $r' EXIT

# reconcile [ARGUMENT...] - its lines are in $T/out
reconcile() {
	timeout 120 "$MIRRORFS" reconcile "$@" --wait >"$T/out" 2>"$T/err" ||
		{ cat "$T/out" "$T/err"; return 1; }
}

# differed REPLICA - how many entries
differed() {
	sed -n "s/^$1: [0-9]* entr.* compared, \([0-9]*\) differed$/\1/p" \
		"$T/out"
}

# tamper FILE - other content, of the same size and time
tamper() {
	touch -r "$1" "$T/time"
	tr 'a-y' 'b-z' <"$1" >"$T/tampered"
	cat "$T/tampered" >"$1"
	touch -r "$T/time" "$1"
}

mkdir -p "$T/tree/dir/sub" "$T/tree/other"
for i in 1 2 3 4 5 6 7 8 9; do
	echo "content $i" >"$T/tree/dir/sub/$i"
	echo "content $i" >"$T/tree/other/$i"
done
ln "$T/tree/dir/sub/1" "$T/tree/dir/link"
ln -s sub "$T/tree/dir/symlink" && ln -P "$T/tree/dir/symlink" "$T/tree/dir/twin"
: >"$T/tree/dir/empty"
"$HELPERS/blob" write "$T/tree/dir/large" "$SEED" 3000000 || fail "write"
pipe_replicas 2
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced
check "nothing differs" reconcile "$T/tree" --checksum
equal "$(differed r1) $(differed r2)" "0 0" "all of it"
check "nothing differs" reconcile "$T/tree/dir"
equal "$(differed r1) $(differed r2)" "0 0" "a folder"

# what size, time and attributes tell
rm "$T/replica1/dir/sub/2"
chmod 600 "$T/replica1/dir/sub/3"
echo more >>"$T/replica1/dir/sub/4"
mkdir "$T/replica1/dir/extra"
echo x >"$T/replica1/dir/extra/x"
echo more >>"$T/replica1/other/1"
check "the link itself" reconcile "$T/tree/dir/symlink" --replica r1
equal "$(differed r1)" 0 "the link"
rm "$T/replica1/dir/sub/5"
check "through a link" reconcile "$T/tree/dir/symlink/5" --replica r1
equal "$(differed r1)" 1 "through the link"
check "a folder" reconcile "$T/tree/dir" --replica r1
equal "$(differed r1)" 5 "what differed"
check "nothing of the other one" test -z "$(differed r2)"
check "the log tells" wait_for 60 grep -q "r1: differs: /dir/sub/4" \
	"$T/state/mirrorfs.log"
check "and counts" wait_for 60 grep -q "r1: compared /dir: .* differed=5" \
	"$T/state/mirrorfs.log"
refuse "beside it nothing was done" same "$T/replica1" >/dev/null
check "one file" reconcile "$T/tree/other/1"
equal "$(cat "$T/out")" "r1: 1 entry compared, 1 differed
r2: 1 entry compared, 0 differed" "one file"
check "replica 1" same "$T/replica1"

# contents
tamper "$T/replica1/dir/sub/5"
tamper "$T/replica1/dir/large"
tamper "$T/replica2/other/5"
check "by size and time" reconcile "$T/tree"
equal "$(differed r1) $(differed r2)" "0 0" "by size and time"
check "a folder by content" reconcile "$T/tree/dir" --checksum
equal "$(differed r1) $(differed r2)" "2 0" "a folder by content"
check "replica 1" same "$T/replica1"
check "all by content" reconcile "$T/tree" --checksum
equal "$(differed r1) $(differed r2)" "0 1" "all by content"
check "replica 2" same "$T/replica2"
tamper "$T/replica1/dir/sub/1"
check "a file by content" reconcile "$T/tree/dir/sub/1" --checksum
check "replica 1" same "$T/replica1"

# what fails is told, of all of it as of a part
if chattr +i "$T/replica1/other/6" 2>/dev/null; then
	echo more >>"$T/tree/other/6"
	check "it is parked" wait_for 60 parked_as not-permitted other/6
	refuse "a part" reconcile "$T/tree/other" >/dev/null
	refuse "all of it" reconcile "$T/tree" >/dev/null
	check "and why" grep -q "r1: some of it is held back" "$T/err"
	chattr -i "$T/replica1/other/6"
	check "retry" "$MIRRORFS" retry "$T/tree"
	check "wait" synced
fi

# much that would be deleted
mkdir "$T/replica1/dir/old"
for ((i = 0; i < 150; i++)); do
	echo "$i" >"$T/replica1/dir/old/$i"
done
refuse "it asks" reconcile "$T/tree/dir" >/dev/null
check "and tells" grep -q "r1: 151 of the 1.. entries.*/dir/old" "$T/err"
equal "$(ls "$T/replica1/dir/old" | wc -l)" 150 "all is there yet"
refuse "of all of it, too" reconcile "$T/tree" >/dev/null
check "the replica waits" grep -q "r1: 151 of the 1.. entries" "$T/err"
check "allowed" reconcile "$T/tree" --allow-delete
check "replica 1" same "$T/replica1"
echo on >"$T/tree/on"
check "wait" synced
check "it is replayed again" same "$T/replica1"

# what cannot be
refuse "no such replica" reconcile "$T/tree" --replica r3 >/dev/null
check "named" grep -q 'no replica "r3"' "$T/err"
refuse "ours" reconcile "$T/tree/.mirrorfs" >/dev/null
refuse "outside" reconcile "$T/tree" "$T/other" >/dev/null
check "umount" umount_tree
refuse "not mounted" reconcile --state-dir "$T/state" >/dev/null
check "told" grep -q "is not mounted" "$T/err"
exit 0
