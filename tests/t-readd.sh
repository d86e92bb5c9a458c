#!/bin/bash
# A replica that is removed while it is behind, and added again: it is ours, and as
# of a record. What was changed since may look the same there, by size and time.
. "$(dirname "$0")/functions.sh"
expect_log "parked /held"

old() { touch -d 2020-02-02 "$@"; }

pipe_replicas 1
mkdir "$T/tree/a" "$T/tree/b"
echo AAA | tee "$T/tree/f" "$T/tree/a/x" >"$T/tree/g"
echo BBB >"$T/tree/b/x"
old "$T/tree/f" "$T/tree/a"/* "$T/tree/b"/* "$T/tree/a" "$T/tree/b"
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced
check "pause" "$MIRRORFS" replica pause "$T/tree" r1
echo BBB >"$T/tree/f"
old "$T/tree/f"
mv "$T/tree/a" "$T/tree/c"
mv "$T/tree/b" "$T/tree/a"
mv "$T/tree/c" "$T/tree/b"
check "remove" "$MIRRORFS" replica remove "$T/tree" r1
check "add" "$MIRRORFS" replica add "$T/tree" "web=$T/replica1"
check "wait" synced
check "same" same "$T/replica1"
equal "$(cat "$T/replica1/f")" BBB "a file that was changed"
equal "$(cat "$T/replica1/a/x")" BBB "a file in a folder that was moved"

# … and one to which something could not be brought; or that was not to have it
check "set" "$MIRRORFS" replica set "$T/tree" web exclude=/hidden
echo AAA | tee "$T/tree/held" >"$T/tree/later"
echo AAA >"$T/replica1/hidden"
old "$T/tree/held" "$T/replica1/hidden"
check "wait" synced
trap 'r=$?; chattr -i "$T/replica1/held" 2>/dev/null; end_test $r' EXIT
chattr +i "$T/replica1/held" 2>/dev/null || skip "no immutable files here"
echo BBB | tee "$T/tree/held" >"$T/tree/hidden"
old "$T/tree/held" "$T/tree/hidden"
parked() { [ "$(status_get web parked)" = 1 ]; }
check "parked" wait_for 60 parked
echo x >"$T/tree/behind"
check "what is behind it" wait_for 60 test -e "$T/replica1/behind"
check "remove" "$MIRRORFS" replica remove "$T/tree" web
chattr -i "$T/replica1/held"
check "add" "$MIRRORFS" replica add "$T/tree" "web=$T/replica1"
check "wait" synced
check "same" same "$T/replica1"
equal "$(cat "$T/replica1/held")" BBB "a file that was parked"
equal "$(cat "$T/replica1/hidden")" BBB "a file that was excluded"

# what was compared then is not sent again by each comparison while one is parked
chattr +i "$T/replica1/held"
echo CCC >"$T/tree/held"
check "parked" wait_for 60 parked
check "remove" "$MIRRORFS" replica remove "$T/tree" web
echo CCC >"$T/tree/f"
check "add" "$MIRRORFS" replica add "$T/tree" "web=$T/replica1"
check "compared" wait_for 60 cmp -s "$T/tree/f" "$T/replica1/f"
check "parked again" wait_for 60 parked
check "nothing else is behind" "$MIRRORFS" wait "$T/tree" "$T/tree/f" \
	--timeout 60
timeout 60 "$MIRRORFS" reconcile "$T/tree" --wait >"$T/out" 2>&1
check "nothing differs" grep -q " 0 differed" "$T/out"
chattr -i "$T/replica1/held"
check "retry" "$MIRRORFS" retry "$T/tree"
check "wait" synced
check "same" same "$T/replica1"
exit 0
