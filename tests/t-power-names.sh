#!/bin/bash
# A power cut and files with several names, on btrfs, where a change reaches the
# disk late and each by itself: what was changed by a name that is not on the
# disk (a second one, just made), or by one that is not there any more, is seen
# at the names that are, in folders where nothing else was changed.
. "$(dirname "$0")/functions.sh"
. "$TESTS/powercut.sh"

missing=$(lower_missing btrfs)
[ -z "$missing" ] || skip "$missing"
check "disks" power_begin btrfs same 'activity-lift = 1h'
cd "$POWER_ROOT" || exit 1
mkdir a b c d fresh
for f in linked-mode linked-owner linked-content linked-kept; do
	echo "$f, as it was" >"a/$f"
done
for f in both-mode both-removed both-moved both-content; do
	echo "$f, as it was" >"b/$f"
	ln "b/$f" "c/$f"
done
echo "one is gone" >b/one-gone
ln b/one-gone d
touch -d '2020-01-01 12:00' a/* b/*
cd / || exit 1
# all is on the disk, and nothing is marked, or so young that it is sent
is_old() {
	[ $(($(date +%s) - $(stat -c %Z "$POWER_ROOT/b/both-mode"))) -ge 4 ]
}
check "time goes by" wait_for 60 is_old
check "all is there" power_settled

# content of the same size and time
overwrite() {
	tr a-z b-za <"$1" >"$T/new"
	dd if="$T/new" of="$1" conv=notrunc status=none
	touch -d '2020-01-01 12:00' "$1"
}
cd "$POWER_ROOT" || exit 1
for f in a/*; do ln "$f" fresh; done
chmod 0454 fresh/linked-mode
chown 1001:1002 fresh/linked-owner
overwrite fresh/linked-content
chmod 0600 c/both-mode c/both-removed c/both-moved
overwrite c/both-content
rm c/both-removed
mv c/both-moved fresh/
chmod 0600 d/one-gone
rm d/one-gone
cd / || exit 1
sync -d "$T/raw/tree/d" # its names, not what they name
check "the replica has it" "$MIRRORFS" wait "$POWER_ROOT" --timeout 60
check "the cut" power_cut
check "the disks go" power_off
check "it recovers" power_check 1
[ "${POWER_MISSED:-0}" = 0 ] || cat "$T/treecmp.out"
equal "${POWER_MISSED:-0}" 0 "cuts that left a difference"
equal "$POWER_GAPS" 0 "comparisons of everything"
exit 0
