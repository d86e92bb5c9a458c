#!/bin/bash
# The overlay's tests and the property on tmpfs.
. "$(dirname "$0")/functions.sh"
. "$TESTS/property.sh"
. "$TESTS/lower.sh"
lower_conforms tmpfs
exit 0
