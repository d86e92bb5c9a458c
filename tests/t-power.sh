#!/bin/bash
# After a power cut master and replica become equal again, contents included,
# by looking at what was being changed and at nothing else. SOAK: longer, on
# other file systems, and without the activity log, which must miss something.
. "$(dirname "$0")/functions.sh"
. "$TESTS/powercut.sh"

CUTS=$(scaled 4)
run_cuts() { # TREE-FS JOURNAL-FS N [CONFIG-LINE...]
	local tree=$1 journal=$2 n=$3
	shift 3
	check "disks" power_begin "$tree" "$journal" "$@"
	power_cuts "$n"
	say "$n cuts, tree on $tree, journal on $journal: missed" \
		"${POWER_MISSED:-0}; at the last one $POWER_MARKS marks"
}

run_cuts "${POWER_FS:-ext4}" "${POWER_JOURNAL_FS:-same}" \
	"${POWER_N:-$CUTS}" 'activity-lift = 700ms' ${POWER_OFF:+'activity-log = no'}
if [ -n "${POWER_OFF:-}" ]; then
	[ "${POWER_MISSED:-0}" -gt 0 ] || fail "nothing was missed without it"
else
	equal "${POWER_MISSED:-0}" 0 "cuts that left a difference"
	equal "$POWER_GAPS" 0 "comparisons of everything"
fi
exit 0
