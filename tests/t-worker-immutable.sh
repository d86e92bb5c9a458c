#!/bin/bash
# A file that is made immutable while it is open for writing: the next worker can
# open it for reading only. It is read as before, writes are refused as below, and
# go on when it is as it was.
. "$(dirname "$0")/functions.sh"
need chattr
expect_log "fs worker died"
pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"

FILE=$T/tree/file
printf 'one\ntwo\n' >"$FILE" && exec 5<>"$FILE" 6<>"$FILE" || fail "open"
chattr +i "$FILE" 2>/dev/null || skip "no immutable files here"
trap 'r=$?; chattr -i "$FILE" 2>/dev/null; end_test $r' EXIT
first=$(status_pid worker_pid)
kill -9 "$first" || fail "kill"
check "another worker" wait_for 60 worker_after "$first"
read -r -u 5 line || fail "read"
equal "$line" one "what is read"
refuse "a write" bash -c 'echo no >&5' 2>"$T/said"
check "as below" grep -q "not permitted" "$T/said"
refuse "a cut" truncate -s 1 "$FILE" 2>/dev/null
equal "$(cat "$FILE")" "one
two" "content"
chattr -i "$FILE" || fail "chattr -i"
check "a write" sh -c 'printf THREE >&5'
exec 5>&-
equal "$(cat "$FILE")" "one
THREE" "content"
printf ONE >&6 || fail "write by the other one"
exec 6>&-
check "wait" synced
check "same" same "$T/replica1"
exit 0
