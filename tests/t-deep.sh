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

# what users do down there does not fill the journal: all of that path, 151,500
# bytes, in each record would be 30 MB
python3 - "$T/tree/deep" "$name" <<-'END' || fail "deep changes"
	import os, sys
	os.chdir(sys.argv[1])
	for i in range(1500):
	    os.chdir(sys.argv[2])
	for i in range(200):
	    os.mkdir("new%d" % i)
END
recorded() {
	[ "$("$MIRRORFS" log "$T/tree" --json --op mkdir | grep -c '"mkdir"')" = 200 ]
}
check "all of it was recorded" wait_for 60 recorded
bytes=$(stat -c %s "$T/state/journal.db"* | awk '{ n += $1 } END { print n }')
[ "$bytes" -lt 12000000 ] || fail "a journal of $bytes bytes"
check "as far as it goes" test -d "$T/replica1/deep/$name/$name/$name"
equal "$(status_pid sync_pid)" "$sync_pid" "the sync process never ended"
exit 0
