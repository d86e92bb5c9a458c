#!/bin/bash
# Files that are written to when they have no name any more, as by programs that
# keep temporary ones so: nothing is remembered of them.
. "$(dirname "$0")/functions.sh"
need sqlite3
expect_log "parked /held"

pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
# of a file that is a number alone it is not told whether it is gone
[ "$("$MIRRORFS" status "$T/tree" --json | jq -r .handles)" != false ] ||
	skip "no file handles below"
nameless() {
	perl -e '
	for my $i (1 .. 300) {
		open(my $f, ">", "$ARGV[0]/temporary") or exit 1;
		unlink("$ARGV[0]/temporary") or exit 2;
		syswrite($f, "x" x 100) == 100 or exit 3;
	}' "$T/tree" || fail "nameless files"
}
stale() { # what is found to be gone is saved with what comes next
	echo x >>"$T/tree/last"
	[ "$(sqlite3 -readonly "$T/state/journal.db" \
		"SELECT count(*) FROM stale WHERE obj NOT IN
		 (SELECT obj FROM record WHERE path = 'last')")" -le "$1" ]
}
nameless
check "nothing is stale" wait_for 60 stale 0
check "wait" synced

# nor while something is parked, when what is gone is not looked for: of a few that
# go as they are looked at it is not seen
echo x >"$T/tree/held"
check "wait" synced
trap 'r=$?; chattr -i "$T/replica1/held" 2>/dev/null; end_test $r' EXIT
chattr +i "$T/replica1/held" 2>/dev/null || skip "no immutable files here"
echo y >>"$T/tree/held"
parked() { [ "$(status_get r1 parked)" = 1 ]; }
check "parked" wait_for 60 parked
nameless
check "few are stale" wait_for 60 stale 60
chattr -i "$T/replica1/held"
check "retry" "$MIRRORFS" retry "$T/tree"
check "wait" synced
check "same" same "$T/replica1"
exit 0
