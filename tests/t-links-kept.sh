#!/bin/bash
# A name is another file's on the replica still, as the one that is to take it
# is being written: what comes for that one must not reach the other, whose
# inode has it. They are equal but for the owner, so nothing else would tell.
. "$(dirname "$0")/functions.sh"
expect_log parked
need jq sqlite3

idle() { # all that can be sent has been; what is being written may be owed
	[ "$(sqlite3 "$T/state/journal.db" "SELECT cursor =
		(SELECT max(seq) FROM record) FROM replica")" = 1 ]
} 2>/dev/null
reconnect() {
	check "pause" "$MIRRORFS" replica pause "$T/tree" r1
	check "resume" "$MIRRORFS" replica resume "$T/tree" r1
}
# settle - the other file is closed, and all becomes equal.
settle() {
	echo x >&9
	exec 9>&-
	cd "$T" || fail "cd"
	check "wait" synced
	check "same" same "$T/replica1"
	rm -r "$T/tree/folder"
}
# replaced_while_open COMMAND... - "news" was one of two names of a file; while
# sync looks at its folder, there is another one, and COMMAND follows.
replaced_while_open() {
	rm -f "$CTL/release"
	mkdir "$T/tree/folder" && cd "$T/tree/folder" || fail "cd"
	: >old && touch -d 2021-03-01 old && ln old news || fail "links"
	# a server holds requests once
	reconnect
	check "wait" synced
	echo "11 /folder" >"$CTL/hold"
	background "$MIRRORFS" reconcile "$T/tree" "$T/tree/folder" >/dev/null
	check "it is looked at" wait_for 60 held 1
	rm news && exec 9>news && chown 1003:1001 news &&
		touch -d 2021-03-01 news && "$@" || fail "another file"
	rm -f "$CTL/hold" "$CTL/held"
	touch "$CTL/release"
	check "all but its content" wait_for 60 idle
	equal "$(stat -c %u:%Y "$T/replica1/folder/old")" \
		"0:$(stat -c %Y old)" "the other name"
	# nor when it is compared once more, by another connection
	reconnect
	check "compare" "$MIRRORFS" reconcile "$T/tree" "$T/tree/folder" --wait
	equal "$(stat -c %u:%Y "$T/replica1/folder/old")" \
		"0:$(stat -c %Y old)" "the other name, compared again"
	settle
}

# taken_later - "news" was one of two names of a file; another one that is open
# took it by a rename, and is changed when the connection is another one
taken_later() {
	mkdir "$T/tree/folder" && cd "$T/tree/folder" || fail "cd"
	echo old >old && touch -d 2021-03-01 old && ln old news || fail "links"
	check "wait" synced
	exec 9>new && mv new news || fail "another file"
	check "all but its content" wait_for 60 idle
	reconnect
	chown 1003:1001 news && mv news other && ln other third &&
		touch mark || fail "changes"
	check "they have arrived" wait_for 60 test -e "$T/replica1/folder/mark"
	check "all but its content" wait_for 60 idle
	equal "$(stat -c %u:%Y "$T/replica1/folder/old")" \
		"0:$(stat -c %Y old)" "the other name, later"
	for name in other third; do
		refuse "what is not its content" \
			test -e "$T/replica1/folder/$name"
	done
	settle
}

# given_up - an upload to a new name comes to nothing, as the file is written
# again; when that is closed, by another name, all have its content
settled() {
	"$MIRRORFS" log "$T/tree" "$T/tree/folder/$1" | grep -q " write "
}
given_up() {
	mkdir "$T/tree/folder" && cd "$T/tree/folder" || fail "cd"
	exec 9>one && ln one two || fail "a link"
	check "all but its content" wait_for 60 idle
	check "pause" "$MIRRORFS" replica pause "$T/tree" r1
	check "paused" wait_for 60 state_is r1 paused
	echo y >&9
	exec 9>&-
	check "it has settled" wait_for 60 settled two
	mv two three && exec 9<>one && printf z >&9 || fail "written again"
	check "resume" "$MIRRORFS" replica resume "$T/tree" r1
	check "all but its content" wait_for 60 idle
	mv one four || fail "another name"
	check "all but its content" wait_for 60 idle
	settle
}

# written_and_gone - as the folder is compared, "news" has been written by, and
# goes: "old", which seems to be the same, has that content, too
written_and_gone() {
	rm -f "$CTL/release"
	mkdir "$T/tree/folder" && cd "$T/tree/folder" || fail "cd"
	echo one >old && touch -d 2021-03-01 old && ln old news || fail "links"
	reconnect
	check "wait" synced
	echo "11 /folder" >"$CTL/hold"
	background "$MIRRORFS" reconcile "$T/tree" "$T/tree/folder" >/dev/null
	check "it is looked at" wait_for 60 held 1
	echo two 1<>news && touch -d 2021-03-01 news || fail "written"
	check "it has settled" wait_for 60 settled news
	rm news || fail "rm"
	rm -f "$CTL/hold" "$CTL/held"
	touch "$CTL/release"
	check "wait" synced
	check "same" same "$T/replica1"
	rm -r "$T/tree/folder"
}

# parked - the folder is, as a file there gets another name, is written by that
# one, seems to be as old, and has the first name only in the end
parked() {
	mkdir "$T/tree/folder" && cd "$T/tree" || fail "cd"
	echo one >folder/file && touch -d 2021-03-01 folder/file || fail "file"
	check "wait" synced
	echo "/folder" >"$CTL/refuse"
	chmod 700 folder
	check "it is parked" wait_for 60 parked_as unknown folder
	ln folder/file other || fail "ln"
	check "the other name" wait_for 60 test -e "$T/replica1/other"
	echo two 1<>other && touch -d 2021-03-01 other || fail "written"
	check "its content" wait_for 60 grep -q two "$T/replica1/other"
	rm other || fail "rm"
	check "it goes" wait_for 60 idle
	# one that still fails does not have all others sent again at each try
	head -c 1000000 /dev/urandom >folder/large && echo x >folder/bad ||
		fail "more files"
	echo "/folder/bad" >"$CTL/refuse"
	retried
	check "all but one" cmp folder/large "$T/replica1/folder/large"
	was=$(stat -c %i "$T/replica1/folder/large")
	retried
	equal "$(stat -c %i "$T/replica1/folder/large")" "$was" "sent again"
	rm "$CTL/refuse"
	check "retry" "$MIRRORFS" retry "$T/tree" >/dev/null
	check "wait" synced
	check "same" same "$T/replica1"
}
# retried - once more, in vain
tried() { [ "$(parked_tries)" -gt "$1" ]; }
retried() {
	local n
	n=$(parked_tries)
	"$MIRRORFS" retry "$T/tree" >/dev/null || fail "retry"
	check "tried" wait_for 60 tried "$n"
}

faulty_replica
check "mount" mount_tree "${REPLICAS[@]}"
replaced_while_open true
# nor by a name that it gets meanwhile
replaced_while_open ln news second
taken_later
given_up
written_and_gone
parked
exit 0
