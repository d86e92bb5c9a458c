#!/bin/bash
# The property with a filter: what random changes carry across the boundary
# appears or disappears, files and folders, by any of several names.
. "$(dirname "$0")/functions.sh"
. "$TESTS/property.sh"
need rsync
pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}" \
	-o 'exclude=f[34],exclude=d2/,exclude=/d1/d*/f0'
property_filtered "$(scaled $((4 * ${SOAK:-1})))" 1500 'f[34]' d2/ '/d1/d*/f0'
property_parked
exit 0
