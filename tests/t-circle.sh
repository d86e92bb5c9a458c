#!/bin/bash
# A folder and one below it are swapped around the mount, by who is in the tree since
# before it. Who is in the lower one, through the mount, gets an error, or it works;
# nobody hangs, and the names of now are good.
. "$(dirname "$0")/functions.sh"
expect_log "shows $T|mounts show something"

mkdir -p "$T/tree" "$T/around"
mount --bind "$T/tree" "$T/around" || skip "no bind mounts"
LOWERS+=("$T/around")
mkdir -p "$T/tree/a/b" && touch "$T/tree/file" || fail "what is there before"
check "mount" mount_tree
(
	cd "$T/tree/a/b" || exit 1
	mv "$T/around/a/b" "$T/around/b" && mv "$T/around/a" "$T/around/b/a" ||
		exit 1
	timeout 60 ls -l >/dev/null 2>&1
	timeout 60 stat a >/dev/null 2>&1
	timeout 60 touch new 2>/dev/null
	[ $? -ne 124 ]
) || fail "who is in it: hangs"
check "others go on" timeout 60 stat "$T/tree/file" >/dev/null
check "where it is now" timeout 60 touch "$T/tree/b/a/below"
check "it is there" test -e "$T/around/b/a/below"
check "back" timeout 60 mv "$T/tree/b/a" "$T/tree/a"
check "and away" timeout 60 rm -r "$T/tree/b"
check "the log" sh -c "'$MIRRORFS' log '$T/tree' | grep -q ' create .*/b/a/below'"
exit 0
