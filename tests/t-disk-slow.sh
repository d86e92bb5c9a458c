#!/bin/bash
# The tree's disk takes for ever to sync, and a worker is killed meanwhile, or told
# to make room for another program or one of the same, which cannot end then.
# Another one serves at once: what is open goes on.
. "$(dirname "$0")/functions.sh"
need fsfreeze
expect_log "fs worker died"

ROOT=$T/fs/tree
mkdir "$T/host" "$T/fs"
lay_below ext4 "$T/host"
truncate -s 300M "$T/host/image" && mkfs.ext4 -q -F "$T/host/image" &&
	mount -o loop "$T/host/image" "$T/fs" || skip "no loop device"
LOWERS+=("$T/fs")
mkdir "$ROOT"
serves() { timeout 20 cat "$ROOT/file" >/dev/null; } # (the kernel may know the rest)
another() {
	local now
	now=$(status_pid worker_pid "$ROOT")
	[ "${now:-0}" != 0 ] && [ "$now" != "$WORKER" ]
}

pipe_replicas 1
check "mount" mount_at "$ROOT" "$T/state" "${REPLICAS[@]}"
echo before >"$ROOT/file" || fail "a file"
exec 5<"$ROOT/file"
check "wait" "$MIRRORFS" wait "$ROOT" --timeout 60
WORKER=$(status_pid worker_pid "$ROOT")
head -c 1000000 /dev/zero >"$ROOT/dirty"
freeze "$T/host" || skip "file systems cannot be frozen here"
background sync "$ROOT/dirty"
syncs=$BG
check "a sync hangs" wait_for 60 waits_for_disk "$WORKER"
kill -9 "$WORKER"
check "another one" wait_for 60 another
check "it serves" wait_for 60 serves
check "the old one is there still" waits_for_disk "$WORKER"
equal "$(cat <&5)" before "what was open"

# the next ones have the same sync to do
PIDS=("$WORKER")
next_one() {
	WORKER=$(status_pid worker_pid "$ROOT")
	PIDS+=("$WORKER")
	check "a sync hangs" wait_for 60 waits_for_disk "$WORKER"
}
next_one
check "upgrade" timeout 60 "$MIRRORFS" upgrade "$ROOT"
check "it serves" wait_for 60 serves
next_one
kill "$WORKER"
check "another one" wait_for 60 another
check "it serves" wait_for 60 serves
# that dies without a word, and nobody asks the supervisor: a pause of 0.1 s, where it
# was one of a second (on a slow machine not each time)
unnoticed() {
	local begin
	next_one
	status_pid worker_pid "$ROOT" >"$T/out" # it sleeps from now on
	begin=$(date +%s%N)
	kill -9 "$WORKER"
	check "it serves" serves
	[ -n "$SANITIZED" ] || [ $(($(date +%s%N) - begin)) -lt 500000000 ]
}
tries=0
until unnoticed; do
	[ $((tries += 1)) -lt 8 ] || fail "a pause of a second"
done
for WORKER in "${PIDS[@]}"; do
	check "the old one is there still" waits_for_disk "$WORKER"
done
thaw
check "the sync ends well" wait "$syncs"
check "wait" "$MIRRORFS" wait "$ROOT" --timeout 60
refuse "mounted again" grep -q "mounted again" "$T/state/mirrorfs.log"
exec 5<&-
check "umount" umount_at "$ROOT"
exit 0
