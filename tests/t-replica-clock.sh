#!/bin/bash
# The replica's clock is wrong by years and by hours, behind and ahead, and
# jumps (tests/wrongclock.c): a first copy, changes, connections that are cut,
# what they leave, and comparisons. Trees are equal, times included, and what
# is equal is not touched again.
. "$(dirname "$0")/functions.sh"
expect_log "connection|offline|replica"
expect_races

server=/usr/lib/openssh/sftp-server
[ -x "$server" ] || skip "$server is not installed"
YEAR=31536000 HOUR=3600
clock $((-10 * YEAR))
SSHD_SFTP="env LD_PRELOAD=$HELPERS/wrongclock.so CLOCK_STEP=$T/step $server"
ssh_replicas 1

mkdir -p "$T/tree/old/below" "$T/tree/new"
for i in 1 2 3; do
	echo "$i" >"$T/tree/old/f$i"
	echo "$i" >"$T/tree/new/f$i"
done
ln "$T/tree/old/f1" "$T/tree/old/below/link"
ln -s f1 "$T/tree/old/symlink"
touch -hd '2001-02-03 04:05' "$T"/tree/old/{symlink,f2,below} "$T/tree/old"
check "mount" mount_tree "${REPLICAS[@]}"
check "first copy" synced
check "same" same "$T/replica1"
[ "$(stat -c %Y "$T/replica1/.mirrorfs")" -lt $(($(date +%s) - 9 * YEAR)) ] ||
	fail "the replica's clock is right"

# compared - all of it; prints what differed, by the log
logged() { tail -n +"$((line + 1))" "$T/state/mirrorfs.log"; }
counted() { logged | grep "r1: compared /: " >/dev/null; }
compared() {
	local line
	line=$(wc -l <"$T/state/mirrorfs.log")
	timeout 120 "$MIRRORFS" reconcile "$T/tree" --wait >"$T/out" 2>&1 ||
		cat "$T/out"
	grep -q "^r1: .* compared, " "$T/out" || echo "nothing was compared"
	wait_for 60 counted || echo "the log does not tell"
	logged | sed -n 's/.* r1: differs: //p'
}
# folders get their times anew, and links are made anew, when all is compared
touched() {
	find "$T/replica1" -path "$T/replica1/.mirrorfs" -prune -o \
		! -type d -links 1 -printf '%p %i %C@\n' | sort
}
# cut while something large is under way: its stage stays behind (unless it has
# arrived before we came to look)
staged() {
	[ -n "$(find "$T/replica1/.mirrorfs/stage" -type f -size +100k)" ] ||
		[ "$(stat -c %Y "$T/replica1/$1")" = "$(stat -c %Y "$T/tree/$1")" ]
} 2>/dev/null
leave() {
	head -c 20000000 /dev/zero >"$T/tree/large$1" || fail "write"
	check "it is under way" wait_for 60 staged "large$1"
	sshd_cut
}
n=0
for step in $((-10 * YEAR)) $((10 * YEAR)) $((-3 * HOUR)) 1; do
	clock "$step"
	"$HELPERS/churn" --seed $((SEED + n)) --ops "$(scaled 300)" --procs 2 \
		"$T/tree" >"$T/churn" || fail "churn: $(cat "$T/churn")"
	leave $((n % 2))
	n=$((n + 1))
	check "wait, $step" synced
	check "nothing stays, $step" wait_for 60 empty_stage "$T/replica1"
	check "same, $step" same "$T/replica1"
	touched >"$T/before"
	equal "$(compared)" "" "what differs, $step"
	sshd_cut
	equal "$(compared)" "" "what differs after it came back, $step"
	touched >"$T/after"
	equal "$(diff "$T/before" "$T/after" | grep '^[<>]')" \
		"" "what was touched, $step"
done
check "umount" umount_tree
exit 0
