#!/bin/bash
# The property on a server without hard links: each name of a file is a copy of
# its own. All that is not small may leave the line.
. "$(dirname "$0")/functions.sh"
. "$TESTS/property.sh"
SERVER=/usr/lib/openssh/sftp-server
[ -x $SERVER ] || skip "no $SERVER"
SSHD_SFTP="$SERVER -P hardlink"
ssh_replicas 1
check "mount" mount_above 0 "${REPLICAS[@]}" -o aside-above=0,parallel-above=1
SAME=(--copies)
property_rounds 1 "$(scaled $((4 * ${SOAK:-1})))" 700
property_parked
exit 0
