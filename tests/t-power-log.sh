#!/bin/bash
# What the activity log is for, in one cut: a file was overwritten in place, has
# the same size and second, and the replica has that already; the disk has neither
# that nor the record. Sizes and times tell nothing: without the log the replica
# differs behind the cut, and with it it does not.
. "$(dirname "$0")/functions.sh"
. "$TESTS/powercut.sh"

missing=$(lower_missing ext4)
[ -z "$missing" ] || skip "$missing"
old() { # FILE - so that it is not sent as a young one
	[ $(($(date +%s) - $(stat -c %Z "$1"))) -ge 4 ]
}
# cut CONFIG-LINE... - in POWER_MISSED, whether the replica differs behind it
cut() {
	check "disks" power_begin ext4 same 'activity-lift = 1h' "$@"
	mount -o remount,commit=300 "$T/fs1" || fail "remount"
	mkdir "$POWER_ROOT/folder"
	echo before >"$POWER_ROOT/folder/file"
	touch -d '2020-01-01 12:00' "$POWER_ROOT/folder/file"
	check "time goes by" wait_for 60 old "$POWER_ROOT/folder/file"
	check "all is there" power_settled
	printf behind | dd of="$POWER_ROOT/folder/file" conv=notrunc status=none
	touch -d '2020-01-01 12:00' "$POWER_ROOT/folder/file"
	check "the replica has it" "$MIRRORFS" wait "$POWER_ROOT" --timeout 60
	equal "$(cat "$T/replica1/folder/file")" behind "what it has"
	check "the cut" power_cut
	check "the disks go" power_off
	POWER_MISSED=0
	check "it recovers" power_check 1
}
cut
equal "$POWER_MISSED" 0 "cuts that left a difference"
equal "$POWER_GAPS" 0 "comparisons of everything"
# unless somebody has synced all disks just then
for _ in 1 2 3; do
	take_below "$T/raw" && take_below "$T/host" || fail "the disks stay"
	rm -rf "${T:?}/host.img" "$T/replica1" && mkdir "$T/replica1" ||
		fail "mkdir"
	cut 'activity-log = no'
	[ "$POWER_MISSED" = 0 ] || break
done
equal "$POWER_MISSED" 1 "cuts that left a difference, without the log"
check "it is the content" grep -q "folder/file" "$T/treecmp.out"
exit 0
