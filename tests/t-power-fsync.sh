#!/bin/bash
# What fsync(2) has promised is there after a power cut, on the master and, when
# it has recovered, on replicas: what was appended, and what was published by a
# rename and an fsync of its folder. Each fsync takes more to the disk than its
# file, so t-power does without.
. "$(dirname "$0")/functions.sh"
. "$TESTS/powercut.sh"

POWER_PROMISES=1
check "disks" power_begin "${POWER_FS:-ext4}" "${POWER_JOURNAL_FS:-same}" \
	'activity-lift = 700ms'
power_cuts "${POWER_N:-$(scaled 3)}"
say "the last promise was $(tail -n 1 "$T/promised")"
equal "${POWER_BROKEN:-0}" 0 "promises that were not kept"
equal "${POWER_MISSED:-0}" 0 "cuts that left a difference"
exit 0
