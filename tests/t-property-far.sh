#!/bin/bash
# The property over a long line, on which much is done in advance.
. "$(dirname "$0")/functions.sh"
. "$TESTS/property.sh"
ssh_replicas 1
proxy_start --delay 3
check "mount" mount_tree "${REPLICAS[@]}"
property_rounds 1 "$(scaled $((3 * ${SOAK:-1})))" 1500
property_parked
exit 0
