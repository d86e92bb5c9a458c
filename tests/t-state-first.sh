#!/bin/bash
# The replica is older than it was, so everything is compared, and its state
# file has to say so before anything that can be seen is changed, though it is
# written beside the first looks. Without posix-rename that takes longest. Cut
# at each request meanwhile.
. "$(dirname "$0")/functions.sh"
need sqlite3
faulty_server -P posix-rename
ssh_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
echo 1 >"$T/tree/file"
chmod 755 "$T/tree"
check "wait" synced

state=$T/replica1/.mirrorfs/state
paused() { [ "$(status_get r1 state)" = paused ]; }
cut_was() { [ ! -e "$CTL/cut" ]; }
mode() { stat -c %a "$T/replica1"; }
mended() {
	[ "$(mode)" = 755 ] && [ "$(status_get r1 state)" = synced ]
}
# counted from what is asked once in each connection, near the end of the probe
for n in ${NS:-20 22 24 25 26 27 28}; do
	"$MIRRORFS" replica pause "$T/tree" r1 || fail "pause"
	check "paused" wait_for 60 paused
	sed -i 's/^seq=.*/seq=1/' "$state"
	chmod 711 "$T/replica1"
	# nor is there a next connection, which would go on, before that was seen
	echo "$n users-groups $SSHD_PID" >"$CTL/cut"
	"$MIRRORFS" replica resume "$T/tree" r1 || fail "resume"
	check "cut at $n" wait_for 60 cut_was
	[ -z "${NS:-}" ] || say "$n $(mode) $(tail -n 1 "$state" 2>&1)"
	[ "$(mode)" = 711 ] || grep -qx "seq=0" "$state" ||
		fail "cut at $n: it was changed before the state file told"
	sshd_start "$T/sshd" "$SSHD_PORT" || fail "sshd does not start again"
	check "mended after cut $n" wait_for 60 mended
done

# Of a batch that asks for everything to be compared the number is not reached:
# the state file, which is written beside it, does not get it. The first one that
# gets its name says that.
gap() {
	[ "$(sqlite3 -readonly "$T/state/journal.db" \
		"SELECT count(*) FROM record WHERE op = 16")" -gt 0 ]
}
mkdir "$T/tree/gone"
check "wait" synced
"$MIRRORFS" replica pause "$T/tree" r1 || fail "pause"
check "paused" wait_for 60 paused
check "umount" umount_tree
rmdir "$T/tree/gone"
check "mount" mount_tree "${REPLICAS[@]}"
check "what is gone is noticed" wait_for 60 gap
echo "18 /state" >"$CTL/hold"
"$MIRRORFS" replica resume "$T/tree" r1 || fail "resume"
check "the state file is there" wait_for 60 held 1
equal "$(sed -n 's/^seq=//p' "$T"/replica1/.mirrorfs/stage/*/state)" 0 \
	"what it says"
touch "$CTL/release"
check "wait" synced
check "same" same "$T/replica1"
exit 0
