#!/bin/bash
# The processes keep the capabilities that they need, say which, and nobody
# else gets at the tree below through them.
. "$(dirname "$0")/functions.sh"
need setpriv setfattr

pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
check "all have begun" synced # before, sync may have what it was started with
W=$(status_pid worker_pid)
S=$(status_pid sync_pid)
M=$(status_pid supervisor_pid)

# has_only PID SET ALLOWED - the capabilities in "CapPrm:" and so on are among
# ALLOWED (hexadecimal, see linux/capability.h)
has_only() {
	local got
	got=$(awk -v k="$2:" '$1 == k { print $2 }' "/proc/$1/status")
	[ $((16#$got & ~16#$3)) = 0 ] || fail "$2 of $1: $got, allowed $3"
}

# chown dac_override dac_read_search fowner fsetid setgid setuid
# linux_immutable mknod lease setfcap; with hidepid sys_ptrace
WORKER=982802df
grep -q ' /proc proc .*hidepid=' /proc/mounts || WORKER=980002df
ADMIN=$(printf '%x' $((16#$WORKER | 1 << 21))) # sys_admin
has_only "$W" CapEff "$WORKER"
has_only "$W" CapBnd "$ADMIN"
has_only "$S" CapEff 6 # dac_override dac_read_search
has_only "$S" CapBnd 1f
# sys_admin setpcap sys_resource sys_ptrace
has_only "$M" CapBnd 992803df
declare -A permitted=([$W]=$ADMIN [$S]=1f [$M]=992803df)
for pid in "$W" "$S" "$M"; do
	has_only "$pid" CapInh 0
	has_only "$pid" CapAmb 0
	check "no new privileges of $pid" \
		grep -q '^NoNewPrivs:.1' "/proc/$pid/status"
	for thread in /proc/"$pid"/task/*; do
		has_only "$pid/task/${thread##*/}" CapPrm "${permitted[$pid]}"
	done
done
for name in supervisor fs sync; do
	check "$name says what it keeps" wait_for 60 grep -Eq \
		"info $name\\[[0-9]+\\]: capabilities=.*dac_read_search" \
		"$T/state/mirrorfs.log"
done

# what needs one of them still works
echo x >"$T/tree/file" || fail "write"
check "trusted" setfattr -n trusted.x -v y "$T/tree/file"
equal "$(getfattr --only-values -n trusted.x "$T/tree/file" 2>/dev/null)" y \
	"trusted"
check "mknod" mknod "$T/tree/null" c 1 3
check "chown" chown 4321:4321 "$T/tree/file"
check "wait" synced
equal "$(stat -c %u "$T/replica1/file")" 4321 "owner on the replica"

# The ways through /proc are closed: for another user, and for a root who has
# no capability (in a container, or a service with a CapabilityBoundingSet).
mkdir -m 700 "$T/tree/private" && echo secret >"$T/tree/private/file"
stripped() { setpriv --bounding-set=-all --inh-caps=-all "$@"; }
for pid in "$W" "$S" "$M"; do
	for who in as_user stripped; do
		for link in root cwd exe; do
			refuse "$who sees $link of $pid" \
				$who readlink "/proc/$pid/$link"
		done
		for fd in /proc/"$pid"/fd/*; do
			refuse "$who sees what $fd is" $who readlink "$fd"
			refuse "$who goes through $fd" $who \
				cat "$fd/private/file" 2>/dev/null
			refuse "$who opens $fd" $who test -e "$fd"
		done
	done
done
# and for a user namespace's root
if unshare -U true 2>/dev/null; then
	refuse "a user namespace" as_user unshare -Ur \
		ls "/proc/$W/fd/" 2>/dev/null
fi
exit 0
