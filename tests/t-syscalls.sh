#!/bin/bash
# System calls fail on purpose (tests/sysfault.c): those of the journal, each in
# its turn, and those of the tree below. Users of the mount see the errors of
# the tree and no others; in the end the replica is equal without help. SOAK:
# many more turns.
. "$(dirname "$0")/functions.sh"
[ -z "$SANITIZED" ] || skip "cannot be preloaded into a sanitized program"
expect_log "reading the list of replicas|journal|lost|ended|connection|open|activity log|fs worker died"
expect_races

PLAN=$T/plan
hits() {
	cat "$PLAN.hits" 2>/dev/null || echo 0
}
took_place() { [ "$(hits)" -gt 0 ]; }
journal_written() {
	took_place || cmp -s "$T/tree/was$turn/file" \
		"$T/replica1/was$turn/file"
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
mkdir "$T/tree/cold"
echo old >"$T/tree/cold/file"
plan
pipe_replicas 1
export FAULTS=$PLAN
LD_PRELOAD=$HELPERS/sysfault.so mount_tree "${REPLICAS[@]}" || fail "mount"
echo one >"$T/tree/one"
settled "before"

# ---- the journal ----
JOURNAL_FAULTS=("pwrite 28" "pwrite short")
[ -z "${SOAK:-}" ] || JOURNAL_FAULTS+=("pwrite 5" "fsync 5" "ftruncate 28"
	"open 13" "unlink 30" "any 5")
total=0
for turn in $(seq 1 "${SOAK:-1}"); do
	for fault in "${JOURNAL_FAULTS[@]}"; do
		set -- $fault
		plan "$1" $turn 2 "$2" /state/journal.db
		"$HELPERS/churn" --seed $((SEED += 1)) --ops 150 --procs 2 \
			"$T/tree" >"$T/churn.out" ||
			{ cat "$T/churn.out"; fail "users see $fault"; }
		[ $turn != 1 ] || [ "$1" != pwrite ] ||
			check "$fault took place" wait_for 60 took_place
		total=$((total + $(hits)))
		settled "$fault, turn $turn"
	done
done
say "$total calls of the journal failed"

# those of the sync process: how far a replica is, what is parked, and so on
first=$((1 + RANDOM % 12)) last=30 step=12
[ -z "${SOAK:-}" ] || first=1 step=1
for ((turn = first; turn <= last; turn += step)); do
	plan any $turn 1 5 /state/journal.db sync
	mkdir "$T/tree/turn$turn" && echo "$turn" >"$T/tree/turn$turn/file" &&
		mv "$T/tree/turn$turn" "$T/tree/was$turn" ||
		fail "users see that sync fails"
	wait_for 5 journal_written # or it makes fewer calls
	settled "sync, turn $turn"
done

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
# names that are changed, and then there is an error; what was open by the old ones is
# written to before anybody has asked for the new ones
names=$T/tree/names
mkdir -p "$names/dir" "$names/empty" && echo inside >"$names/dir/file" &&
	echo new >"$names/old" && echo over >"$names/over" &&
	echo gone >"$names/gone" && ln "$names/gone" "$names/stays" ||
	fail "names"
exec 5>>"$names/old" 6>>"$names/gone" 7>>"$names/dir/file"
settled "names"
in_doubt() { # CALL ERRNO NAME COMMAND...
	plan "$1" 1 1 "+$2" "/names/$3"
	refuse "an error of $1 is told, $3" "${@:4}" 2>"$T/err"
	check "$1 took place, $3" took_place
	plan
}
in_doubt rename 5 over mv "$names/old" "$names/over"
in_doubt rename 74 moved mv "$names/dir" "$names/moved"
in_doubt unlink 117 gone rm -f "$names/gone"
in_doubt unlink 5 empty rmdir "$names/empty"
check "wait: names in doubt" synced
echo more >&5
echo more >&6
echo more >&7
exec 5>&- 6>&- 7>&-
settled "names in doubt"
equal "$(cat "$names/over")" "new
more" "by its new name"

# a write that is on its way, while others come and go: what they read then
# are the old bytes, and afterwards the new ones
printf '%03165d' 0 >"$T/tree/way"
{ cat "$T/tree/way" && printf '%0900d' 1; } >"$T/want"
exec 5<>"$T/tree/way"
cat <&5 >"$T/out"
plan pwrite 1 1 wait /tree/way
printf '%0900d' 1 >&5 &
check "a write is on its way" wait_for 60 took_place
: >>"$T/tree/way"
head -c 100 "$T/tree/way" >"$T/out"
plan
wait $! || fail "the write"
cmp "$T/want" "$T/tree/way" || fail "old bytes are read"
exec 5>&-
settled "a write on its way"
# … and somebody stores into the same page
printf '%05000d' 0 >"$T/tree/mapped"
mkfifo "$T/fifo"
"$HELPERS/mapper" "$T/tree/mapped" <"$T/fifo" >"$T/mapper.out" &
MAPPER=$!
exec 6>"$T/fifo"
check "it is mapped" wait_for 60 grep -q mapped "$T/mapper.out"
plan pwrite 1 1 wait /tree/mapped
printf '%0900d' 1 | dd of="$T/tree/mapped" bs=1k conv=notrunc status=none &
check "a write is on its way" wait_for 60 took_place
echo 3000 >&6
# (where it is a page that the write has, the store comes behind it)
stored() { grep -q stored "$T/mapper.out"; }
wait_for 2 stored
plan
wait $! || fail "the write"
check "it is stored" wait_for 60 stored
exec 6>&-
wait $MAPPER || fail "mapper"
printf '%0900d%02100dX%01999d' 1 0 0 >"$T/want"
cmp "$T/want" "$T/tree/mapped" || fail "a write is lost"
settled "a write and a store"

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

# ---- the journal's disk is read-only until all has ended ----
# What is changed then is told by no record and no mark. Size and time of the
# file are as before.
was=$(stat -c %y "$T/tree/cold/file")
plan any 1 1000000 30 "/state/journal.db|/state/activity"
printf new | dd of="$T/tree/cold/file" conv=notrunc status=none ||
	fail "a write while the journal is read-only"
touch -d "$was" "$T/tree/cold/file"
failing() {
	"$MIRRORFS" status "$T/tree" >"$T/status" 2>/dev/null
	grep -q "journal: failing since 2.*Read-only.*make .* writable again" \
		"$T/status"
}
check "status says so" wait_for 60 failing
check "and the log" wait_for 60 grep -q \
	" error .*the activity log cannot be written" "$T/state/mirrorfs.log"
worker=$(status_pid worker_pid)
kill -9 "$worker"
echo again >"$T/tree/cold/again" || fail "with another worker"
check "umount" umount_tree
plan
LD_PRELOAD=$HELPERS/sysfault.so mount_tree "${REPLICAS[@]}" || fail "mount"
settled "the journal was read-only"
check "all was compared" wait_for 60 grep -q "everything is compared" \
	"$T/state/mirrorfs.log"
exit 0
