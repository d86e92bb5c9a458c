#!/bin/bash
# A server without hard links: each name of a file is a copy of its own there,
# and each of them has the newest content in the end, whatever comes between.
# What random operations found (t-property-nolinks), one by one.
. "$(dirname "$0")/functions.sh"
once
expect_log "lost|connection|ended|closed"

MB=$((1 << 20))
faulty_server -P hardlink
ssh_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
cd "$T/tree" || fail "tree"

data() { # BYTES - of some content, of no time
	head -c "$1" /dev/urandom
}
begin() { # BYTES - "a" is there, with an old content
	rm -rf "$T"/tree/* "$CTL"/{hold,release,held}
	data "$1" >a && touch -d 2021-01-01 a || fail "a"
	check "wait" synced
}
at_once() { # COMMAND - what it does is one batch
	"$MIRRORFS" replica pause "$T/tree" r1 || fail "pause"
	"$@" || fail "$*"
	"$MIRRORFS" replica resume "$T/tree" r1 || fail "resume"
}
compared() { # TEXT
	check "wait, $1" synced
	same "$T/replica1" --copies && return
	"$MIRRORFS" log "$T/tree" --limit 20
	fail "$1"
}

# a name that is made while the file is being written comes with its content, or
# with the one that the other name has there
begin 10
exec 5>>a
echo more >&5
ln a b
echo x >marker
check "marker" "$MIRRORFS" wait "$T/tree" marker --timeout 60
[ ! -e "$T/replica1/b" ] || cmp "$T/replica1/a" "$T/replica1/b" ||
	fail "half a copy"
exec 5>&-
compared "linked while it was written"

# a copy that is read late, when its name is gone and there is a new content: what
# comes for the other name is not what has left the line with it. The rename is a
# batch by itself, so what is behind it is not in the plan of the copy.
passing() {
	ln a b && mv dir dir2 && data $((2 * MB)) >a && rm b
}
begin $((2 * MB))
mkdir dir
check "wait" synced
check "slow" "$MIRRORFS" replica set "$T/tree" r1 aside-above=0 bwlimit=1M
at_once passing
compared "a copy that was not wanted any more"

# a copy that has what a later record tells of speaks for its own name only; it
# is read late, as there are many before it
many() {
	local i
	{ echo HOLD-THIS; data 300000; } >l01
	for i in {02..20}; do data 300000 >"l$i" || return; done
	ln a b
}
contents() { # of "a", by whichever name
	"$MIRRORFS" log "$T/tree" --op write --json --limit 1000 |
		jq -r .path | grep -cx "[ab]"
}
settled() { # COUNT - there are more contents than that, and it is closed
	"$MIRRORFS" wait "$T/tree" a b --timeout 0 2>"$T/out"
	! grep -q "still being written" "$T/out" && [ "$(contents)" -gt "$1" ]
}
begin 300000
echo "6 HOLD-THIS" >"$CTL/hold"
at_once many
check "held" wait_for 60 held 1
n=$(contents)
data 300000 >a
check "told" wait_for 60 settled "$n"
touch "$CTL/release"
compared "a copy with a later content"

# names that are compared after a lost connection: equal size and second are not
# enough, for any of them
again() {
	data 1000 | dd of=a conv=notrunc status=none && touch -d 2021-01-01 a &&
		echo HOLD-THIS >marker
}
begin 1000
ln a b
check "wait" synced
echo "6 HOLD-THIS" >"$CTL/hold"
at_once again
check "held" wait_for 60 held 1
rm "$CTL/hold"
kill -9 "$LATE"
compared "copies that were compared"
equal "$(status_get r1 parked)" 0 "parked"
exit 0
