#!/bin/bash
# Below a folder whose path is longer than any system call takes, the journal
# tells of that folder. What goes there leaves the replicas, and what comes from
# there, by whatever rename, arrives with all that was changed meanwhile.
. "$(dirname "$0")/functions.sh"
need python3
expect_log "parked"

name=$(printf '%0250d' 0)
cat >"$T/below.py" <<-'END'
	import os, sys
	os.chdir(sys.argv[3])
	for i in range(int(sys.argv[2])):
	    os.path.exists(sys.argv[1]) or os.mkdir(sys.argv[1])
	    os.chdir(sys.argv[1])
	os.execvp(sys.argv[4], sys.argv[4:])
END
# below N FOLDER COMMAND... - so far below that folder, made if needed
below() {
	python3 "$T/below.py" "$name" "$@"
}
down() {
	below 20 "$T/tree/down" "$@"
}
has() {
	[ "$(cat "$T/replica1/$1" 2>/dev/null)" = "$2" ]
}
has_not() {
	[ ! -e "$T/replica1/$1" ]
}
has_mode() {
	[ "$(stat -c %a "$T/replica1/$1")" = "$2" ]
}
parked() {
	[ "$(status_get r1 parked)" -gt 0 ]
}
nothing_parked() {
	"$MIRRORFS" retry "$T/tree" >"$T/out" 2>&1
	[ "$(status_get r1 parked)" = 0 ]
}

mkdir -p "$T/tree/down" "$T/tree/back/in"
echo back >"$T/tree/back/in/file"
echo one >"$T/tree/both"
echo short >"$T/tree/swapped"
check "a file deep down" below 8 "$T/tree" \
	sh -c 'echo 1 >file && touch -d 2020-01-01 file'
check "carried" mv "$T/tree/$name" "$T/tree/carried"
check "mount" mount_tree --replica "r1=$T/replica1"
check "wait" synced
check "same at first" same "$T/replica1"

# 1. out of there: a file, a folder; and into there
check "made" down sh -c 'mkdir sub && echo f >f && echo g >sub/g &&
	echo deep >swapped'
check "it is told" wait_for 60 parked
check "out" down mv f sub "$T/tree"
check "a file is there" wait_for 60 has f f
check "a folder is there" wait_for 60 has sub/g g
check "in" down mv "$T/tree/back" .
check "it left" wait_for 60 has_not back
check "exchange" down "$HELPERS/swapper" swapped "$T/tree/swapped"
check "the other one is there" wait_for 60 has swapped deep

# 2. one of its names is there, the other one is used
check "link" down ln "$T/tree/both" both
check "write" down sh -c 'echo two >>both'
check "it has the content" wait_for 60 has both $'one\ntwo'
check "chmod" down chmod 600 both
check "it has the mode" wait_for 60 has_mode both 600

# 3. a folder that the replica has is moved, so that what is in it is too far
# down, is changed there so that size and time do not tell, and comes back
deep="$T/tree/down"
for ((i = 0; i < 10; i++)); do
	deep+=/$name
done
check "carry" mv "$T/tree/carried" "$deep"
check "change" below 7 "$deep/carried" \
	sh -c 'echo 2 >file && touch -d 2020-01-01 file'
check "back" mv "$deep/carried" "$T/tree/$name"
check "mkdir" mkdir "$T/tree/last"
check "all of that was done" wait_for 60 test -d "$T/replica1/last"

# 4. when nothing is too deep any more, everything is there
check "remove" rm -r "$T/tree/down"
check "nothing is held back" wait_for 60 nothing_parked
check "wait" synced
check "same" same "$T/replica1"

# what the journal tells is not longer than it must be
"$MIRRORFS" log "$T/tree" --json >"$T/log" || fail "log"
longest=$(jq -r '.path, .path2 | strings | length' "$T/log" | sort -n | tail -1)
[ "$longest" -ge 4096 ] && [ "$longest" -lt $((4096 + 256)) ] ||
	fail "a path of $longest bytes"
exit 0
