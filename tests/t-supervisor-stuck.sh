#!/bin/bash
# A worker is killed while a thread of it waits in the kernel for a page that a
# reader has locked, who waits for the worker's answer. Such a thread cannot be
# killed, and nobody is told that the process has ended: another one is started
# all the same, and answers. When the supervisor is killed in the same moment
# nobody can, and the connection stays: "mirrorfs mount" and "mirrorfs umount" cut
# it.
. "$(dirname "$0")/functions.sh"
[ -z "$SANITIZED" ] || skip "cannot be preloaded into a sanitized program"
expect_log "fs worker died|the sync process ended|journal|cannot"

plan
pipe_replicas 1
head -c 300000 /dev/zero | tr '\0' x >"$T/tree/held"
export FAULTS=$T/plan
mount_again() {
	LD_PRELOAD=$HELPERS/sysfault.so mount_tree "$@"
}
caller() { # LIBC-CALL-OF-PERL - it does not end at once when that has
	perl -e "use Fcntl; $1; select(undef, undef, undef, 0.5)" "$T/tree/held" >/dev/null 2>&1
}
waits() { # PID WHERE - some thread of it, in the kernel
	cat "/proc/$1/task/"*/wchan | tr '\0' '\n' | grep -q "$2"
}
# stuck NAME - two callers, and a worker that cannot end
stuck() {
	SUPERVISOR=$(status_pid supervisor_pid) WORKER=$(status_pid worker_pid)
	rm -f "$T/plan.hits"
	plan pread 1 1 wait /tree/held
	# for both, so that it goes by the pages
	background caller 'sysopen(F, $ARGV[0], O_RDWR); sysread(F, $x, 10)'
	callers=("$BG")
	check "$1: a read is under way" wait_for 60 test -e "$T/plan.hits"
	background caller 'sysopen(F, $ARGV[0], O_RDWR); sysseek(F, 0, 4)'
	callers+=("$BG")
	check "$1: pages are to go" wait_for 60 waits "$WORKER" folio
}
both_killed() {
	local p
	kill -9 "$SUPERVISOR" "$WORKER"
	check "$1: the supervisor ends" wait_for 60 process_gone "$SUPERVISOR"
	sleep 1
	for p in "${callers[@]}"; do
		refuse "$1: this is not what is meant" process_gone "$p"
	done
	plan
}
callers_end() {
	local p
	for p in "${callers[@]}"; do
		wait_for 60 process_gone "$p" || return 1
	done
}

check "mount" mount_again "${REPLICAS[@]}"
check "wait" synced
[ -r /proc/self/wchan ] && [ "$(cat /proc/self/wchan)" != "" ] ||
	skip "this kernel does not tell where a thread waits"

exec 5>"$T/tree/open" && echo one >&5
stuck alone
plan
kill -9 "$WORKER"
check "alone: callers end" callers_end
check "alone: another one serves" wait_for 60 test -e "$T/tree/open"
echo two >&5 && exec 5>&- || fail "an open file"
equal "$(cat "$T/tree/open")" "one
two" "an open file"
equal "$(status_pid supervisor_pid)" "$SUPERVISOR" "the supervisor"
refuse "alone: mounted again" grep -q "mounted again" "$T/state/mirrorfs.log"
check "alone: wait" synced
check "alone: same" same "$T/replica1"

head -c 300000 /dev/zero | tr '\0' z >"$T/tree/held"
check "wait" synced
stuck first
both_killed first
check "mount again" mount_again
check "callers end" callers_end
check "wait" synced
check "same" same "$T/replica1"

head -c 300000 /dev/zero | tr '\0' y >"$T/tree/held"
check "wait" synced
stuck second
both_killed second
check "umount" umount_tree
check "callers end" callers_end
check "mount" mount_again
check "wait" synced
check "same" same "$T/replica1"
check "umount" umount_tree
exit 0
