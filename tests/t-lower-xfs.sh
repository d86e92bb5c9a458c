#!/bin/bash
# The overlay's tests and the property on xfs.
. "$(dirname "$0")/functions.sh"
. "$TESTS/property.sh"
. "$TESTS/lower.sh"
lower_conforms xfs
exit 0
