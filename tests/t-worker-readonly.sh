#!/bin/bash
# A file system that became read-only while files were open for writing, as after
# an error: the next worker can open them for reading only. They are read as
# before, writes are refused as below, and go on when they can.
. "$(dirname "$0")/functions.sh"
expect_log "fs worker died"
expect_log "beside shows"
pipe_replicas 1
lay_below ext4 "$T/tree"
mkdir "$T/beside" && mount --bind "$T/tree" "$T/beside" &&
	mount --make-private "$T/beside" || fail "bind"
LOWERS+=("$T/beside") # the same, where the mount does not hide it
check "mount" mount_tree "${REPLICAS[@]}"

FILE=$T/tree/file
printf 'one\ntwo\n' >"$FILE" && exec 5<>"$FILE" 6>>"$FILE" || fail "open"
check "wait" synced
supervisor=$(status_pid supervisor_pid)
first=$(status_pid worker_pid)
# nobody has it open for writing before the next one comes
kill -STOP "$supervisor" && kill -9 "$first" || fail "kill"
wait_for 60 mount -o remount,ro "$T/beside" 2>/dev/null || {
	kill -CONT "$supervisor"
	fail "remount"
}
kill -CONT "$supervisor"
check "another worker" wait_for 60 worker_after "$first"
read -r -u 5 line || fail "read"
equal "$line" one "what is read"
for fd in 5 6; do
	refuse "a write" bash -c "echo no >&$fd" 2>"$T/said"
	check "as below" grep -q "Read-only" "$T/said"
done
refuse "a cut" truncate -s 1 "$FILE" 2>/dev/null
equal "$(cat "$FILE")" "one
two" "content"
check "remount" mount -o remount,rw "$T/beside"
printf THREE >&5 || fail "a write"
printf 'four\n' >&6 || fail "a write at the end"
exec 5>&- 6>&-
equal "$(cat "$FILE")" "one
THREEfour" "content"
check "wait" synced
check "same" same "$T/replica1"
check "umount" umount_tree
check "take away" take_below "$T/beside"
exit 0
