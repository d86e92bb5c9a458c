#!/bin/bash
# Files that are written to when they have no name any more, as by programs that
# keep temporary ones so: nothing is remembered of them.
. "$(dirname "$0")/functions.sh"
need sqlite3

pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
perl -e '
	for my $i (1 .. 300) {
		open(my $f, ">", "$ARGV[0]/temporary") or exit 1;
		unlink("$ARGV[0]/temporary") or exit 2;
		syswrite($f, "x" x 100) == 100 or exit 3;
	}' "$T/tree" || fail "nameless files"
echo x >"$T/tree/last"
check "wait" synced
none() { # what is found to be gone is saved with what comes next
	echo x >>"$T/tree/last"
	[ "$(sqlite3 -readonly "$T/state/journal.db" \
		"SELECT count(*) FROM stale")" = 0 ]
}
check "nothing is stale" wait_for 60 none
check "wait" synced
check "same" same "$T/replica1"
exit 0
