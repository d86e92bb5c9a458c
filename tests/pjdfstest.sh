#!/bin/bash
# pjdfstest on a mount, or on the file system itself:
#
#	tests/pjdfstest.sh DIR [TYPE]
#	RAW=1 tests/pjdfstest.sh DIR [TYPE]
#
# DIR has pjdfstest (github.com/pjd/pjdfstest), which is no part of mirrorfs;
# it is built there when it is not yet. TYPE, the file system below: ext4 (the
# default), xfs, btrfs or tmpfs, on a loop device. Takes some minutes. ONLY
# names the tests: ONLY='rename link'.
SUITE=$(cd "${1:?usage: pjdfstest.sh DIR [TYPE]}" && pwd) || exit 1
TYPE=${2:-ext4}
. "$(dirname "$0")/functions.sh"
need prove
# paths as long as the master allows, which are too long below a replica; files
# larger than its file system takes
expect_log "parked /pjd/[0-9a-f]*/[0-9a-f]*/[0-9a-f]*/"
expect_log "parked /pjd/pjdfstest_[0-9a-f]*: writing is refused although"

[ -f "$SUITE/pjdfstest.c" ] || fail "$SUITE is not pjdfstest"
[ -x "$SUITE/pjdfstest" ] ||
	(cd "$SUITE" && autoreconf -ifs && ./configure && make pjdfstest) \
		>"$T/build.out" 2>&1 ||
	{ tail "$T/build.out"; fail "pjdfstest does not build"; }

lay_below "$TYPE" "$T/tree"
chmod 755 "$T/tree"
if [ -z "${RAW:-}" ]; then
	pipe_replicas 1
	check "mount" mount_tree "${REPLICAS[@]}"
fi
tests=()
for t in ${ONLY:-}; do
	tests+=("$SUITE/tests/$t")
done
[ ${#tests[@]} -gt 0 ] || tests=("$SUITE/tests")
mkdir "$T/tree/pjd" && cd "$T/tree/pjd" || fail "mkdir"
prove -r "${tests[@]}"
r=$?
cd "$T" || exit 1
if [ -z "${RAW:-}" ]; then
	check "wait" synced 300
	check "same" same "$T/replica1"
fi
exit $r
