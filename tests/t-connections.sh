#!/bin/bash
# A replica that is new at the mount is connected once: with the connection of
# the check the sync process goes on. That process has what it would have if it
# were run, and no more; nobody else keeps its connections; and a mount that
# comes to nothing after the checks leaves nothing on the replicas.
. "$(dirname "$0")/functions.sh"
need setpriv
expect_log "the sync process ended|connection|lost|mounting"

ssh_replicas 2
logins() { grep -c "Accepted publickey" "$T/sshd/sshd.log"; }
# logins_are COUNT - for wait_for: sshd's lines come when they come
logins_are() { [ "$(logins)" = "$1" ]; }
nothing_left() {
	[ ! -e "$T/replica1/.mirrorfs" ] && [ ! -e "$T/replica2/.mirrorfs" ]
}

# 1. refused by another replica, by the kernel, for the name
mkdir "$T/full" "$T/tree2"
touch "$T/full/file"
full=$(sshd_url "$T/full")
refuse "another is not empty" "$MIRRORFS" mount "$T/tree" --state-dir \
	"$T/no" "${REPLICAS[@]}" --replica "r3=$full" 2>"$T/err"
check "it is told" grep -q "adopt" "$T/err"
check "nothing is left by the checks" nothing_left
refuse "no right to mount" setpriv --bounding-set=-sys_admin "$MIRRORFS" \
	mount "$T/tree" --state-dir "$T/no" "${REPLICAS[@]}" 2>"$T/err"
check "it is told" grep -q "cannot mount" "$T/err"
check "nothing is left by the supervisor" nothing_left
check "mount" mount_at "$T/tree2" "$T/state2" --name "taken$PORTS"
refuse "the name is taken" "$MIRRORFS" mount "$T/tree" --state-dir "$T/no" \
	--name "taken$PORTS" "${REPLICAS[@]}" 2>"$T/err"
check "it is told" grep -q "is alive" "$T/err"
check "nothing is left under a name" nothing_left
check "umount" umount_at "$T/tree2"

# 2. one connection for each
echo 1 >"$T/tree/file"
before=$(logins)
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced
check "one login for each" wait_for 60 logins_are $((before + 2))
check "same" same "$T/replica1"
check "same" same "$T/replica2"

# 3. as if it were run
sync=$(status_pid sync_pid)
ls -l "/proc/$sync/fd" >"$T/fds" || fail "descriptors"
check "it is called so" grep -qz '^sync$' "/proc/$sync/cmdline"
refuse "it holds what it must not" grep -E "/dev/fuse|pipe:|pidfd" "$T/fds"
for set in "CapEff 6" "CapPrm 1f" "CapBnd 1f" "CapInh 0" "CapAmb 0"; do
	got=$(awk -v k="${set% *}:" '$1 == k { print $2 }' "/proc/$sync/status")
	[ $((16#$got & ~16#${set#* })) = 0 ] || fail "${set% *}: $got"
done
check "no new privileges" grep -q '^NoNewPrivs:.1' "/proc/$sync/status"

# 4. it is killed: the server sees that, though the supervisor lives, and the
# next one connects by itself
sessions=$(sshd_sessions)
gone() {
	local p
	for p in $sessions; do
		process_gone "$p" || return 1
	done
}
kill -9 "$sync"
check "the server has seen it" wait_for 60 gone
echo 2 >"$T/tree/file"
check "wait" synced
check "the next one connects" wait_for 60 logins_are $((before + 4))
check "same" same "$T/replica2"
exit 0
