#!/bin/bash
# The journal's database is removed, or overwritten, while it is in use and
# while nothing is mounted: users go on, it is set aside and replaced, its
# replicas (also one that was added later) are known still, and all is equal
# in the end. Nobody helps.
. "$(dirname "$0")/functions.sh"
expect_log "journal|sync process ended|lost|malformed"
expect_races

aside() {
	ls "$T/state" | grep -c '^journal.db.damaged-[0-9TZ.]*$'
}
mended() {
	"$MIRRORFS" status "$T/tree" >"$T/status" 2>/dev/null &&
		grep -qx "journal: ok" "$T/status"
}
change() {
	"$HELPERS/churn" --seed $((SEED += 7)) --ops "$(scaled 500)" \
		--procs 2 "$T/tree" || fail "churn"
}
equal_trees() {
	check "wait $1" synced
	check "replica 1, $1" same "$T/replica1"
	check "replica 2, $1" same "$T/replica2"
}
# as if the disk had eaten all of it but the header
overwrite() {
	local size
	size=$(stat -c %s "$T/state/journal.db")
	dd if=/dev/urandom of="$T/state/journal.db" bs=4096 seek=1 \
		count=$((size / 4096 + 8)) conv=notrunc status=none
}

pipe_replicas 2
check "mount" mount_tree "${REPLICAS[@]:0:2}"
check "a second replica" "$MIRRORFS" replica add "$T/tree" \
	"r2=$T/replica2"
# a lost journal has all compared; churn removes as much as it makes
for r in r1 r2; do
	check "set" "$MIRRORFS" replica set "$T/tree" $r max-delete=100%
done
change
equal_trees "before"
uuid=$(sed -n 's/^uuid=//p' "$T/replica1/.mirrorfs/state")

# a replica that was tampered with at that time is still ours
rm "$T/state/journal.db" "$T/replica2/.mirrorfs/state"
change
check "it is there again" wait_for 60 mended
change
equal_trees "removed while mounted"
equal "$(aside)" 0 "there was nothing to set aside"

rm -f "$T/state/journal.db"*
echo "the last one" >"$T/tree/last"
check "umount without a journal" umount_tree
rm -f "$T/state/journal.db"* "$T/replica2/.mirrorfs/state"
"$MIRRORFS" status --state-dir "$T/state" >"$T/out" 2>"$T/err" &&
	fail "status says well"
check "and what to do" grep -q "mirrorfs mount $T/tree" "$T/err"
check "mount" mount_tree --replica "r2=$T/replica2" 2>"$T/err"
check "it says so" grep -q "was lost.*compared" "$T/err"
change
equal_trees "removed while not mounted"

check "umount" umount_tree
overwrite
check "mount" mount_tree 2>"$T/err"
check "it says so" grep -q "was damaged and is kept as journal.db" "$T/err"
equal "$(aside)" 1 "damaged ones that are kept"
check "status says so" wait_for 60 mended
check "and names it" grep -q "1 damaged journal was set aside" "$T/status"
change
equal_trees "damaged while not mounted"

overwrite
background "$HELPERS/churn" --seed "$SEED" --ops "$(scaled 1500)" "$T/tree"
set_aside() {
	[ "$(aside)" = "$1" ]
}
check "found at work" wait_for 60 set_aside 2
wait "$BG" || fail "churn while it is replaced"
check "whole again" wait_for 60 mended
equal_trees "damaged while mounted"
equal "$(sed -n 's/^uuid=//p' "$T/replica1/.mirrorfs/state")" "$uuid" "uuid"

# while somebody else writes to the damaged one it is not replaced; who must
# have a journal is refused as long
check "umount" umount_tree
check "mount, required" mount_tree --journal required
check "wait, required" synced
mkfifo "$T/held"
background flock -s "$T/state/journal.lock" cat "$T/held"
exec 7>"$T/held"
rm "$T/state/journal.db"
refused() {
	! touch "$T/tree/refused" 2>"$T/err"
}
check "changes are refused" wait_for 60 refused
check "why" grep -q "Input/output error" "$T/err"
said() {
	"$MIRRORFS" status "$T/tree" >"$T/status" 2>"$T/err"
	grep -q "journal: failing since.*set aside .*all changes are refused" \
		"$T/status"
}
check "status says what happens" wait_for 60 said
exec 7>&-
check "it is replaced then" wait_for 60 mended
check "and changes go on" touch "$T/tree/refused"
equal_trees "required"

check "umount" umount_tree
rm "$T/state/identity" "$T/state/journal.db"
refuse "a journal that nobody knows" mount_tree "${REPLICAS[@]}" 2>"$T/err"
check "why" grep -q "belongs to another journal" "$T/err"
refuse "it is mounted" mounted_at "$T/tree"
exit 0
