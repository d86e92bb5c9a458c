#!/bin/bash
# Hard links survive whatever is written, renamed, replaced: few names, many of
# them of one object, changed at random; by the first copy, as operations, and
# by comparing.
. "$(dirname "$0")/functions.sh"
expect_races

RANDOM=$((SEED % 32768))
name() { echo "d$((RANDOM % 3))/$((RANDOM % 6))"; }
op() { # one change; most of what cannot be done is just not done
	local x y
	x=$(name) y=$(name)
	case $((RANDOM % 14)) in
	0 | 1 | 2) ln -fT "$x" "$y" ;;
	3 | 4) mv -T "$x" "$y" ;;
	5) echo "$RANDOM" >>"$x" ;;
	6) echo "$RANDOM" >new && mv -T new "$y" ;;
	7) rm "$x" ;;
	8) ln -sfT "$RANDOM" "$x" && ln -PfT "$x" "$y" ;;
	9) chmod $((RANDOM % 2 ? 640 : 604)) "$x" ;;
	10) mv -T "d$((RANDOM % 3))" other && mkdir other/sub &&
		rmdir other/sub && mv -T other "d$((RANDOM % 3))" ||
		mv -T other d9 ;;
	11) touch -hd "2020-01-0$((RANDOM % 8 + 1))" "$x" ;;
	12) ln -T "$x" new && mv -T new "$y" && rm -f new ;;
	13) chown -h "$((RANDOM % 3)):7" "$x" ;;
	esac
	mkdir -p d0 d1 d2
} 2>/dev/null
ops() {
	local i
	cd "$T/tree" || fail "cd"
	for ((i = 0; i < $1; i++)); do op; done
	cd "$T" || fail "cd"
}
compared() { # TEXT
	same "$T/replica1" && same "$T/replica2" && return
	"$MIRRORFS" log "$T/tree" "$T/tree/$(sed -n '1s/: .*//p' \
		"$T/treecmp.out")" --limit 20
	fail "$1"
}
mkdir "$T/tree/d0" "$T/tree/d1" "$T/tree/d2"
for i in 0 1 2 3 4 5; do echo $i >"$T/tree/d0/$i"; done
ops 100 # without a mount: for the first copy
pipe_replicas 2
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced
compared "first copy"
for round in 1 2; do
	ops "$(scaled 100)"
	check "wait" synced
	compared "operations, round $round"
	# away, and then not what it was: compared as a whole
	check "pause" "$MIRRORFS" replica pause "$T/tree" r1
	ops 40
	rm -f "$T/replica1/.mirrorfs/state"
	check "resume" "$MIRRORFS" replica resume "$T/tree" r1
	ops 20
	check "wait" synced
	compared "comparing, round $round"
done

# what never got there has taken no name: one is renamed over another after
# all, that was replaced, by something that is gone by then
passing_by() { # COMMAND - that makes it, as "new"
	echo one >first && ln -T first second || fail "$1"
	check "wait" synced
	check "pause" "$MIRRORFS" replica pause "$T/tree" r1
	eval "$1" && mv -T new first && mv -T second first || fail "$1"
	check "resume" "$MIRRORFS" replica resume "$T/tree" r1
	check "wait" synced
	compared "$1, replaced"
	rm first
}
cd "$T/tree" || fail "cd"
passing_by "echo two >new"
passing_by "ln -s two new"

# attributes that could not be set by a name which is another file's by then
echo one >first && ln first second || fail "a link"
check "wait" synced
check "pause" "$MIRRORFS" replica pause "$T/tree" r1
check "paused" wait_for 60 state_is r1 paused
rm "$T/replica1/second"
chmod 600 second && echo two >new && mv new second || fail "another file"
check "resume" "$MIRRORFS" replica resume "$T/tree" r1
check "wait" synced
compared "attributes of the other name"
rm first second
cd "$T" || fail "cd"

# what is equal but for its owner is no name of the one that was there before
alike() { # COMMAND... - that makes such a one
	"$@" first && touch -hd 2020-01-01 first || fail "$*"
}
for make in "touch" "ln -s there"; do
	cd "$T/tree" || fail "cd"
	alike $make
	ln -P first second || fail "a link"
	check "wait" synced
	check "pause" "$MIRRORFS" replica pause "$T/tree" r1
	rm first
	alike $make
	chown -h 1003 first || fail "its owner"
	rm -f "$T/replica1/.mirrorfs/state"
	check "resume" "$MIRRORFS" replica resume "$T/tree" r1
	check "wait" synced
	cd "$T" || fail "cd"
	compared "$make, compared"
	rm "$T/tree/first" "$T/tree/second"
done
equal "$("$MIRRORFS" status "$T/tree" --json |
	jq '[.replicas[].parked] | add')" 0 "parked paths"
exit 0
