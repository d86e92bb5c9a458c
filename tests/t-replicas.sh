#!/bin/bash
# replica add, list, pause, resume, remove on the living mount, while users go
# on writing: an added one gets its first copy and all that happens meanwhile.
. "$(dirname "$0")/functions.sh"
expect_races
pipe_replicas 3
mkdir "$T/tree/seed"
cp -a /usr/include/linux "$T/tree/seed/" 2>/dev/null
"$HELPERS/churn" --seed "$SEED" --ops 2000 "$T/tree" || fail "churn"
check "mount" mount_tree
equal "$("$MIRRORFS" status "$T/tree" --json | jq '.replicas | length')" 0 \
	"no replicas yet"

background "$HELPERS/churn" --seed $((SEED + 1)) --ops "$(scaled 30000)" \
	--procs 3 "$T/tree"
writers=$BG
check "add r1" "$MIRRORFS" replica add "$T/tree" "r1=$T/replica1"
check "add r2" "$MIRRORFS" replica add "$T/tree" "r2=$T/replica2"
refuse "a name twice" "$MIRRORFS" replica add "$T/tree" "r2=$T/replica3" \
	2>/dev/null
refuse "a folder twice" "$MIRRORFS" replica add "$T/tree" "x=$T/replica1" \
	2>/dev/null
refuse "a folder in the tree" "$MIRRORFS" replica add "$T/tree" \
	"x=$T/tree/seed" 2>/dev/null
"$MIRRORFS" replica list "$T/tree" >"$T/out" || fail "list"
check "both are listed" test "$(grep -c "$T/replica" "$T/out")" = 2
equal "$("$MIRRORFS" replica list "$T/tree" --json | jq -r '[.. | .name?
	| strings | select(startswith("r"))] | sort | join(" ")')" "r1 r2" \
	"list --json"
check "pause r1" "$MIRRORFS" replica pause "$T/tree" r1
check "add r3" "$MIRRORFS" replica add "$T/tree" "r3=$T/replica3"
wait "$writers" || fail "churn"

echo late >"$T/tree/late"
check "r2 goes on" "$MIRRORFS" wait "$T/tree" --replica r2 --timeout 100
check "r3 goes on" "$MIRRORFS" wait "$T/tree" --replica r3 --timeout 100
refuse "r1 is paused" test -e "$T/replica1/late"
check "replica 2" same "$T/replica2"
check "replica 3" same "$T/replica3"
check "resume r1" "$MIRRORFS" replica resume "$T/tree" r1
check "wait" synced
check "replica 1" same "$T/replica1"

check "remove r3" "$MIRRORFS" replica remove "$T/tree" r3
refuse "remove it twice" "$MIRRORFS" replica remove "$T/tree" r3 2>/dev/null
refuse "pause what is not there" "$MIRRORFS" replica pause "$T/tree" r3 \
	2>/dev/null
echo after >"$T/tree/after"
check "wait" synced
check "r1 has it" test -e "$T/replica1/after"
refuse "r3 has it" test -e "$T/replica3/after"
check "its files stay" test -e "$T/replica3/late"

# what was added stays after a restart; a removed one can come back
check "umount" umount_tree
mkdir "$T/replica4"
"$MIRRORFS" replica add --state-dir "$T/state" "r4=$T/replica4" --wait \
	2>"$T/err"
equal $? 1 "wait for one that nobody copies"
check "why" grep -q "is not mounted: noted, and copied after" "$T/err"
check "mount" mount_tree
check "it was noted" "$MIRRORFS" wait "$T/tree" --replica r4 --timeout 100
check "replica 4" same "$T/replica4"
check "remove r4" "$MIRRORFS" replica remove "$T/tree" r4
rm -rf "$T/tree/seed"
equal "$("$MIRRORFS" status "$T/tree" --json | jq '.replicas | length')" 2 \
	"replicas after a restart"
check "add r3 again" "$MIRRORFS" replica add "$T/tree" "r3=$T/replica3" \
	--adopt -o max-delete=100% --wait
check "wait" synced
for i in 1 2 3; do
	check "replica $i" same "$T/replica$i"
done
exit 0
