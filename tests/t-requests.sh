#!/bin/bash
# What the kernel asks for, counted at /dev/fuse: the table of round trips in
# docs/PERFORMANCE.md. Nobody waits for RELEASE and FORGET.
. "$(dirname "$0")/functions.sh"
kernel_has 6.6 || skip "before Linux 6.6 writes go through the page cache"
[[ ${WITHOUT-} != *direct-writes* ]] || skip "without direct writes"

mkdir "$T/tree/hot"
for ((i = 0; i < 200; i++)); do
	head -c 4096 /dev/zero >"$T/tree/hot/f$i" || fail "file $i"
done
export REQUESTS=$T/requests
check "mount" mount_with_faults

# asks WORK REQUEST... - once, in any order
asks() {
	local work=$1 got
	shift
	: >"$REQUESTS"
	"$HELPERS/fsbench" only "$work" "$T/tree" 0 >"$T/out" || fail "$work"
	got=$(grep -vE '^(RELEASE|FORGET)$' "$REQUESTS" | sort | tr '\n' ' ')
	equal "${got% }" "$*" "what '$work' asks for"
}

# the first time more is asked for: the root, and FLUSH, which is refused
for work in create rename unlink; do
	"$HELPERS/fsbench" only $work "$T/tree" 0 >"$T/out" || fail "$work"
done
grep -qx FLUSH "$REQUESTS" || fail "nothing is counted"
asks create CREATE GETATTR LOOKUP WRITE
asks rename GETATTR LOOKUP RENAME
asks unlink GETATTR UNLINK
"$HELPERS/fsbench" only stat-warm "$T/tree" 0 >"$T/out" || fail "stat"
equal "$(grep -cx LOOKUP "$REQUESTS")" 201 "look-ups of 200 files and a folder"
asks stat-warm
asks open-read OPEN READ
asks open-read OPEN
check "umount" umount_tree
exit 0
