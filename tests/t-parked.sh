#!/bin/bash
# What a replica refuses is put aside, shown with its reason, and tried again;
# other paths and other replicas go on; nothing ends a process.
. "$(dirname "$0")/functions.sh"
expect_log "parked|blocked|applied|tr(y|ied)|no space|failure"

mkdir -p "$T/replica2"
mount -t tmpfs -o size=3M,mode=755 none "$T/replica1" ||
	skip "cannot mount a tmpfs"
CHILDREN_DONE() { umount "$T/replica1" 2>/dev/null; }
trap 'r=$?; cd /; [ $r = 0 ] || "$MIRRORFS" status "$T/tree"
	for m in "${MOUNTS[@]}"; do "$MIRRORFS" umount "$m"; done
	MOUNTS=(); CHILDREN_DONE; end_test $r' EXIT
check "mount" mount_tree --replica "r1=$T/replica1" \
	--replica "r2=$T/replica2"
sync_pid=$(status_pid sync_pid)
echo small >"$T/tree/before"
head -c 8000000 /dev/urandom >"$T/tree/huge"
echo small >"$T/tree/after"
check "the other replica" "$MIRRORFS" wait "$T/tree" --replica r2 --timeout 60
check "replica 2" same "$T/replica2"
check "other paths go on" wait_for 60 test -s "$T/replica1/after"
parked() { [ "$(status_get r1 parked)" "$@" ]; }
check "it is parked" wait_for 60 parked -ge 1
"$MIRRORFS" status "$T/tree" >"$T/out"
cat "$T/out"
check "path and reason are told" grep -Eq "huge.*(space|full)" "$T/out"
refuse "a part is visible" test -e "$T/replica1/huge"
"$MIRRORFS" wait "$T/tree" "$T/tree/huge" --timeout 1 >/dev/null 2>&1
equal $? 1 "wait for the parked path"
check "wait for another path" "$MIRRORFS" wait "$T/tree" "$T/tree/after" \
	--timeout 20
check "the log says parked" sh -c \
	"'$MIRRORFS' log '$T/tree' '$T/tree/huge' | grep -q parked"
check "a folder beside it" mkdir "$T/tree/d"
check "goes on" wait_for 30 test -d "$T/replica1/d"

# healed: there is room, it arrives by itself
mount -o remount,size=30M "$T/replica1" || fail "remount"
check "tried again" wait_for 120 parked -eq 0
check "wait" synced
check "replica 1" same "$T/replica1"
equal "$(status_pid sync_pid)" "$sync_pid" "the sync process never ended"
exit 0
