#!/bin/bash
# A power cut while the journal's disk is read-only: what users have written in
# place, and pushed to the disk by fdatasync, is there, with the times of
# before, as ext4 does it. So no time tells that it was changed, no mark and no
# record; what the tree itself says must be enough.
. "$(dirname "$0")/functions.sh"
. "$TESTS/powercut.sh"
expect_log "journal|read-only|readonly|records of the last moments"
expect_log "activity log"

missing=$(lower_missing ext4)
[ -z "$missing" ] || skip "$missing"
check "disks" power_begin ext4 ext4
mount -o remount,commit=300 "$T/fs1" || fail "remount"
mkdir "$POWER_ROOT/cold"
for i in 1 2 3; do
	echo "old $i" >"$POWER_ROOT/cold/f$i"
done
# older than the note, and not so young that it is sent anyway
is_old() {
	[ $(($(date +%s) - $(stat -c %Z "$POWER_ROOT/cold/f3"))) -ge 4 ]
}
check "time goes by" wait_for 60 is_old
check "all is there" power_settled
check "umount" umount_at "$POWER_ROOT"
read_only() {
	mount -o remount,ro "$T/fs2"
}
check "read-only" wait_for 60 read_only 2>"$T/err"
check "mount, read-only" power_up 2>"$T/err"
check "it says so" grep -qi "read-only" "$T/err"

printf new | dd of="$POWER_ROOT/cold/f1" conv=notrunc,fdatasync status=none
POWER_SYNC=$(status_pid supervisor_pid "$POWER_ROOT")
POWER_PIDS="$POWER_SYNC $(status_pid worker_pid "$POWER_ROOT")"
check "the cut" power_cut
check "the disks go" power_off
check "it recovers" power_check 1
[ "${POWER_MISSED:-0}" = 0 ] || cat "$T/treecmp.out"
equal "${POWER_MISSED:-0}" 0 "cuts that left a difference"
equal "$(cat "$T/replica1/cold/f1")" "new 1" "what was pushed to the disk"
exit 0
