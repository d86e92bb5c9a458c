#!/bin/bash
# The overlay's tests and the property on btrfs.
. "$(dirname "$0")/functions.sh"
. "$TESTS/property.sh"
. "$TESTS/lower.sh"
lower_conforms btrfs
exit 0
