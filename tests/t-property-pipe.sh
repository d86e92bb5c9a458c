#!/bin/bash
# The property over the pipe transport, two replicas: many short rounds, which
# find more than long ones, then long ones.
. "$(dirname "$0")/functions.sh"
. "$TESTS/property.sh"
pipe_replicas 2
check "mount" mount_tree "${REPLICAS[@]}"
property_rounds 2 "$(scaled $((8 * ${SOAK:-1})))" 1500
property_rounds 2 3 "$(scaled $((${SOAK:-0} ? 20000 : 13000)))"
property_parked
exit 0
