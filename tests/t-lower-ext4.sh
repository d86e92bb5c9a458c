#!/bin/bash
# The overlay's tests and the property on ext4.
. "$(dirname "$0")/functions.sh"
. "$TESTS/property.sh"
. "$TESTS/lower.sh"
lower_conforms ext4
exit 0
