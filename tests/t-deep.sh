#!/bin/bash
# A tree that is deeper than any path: users can make one. What no server would
# take is parked; the rest arrives, and the sync process lives.
. "$(dirname "$0")/functions.sh"
need python3
expect_log "parked"

name=$(printf '%0100d' 0)
mkdir "$T/tree/deep" || fail "mkdir"
python3 - "$T/tree/deep" "$name" <<-'END' || fail "a deep tree"
	import os, sys
	os.chdir(sys.argv[1])
	for i in range(9000):
	    os.mkdir(sys.argv[2])
	    os.chdir(sys.argv[2])
END
[ -n "$SANITIZED" ] || ulimit -s 1024 # or it would have to be deeper still
check "mount" mount_tree
sync_pid=$(status_pid sync_pid)
check "first copy" timeout 120 "$MIRRORFS" replica add "$T/tree" \
	"r1=$T/replica1" --wait
bad_name() {
	"$MIRRORFS" status "$T/tree" --parked --json |
		jq -e 'length > 0 and all(.[]; .cause == "bad-name")' >"$T/out"
}
check "the cause is told" wait_for 60 bad_name
equal "$(status_pid sync_pid)" "$sync_pid" "the sync process never ended"
echo after >"$T/tree/after"
check "others go on" wait_for 60 test -s "$T/replica1/after"
check "as far as it goes" test -d "$T/replica1/deep/$name/$name/$name"
equal "$(status_pid sync_pid)" "$sync_pid" "the sync process never ended"
exit 0
