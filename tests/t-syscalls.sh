#!/bin/bash
# System calls fail on purpose (tests/sysfault.c): those of the journal, each in
# its turn, and those of the tree below. Users of the mount see the errors of
# the tree and no others; in the end the replica is equal without help. SOAK:
# many more turns.
. "$(dirname "$0")/functions.sh"
[ -z "$SANITIZED" ] || skip "cannot be preloaded into a sanitized program"
expect_log "journal|lost|ended|connection|open"

PLAN=$T/plan
# plan CALL NTH COUNT ERRNO PATTERN, or nothing
plan() {
	rm -f "$PLAN.hits"
	echo "$*" >"$PLAN.new" && mv "$PLAN.new" "$PLAN"
}
hits() {
	cat "$PLAN.hits" 2>/dev/null || echo 0
}
settled() {
	plan
	check "the journal works again: $1" wait_for 60 journal_works
	check "wait: $1" synced
	check "equal: $1" same "$T/replica1"
}

mkdir "$T/lower"
lower_mount ext4 "$T/tree" "$T/image0" 48M || skip "no ext4 can be mounted here"
LOWERS+=("$T/tree")
rmdir "$T/tree/lost+found"
plan
pipe_replicas 1
export FAULTS=$PLAN
LD_PRELOAD=$HELPERS/sysfault.so mount_tree "${REPLICAS[@]}" || fail "mount"
echo one >"$T/tree/one"
settled "before"

# ---- the journal ----
JOURNAL_FAULTS=("pwrite 28" "pwrite short")
[ -z "${SOAK:-}" ] || JOURNAL_FAULTS+=("pwrite 5" "fsync 5" "ftruncate 28"
	"open 13" "any 5")
total=0
for turn in $(seq 1 "${SOAK:-1}"); do
	for fault in "${JOURNAL_FAULTS[@]}"; do
		set -- $fault
		plan "$1" $turn 2 "$2" /state/journal.db
		"$HELPERS/churn" --seed $((SEED += 1)) --ops 150 --procs 2 \
			"$T/tree" >"$T/churn.out" ||
			{ cat "$T/churn.out"; fail "users see $fault"; }
		total=$((total + $(hits)))
		[ $turn != 1 ] || [ "$1" != pwrite ] ||
			check "$fault took place" test "$(hits)" -gt 0
		settled "$fault, turn $turn"
	done
done
say "$total calls of the journal failed"

# ---- the tree ----
plan pwrite 3 1 5 /tree/eio
refuse "EIO is told" dd if=/dev/zero of="$T/tree/eio" bs=64k count=8 2>"$T/err"
check "as it is" grep -q "Input/output" "$T/err"
equal "$(stat -c %s "$T/tree/eio")" $((2 * 65536)) "what was written before"
settled "a write with EIO"
plan pwrite 2 3 short /tree/short
dd if=/dev/urandom of="$T/tree/short" bs=64k count=8 2>"$T/err" ||
	fail "a short write"
settled "short writes"
plan pwrite 2 1 122 /tree/quota
refuse "EDQUOT is told" dd if=/dev/zero of="$T/tree/quota" bs=64k count=8 \
	2>"$T/err"
check "as it is" grep -q "quota" "$T/err"
settled "a quota"
echo content >"$T/tree/grown"
plan ftruncate 1 1 28 /tree/grown
refuse "ENOSPC is told" fallocate -l 1M "$T/tree/grown" 2>"$T/err"
equal "$(cat "$T/tree/grown")" content "nothing happened"
settled "an allocation that fails"
plan fsync 1 1 5 /tree/synced
refuse "an fsync that fails" dd if=/dev/zero of="$T/tree/synced" count=1 \
	conv=fsync 2>"$T/err"
settled "an fsync that fails"

# a disk that is really full, with names, contents and attributes
for ((i = 0; i < 60; i++)); do
	dd if=/dev/zero of="$T/tree/fill$i" bs=1M count=1 2>>"$T/full" || break
done
check "it is full" grep -q "No space" "$T/full"
for ((i = 0; i < 40; i++)); do
	mkdir "$T/tree/dir$i" && echo "$i" >"$T/tree/dir$i/file" &&
		mv "$T/tree/dir$i/file" "$T/tree/dir$i/renamed"
	cp "$T/tree/one" "$T/tree/copy$i"
	ln "$T/tree/one" "$T/tree/link$i"
	fallocate -o 0 -l 4M "$T/tree/copy$i"
done >"$T/out" 2>&1
settled "the disk is full"
rm "$T/tree"/fill*
echo "there is room" >"$T/tree/after"
settled "there is room again"
exit 0
