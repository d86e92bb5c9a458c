#!/bin/bash
# A symbolic link that is swapped in while somebody works leads nobody out of
# the tree: not the worker, not the sync process, and not on the replica.
. "$(dirname "$0")/functions.sh"

# what is swapped faster than it can be compared is tried again later
expect_races

mkdir "$T/outside" "$T/outside/folder" "$T/plain" &&
	echo secret-content >"$T/outside/file" &&
	echo secret-content >"$T/outside/other" &&
	: >"$T/outside/secret" && chmod 700 "$T/outside" ||
	fail "outside"
# all that an inode tells: a change of any kind moves its ctime
inventory() {
	find "$T/outside" -printf '%p %i %n %m %u %g %s %T@ %C@\n' | sort
	md5sum "$T/outside/file" "$T/outside/other"
}
inventory >"$T/before"
untouched() {
	inventory | diff "$T/before" - >"$T/difference" ||
		{ cat "$T/difference"; fail "outside was touched $1"; }
}

# folders that are links on a replica that is taken over, and a file with a
# name in each of them: the upload ends when all names are known
pipe_replicas 1
head -c 30000000 /dev/zero | tr '\0' x >"$T/tree/one" &&
	for i in 1 2 3 4 5 6; do
		mkdir "$T/tree/folder$i" &&
			ln "$T/tree/one" "$T/tree/folder$i/linked" &&
			ln -s ../outside "$T/replica1/folder$i" || fail "links"
	done
check "mount" mount_tree "${REPLICAS[@]}" --adopt
check "wait" synced
untouched "by names that are still to be made"
check "same" same "$T/replica1"
rm -r "$T/tree/one" "$T/tree"/folder? || fail "rm"

"$HELPERS/swapper" "$T/plain" "$T/outside" 1 65534 || fail "on a plain folder"
untouched "by the test itself"
"$HELPERS/swapper" "$T/tree" "$T/outside" 5 65534 || fail "on the mount"
untouched "through the mount"
check "wait" synced
untouched "by sync"
check "same" same "$T/replica1"
# nothing from there has come in
inside() {
	! find "$@" -type f -exec grep -l secret-content {} + | grep .
}
check "nothing from outside" inside "$T/tree" "$T/replica1"
# and by the comparison of a replica that has fallen behind: reconcile reads
# the tree by path while the names go back and forth
"$MIRRORFS" replica remove "$T/tree" r1 || fail "replica remove"
rm "$T/tree/link" "$T/tree/dir" 2>/dev/null
rm -rf "$T/tree/link" "$T/tree/dir" "$T/tree/out" "$T/replica2"
mkdir "$T/replica2" || fail "mkdir"
background "$HELPERS/swapper" "$T/tree" "$T/outside" 4 65534
for i in 1 2 3; do
	"$MIRRORFS" replica add "$T/tree" "r2=$T/replica2" --adopt ||
		fail "replica add"
	wait_for 60 eval '[[ $(status_get r2 state) == @(synced|replaying) ]]'
	"$MIRRORFS" replica remove "$T/tree" r2 || fail "replica remove"
done
"$MIRRORFS" replica add "$T/tree" "r2=$T/replica2" --adopt ||
	fail "replica add"
wait "$BG" || fail "on the mount, with reconcile"
check "wait" synced
untouched "by reconcile"
check "same" same "$T/replica2"
check "nothing from outside" inside "$T/tree" "$T/replica2"
exit 0
