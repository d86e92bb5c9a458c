#!/bin/bash
# The property over a real sshd, two replicas with two connections each; then the
# program is unmounted and mounted in the middle, and once more.
. "$(dirname "$0")/functions.sh"
. "$TESTS/property.sh"
ssh_replicas 2
check "mount" mount_above 0 "${REPLICAS[@]}" -o parallel-above=1
property_rounds 2 "$(scaled $((5 * ${SOAK:-1})))" 1500
long=$(scaled $((${SOAK:-0} ? 15000 : 10000)))
property_rounds 2 1 "$long"
"$HELPERS/churn" --seed $((SEED + 77)) --ops "$long" --procs 3 "$T/tree" ||
	fail "churn"
check "umount" umount_tree # whatever the replicas lack
check "mount" mount_tree
property_rounds 2 3 1500
property_parked
exit 0
