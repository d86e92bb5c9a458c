#!/bin/bash
# A first copy that would delete much of what the replica has asks before it
# does: nothing is gone until then, and what is new is there already.
. "$(dirname "$0")/functions.sh"

mkdir "$T/replica2" "$T/replica3" "$T/replica1/old" "$T/tree/dir"
for ((i = 0; i < 150; i++)); do
	echo "$i" >"$T/replica1/old/$i"
	echo "$i" >"$T/tree/dir/$i"
done
mkdir "$T/replica1/swap" "$T/replica2/few"
echo x >"$T/replica1/swap/x"
echo x >"$T/replica2/few/x"
echo file >"$T/tree/swap"
check "mount" mount_tree
check "adopt the wrong folder" "$MIRRORFS" replica add "$T/tree" \
	"r1=$T/replica1" --adopt
check "adopt one with a little more" "$MIRRORFS" replica add "$T/tree" \
	"r2=$T/replica2" --adopt
check "it asks" wait_for 60 state_is r1 refused
status_get r1 error
check "and tells how many" grep -q "153 of the 153 entries.*/old" \
	<<<"$(status_get r1 error)"
check "and how to go on" grep -q "replica resume r1 --allow-delete" \
	<<<"$(status_get r1 error)"
equal "$(ls "$T/replica1/old" | wc -l)" 150 "all is there yet"
check "a folder in the way, too" test -e "$T/replica1/swap/x"
equal "$(ls "$T/replica1/dir" | wc -l)" 150 "and what is new"
check "one with a little more does not" "$MIRRORFS" wait "$T/tree" \
	--replica r2 --timeout 60
check "replica 2" same "$T/replica2"

# what was allowed for that many is not for more at a later mount
check "umount" umount_tree
check "allow it" "$MIRRORFS" replica resume --state-dir "$T/state" r1 \
	--allow-delete
mkdir "$T/away" && mv "$T/tree/"* "$T/away" || fail "mv"
check "mount without its disk" mount_tree
gone() { status_get r1 error | grep -q "which is empty"; }
check "it asks again" wait_for 60 gone
equal "$(ls "$T/replica1/dir" "$T/replica1/old" | grep -c .)" 302 "what is there"
check "umount" umount_tree
mv "$T/away/"* "$T/tree" || fail "mv"
check "mount with it" mount_tree
check "it asks once more" wait_for 60 state_is r1 refused
check "r2 is as before" "$MIRRORFS" wait "$T/tree" --replica r2 --timeout 60

echo late >"$T/tree/late"
check "allow it" "$MIRRORFS" replica resume "$T/tree" r1 --allow-delete
check "wait" synced
check "replica 1" same "$T/replica1"

# a share of one's own
for ((i = 0; i < 30; i++)); do
	mkdir -p "$T/replica3/a$i"
	touch "$T/replica3/a$i/"{1,2,3,4,5,6,7,8}
done
check "any share" "$MIRRORFS" replica add "$T/tree" "r3=$T/replica3" --adopt \
	-o max-delete=100%
check "wait" synced
check "replica 3" same "$T/replica3"

# what is excluded does not go, and so does not count
mkdir -p "$T/replica5/old/cache" && touch "$T/replica5/old/cache/"{1..300} ||
	fail "files"
check "excluded" "$MIRRORFS" replica add "$T/tree" "r5=$T/replica5" --adopt \
	-o exclude=cache/
check "wait" synced
check "compare" "$MIRRORFS" reconcile "$T/tree" --replica r5 --wait >"$T/out"
check "it did not ask" state_is r5 synced
equal "$(ls "$T/replica5/old/cache" | wc -l)" 300 "what is excluded"
# … but it may be in the way, and that is told
expect_log "parked /way"
mkdir -p "$T/replica6/way/cache" && touch "$T/replica6/way/cache/x" &&
	echo x >"$T/tree/way" || fail "files"
check "in the way" "$MIRRORFS" replica add "$T/tree" "r6=$T/replica6" --adopt \
	-o exclude=cache/
told_so() { [ "$(status_get r6 parked)" = 1 ]; }
check "it is parked" wait_for 60 told_so
rm "$T/tree/way"
check "wait" synced

# at the limits: it asks when it is more than 100 and more than 20 %, both
mkdir "$T/even"
(cd "$T/even" && touch {1..404}) || fail "files"
check "mount" mount_at "$T/even" "$T/state.even"
decided() { [[ "$(status_get "$1" state "$T/even")" = @(synced|refused) ]]; }
# asks STATE EXTRA COMMON - what becomes of a replica with so many entries that
# are not in the tree, and so many that are
asks() {
	local r=e$2-$3 left
	mkdir "$T/$r" && (cd "$T/$r" && eval "touch x{1..$2} {1..$3}") ||
		fail "files"
	check "add $r" "$MIRRORFS" replica add "$T/even" "$r=$T/$r" --adopt
	check "it is decided" wait_for 60 decided $r
	equal "$(status_get $r state "$T/even")" $1 "$2 of $(($2 + $3))"
	[ $1 = synced ] && left=0 || left=$2
	equal "$(ls "$T/$r" | grep -c x)" $left "what is left on $r"
}
asks synced 100 300
asks synced 101 404
asks refused 101 403
check "umount" umount_at "$T/even"

# a tree that was emptied while nothing was mounted, however little it was; a file
# system that was just made has a folder
mkdir "$T/small" "$T/replica4"
check "mount" mount_at "$T/small" "$T/state2" --replica "r4=$T/replica4"
empty() { status_get r4 error "$T/small" | grep -q "which is empty"; }
for new in "" "$T/small/lost+found"; do
	echo x >"$T/small/x"
	echo y >"$T/small/y"
	check "wait" "$MIRRORFS" wait "$T/small" --timeout 60
	check "umount" umount_at "$T/small"
	rm "$T/small/x" "$T/small/y"
	[ -z "$new" ] || mkdir -m 700 "$new" || fail "mkdir"
	check "mount" mount_at "$T/small" "$T/state2"
	check "it asks" wait_for 60 empty
	check "it is there yet" test -e "$T/replica4/x"
	check "allow it" "$MIRRORFS" replica resume "$T/small" r4 \
		--allow-delete
	check "wait" "$MIRRORFS" wait "$T/small" --timeout 60
	refuse "it is gone" test -e "$T/replica4/x"
done

# a folder that was emptied while nothing was mounted
check "umount" umount_tree
rm -r "$T/tree/dir"
check "mount" mount_tree
check "it asks for r1" wait_for 60 state_is r1 refused
equal "$(ls "$T/replica1/dir" | wc -l)" 150 "what was in it"
exit 0
