#!/bin/bash
# A process whose title cannot be read, as it holds what that takes for as long as
# it likes, keeps one thread and no more: all others are served, without titles
# until it lets go.
. "$(dirname "$0")/functions.sh"

expect_log "fs worker died"

check "mount" mount_with_faults
mkdir "$T/tree/"{1..5} # each its own folder, which the kernel locks
trap 'r=$?; plan; end_test $r' EXIT
plan open 1 100 wait /cmdline fs-worker
callers=()
for n in 1 2 3 4 5; do
	background touch "$T/tree/$n/f"
	callers+=("$BG")
	sleep 0.2
done
waiting() {
	local p n=0
	for p in "${callers[@]}"; do
		process_gone "$p" || n=$((n + 1))
	done
	[ "$n" = 1 ]
}
check "one waits" wait_for 60 waiting
for n in {1..50}; do
	echo "$n" >"$T/tree/f$n" || fail "a file"
done
check "it waits still" waiting
# nor is another worker kept from serving by what that one has left to it
WORKER=$(status_pid worker_pid)
kill -9 "$WORKER"
check "others are served" timeout 20 touch "$T/tree/served"
check "by another worker" wait_for 60 worker_after "$WORKER"
plan
check "it goes on" wait "${callers[@]}"
touch "$T/tree/last"
check "titles are there again" wait_for 60 sh -c \
	'"$0" log "$1" "$1/last" | grep -q "touch .*last)"' "$MIRRORFS" "$T/tree"
check "umount" umount_tree
exit 0
