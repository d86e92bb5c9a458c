#!/bin/bash
# A replica is taken over in which files are one that are several on the master,
# as hardlink(1) and snapshots by "cp -al" make them: SFTP does not tell which,
# and what one of them gets, the others must not.
. "$(dirname "$0")/functions.sh"

cd "$T/tree" || fail "cd"
mkdir dir && for f in one two dir/three a1 b1 c1 d1 last; do
	echo same >"$f"
done
ln a1 a2 && ln b1 dir/b2 && ln c1 c2 && ln d1 dir/d2 && ln -s target link1 &&
	ln -s target link2 &&
	touch -hd 2020-01-01 one two dir/three a1 b1 c1 d1 last link1 link2 ||
	fail "tree"
chmod 600 dir/three && chown -h 7:7 link2 || fail "attributes"
cp -a "$T/tree/." "$T/replica1" && cd "$T/replica1" || fail "copy"
touch -d 2020-01-02 last "$T/tree/last"
for f in two dir/three a1 a2 b1 dir/b2; do ln -f one "$f"; done
ln -Pf link1 link2 && ln last "$T/outside" || fail "ln"
kept=$(stat -c %i last c1 d1)
cd "$T" || fail "cd"

check "mount" mount_tree --adopt --replica "r1=$T/replica1"
check "wait" synced
# one shares its content with what is not in the tree, and two are as they were
equal "$(cd "$T/replica1" && stat -c %i last c1 d1)" "$kept" \
	"what was good is not sent again"
rm "$T/outside"
check "taken over" same "$T/replica1"
chmod 640 "$T/tree/two" && chown 3:3 "$T/tree/dir/b2" &&
	touch -d 2021-01-01 "$T/tree/a2" || fail "changes"
check "wait" synced
check "changed later" same "$T/replica1"
