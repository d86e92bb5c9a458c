#!/bin/bash
# What changes in a large file, of which only that travels, when the call is not
# as plain as others: the worker dies when it has cut the file and not said so; a
# write fails, and has written (who looks at the file then sees what is there); a
# worker dies when it has appended.
. "$(dirname "$0")/functions.sh"
expect_log "fs worker died"

pipe_replicas 1
check "mount" mount_with_faults "${REPLICAS[@]}"
FILE=$T/tree/file
fresh() {
	rm -f "$FILE"
	head -c 3000000 /dev/zero | tr '\0' "$1" >"$FILE" || fail "file"
	check "wait" synced
}
# put AT TEXT
put() {
	printf '%s' "$2" | dd of="$FILE" bs=1 seek="$1" conv=notrunc \
		status=none
}

# cut, by a worker that dies, and written behind the end before that has been sent;
# meanwhile nobody has opened it, or somebody has, of whom the next worker knows
cut_by_dead() { # WHO
	local pid cutter
	fresh a
	check "pause" "$MIRRORFS" replica pause "$T/tree" r1
	pid=$(status_pid worker_pid)
	plan ftruncate 1 1 then /tree/file
	# by its name, not by a descriptor: nobody has it open
	perl -e 'truncate $ARGV[0], 1000001 or die' "$FILE" &
	cutter=$!
	check "it is cut" wait_for 60 test -e "$T/plan.hits"
	[ "$1" = nobody ] || exec 5<>"$FILE"
	kill -9 "$pid"
	plan
	wait $cutter || fail "the cut"
	check "another one" wait_for 60 worker_after "$pid"
	put 2999999 z || fail "write"
	exec 5>&-
	check "resume" "$MIRRORFS" replica resume "$T/tree" r1
	check "wait" synced
	check "what was cut off is zeros, $1" same "$T/replica1"
}
cut_by_dead nobody
cut_by_dead somebody

# while a file is cut others go on, also with the folders above it
mkdir "$T/tree/folder" && head -c 3000000 /dev/zero >"$T/tree/folder/file" ||
	fail "folder"
check "wait" synced
plan ftruncate 1 1 wait /folder/file
perl -e 'truncate $ARGV[0], 1000001 or die' "$T/tree/folder/file" &
cutter=$!
check "it is being cut" wait_for 60 test -e "$T/plan.hits"
mv "$T/tree/folder" "$T/tree/moved" &
mover=$!
moved=$(wait_for 60 test ! -d "/proc/$mover" && echo yes)
plan
equal "$moved" yes "moved meanwhile"
wait $cutter || fail "the cut"
check "wait" synced
"$MIRRORFS" log "$T/tree" --json | grep truncate | tail -n 1 |
	grep -q '"moved/file"' || fail "where it was cut"
check "what was cut in a folder that moved" same "$T/replica1"

# the same, but the worker dies and no other one takes over, as the mount is taken
# away: what is left to be looked at is where the file is by then
plan ftruncate 1 1 then /moved/file
perl -e 'truncate $ARGV[0], 500001 or exit 1' "$T/tree/moved/file" \
	2>/dev/null &
cutter=$!
check "it is cut once more" wait_for 60 test -e "$T/plan.hits"
mkdir "$T/tree/above" && mv "$T/tree/moved" "$T/tree/above/folder" ||
	fail "move"
pid=$(status_pid worker_pid) supervisor=$(status_pid supervisor_pid)
kill -STOP "$supervisor" && kill -9 "$pid"
umount -f -l "$T/tree" || fail "umount -f"
kill -CONT "$supervisor"
check "all end" wait_for 60 process_gone "$supervisor"
refuse "its caller was told" wait $cutter
plan
equal "$(stat -c %s "$T/tree/above/folder/file")" 500001 "it was cut"
check "mount again" mount_with_faults
check "wait" synced
check "what was cut and not recorded" same "$T/replica1"

# a second write that says EIO, and is there
fresh b
exec 5<>"$FILE"
printf 'first' >&5
plan pwrite 1 1 +5 /tree/file
refuse "the second" bash -c 'printf second >&5' 2>/dev/null
plan
exec 5>&-
check "it is there" grep -q "^firstsecond" "$FILE"
check "wait" synced
check "what failed" same "$T/replica1"

# the same with fallocate, after a write
fresh c
exec 5<>"$FILE"
printf 'first' >&5
equal "$(tr -d c <"$FILE")" first "what is read"
plan ftruncate 1 1 +28 /tree/file
refuse "zeros" fallocate --zero-range --offset 5000 --length 90000 \
	/proc/self/fd/5 2>/dev/null
equal "$(tr -d -c '\0' <"$FILE" | wc -c)" 90000 "zeros that are read"
plan ftruncate 1 1 +28 /tree/file
refuse "longer" fallocate --length 3100000 /proc/self/fd/5 2>/dev/null
plan
equal "$(stat -c %s "$FILE")" 3100000 "size of what has failed to grow"
exec 5>&-
check "wait" synced
check "zeros that failed" same "$T/replica1"

# a truncate that failed, and has cut: by name, of what is open, at an open
failed() { # ERRNO SIZE TEXT COMMAND... - with a last byte at 2999999 behind it
	local errno=$1 size=$2 text=$3
	shift 3
	plan ftruncate 1 1 "+$errno" /tree/file
	refuse "$text" "$@" 2>/dev/null
	plan
	equal "$(stat -c %s "$FILE")" "$size" "size, $text"
	put 2999999 z || fail "write behind, $text"
	[ -z "${OPEN:-}" ] || exec 5>&-
	check "wait, $text" synced
	check "same, $text" same "$T/replica1"
}
by_name() { perl -e 'truncate($ARGV[0], 1000001) or die' "$FILE"; }
opened() { perl -e 'truncate(STDOUT, 1000001) or die' >&5; }
# (a disk that breaks: EIO, EROFS, EBADMSG, EUCLEAN)
for errno in 5 30 74 117; do
	fresh d
	failed $errno 1000001 "cut by name, $errno" by_name
done
fresh e
exec 5<>"$FILE"
OPEN=1 failed 5 1000001 "cut while open" opened
fresh f
failed 5 0 "cut by opening" eval ': >"$FILE"'

# what may only be appended to takes all at its end, also what is there already
fresh g
chattr +a "$FILE" 2>/dev/null || exit 0
trap 'r=$?; chattr -a "$FILE" 2>/dev/null; end_test $r' EXIT
pid=$(status_pid worker_pid)
plan pwrite 1 1 then /tree/file
echo "one line" >>"$FILE" &
appender=$!
check "it is appended" wait_for 60 test -e "$T/plan.hits"
kill -9 "$pid"
plan
wait $appender || fail "the append"
check "another one" wait_for 60 worker_after "$pid"
equal "$(grep -ao "one line" "$FILE" | wc -l)" 1 "lines"
check "wait" synced
check "appended" same "$T/replica1"
exit 0
