#!/bin/bash
# A file is open by a name that is removed, and nobody has looked at its other
# name since the mount: what is written is told by the one that is gone, and
# arrives at the other one, also on a replica that never had the first.
. "$(dirname "$0")/functions.sh"
pipe_replicas 1
mkdir "$T/tree/folder" "$T/replica2" && cd "$T/tree/folder" || fail "cd"
echo 0 >old && ln old news || fail "links"
cd "$T" || fail "cd"
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced
exec 9<"$T/tree/folder/news" && rm "$T/tree/folder/news" || fail "open"
check "wait" synced
check "add" "$MIRRORFS" replica add "$T/tree" "r2=$T/replica2"
check "wait" synced
settled() { # COUNT - times, or more, where that takes long
	[ "$("$MIRRORFS" log "$T/tree" "$T/tree/folder/news" |
		grep -c " write ")" -ge "$1" ]
}
# the second time it is known
for i in 1 2; do
	echo "$i" >"/proc/$$/fd/9" || fail "write"
	check "it has settled" wait_for 60 settled "$i"
	check "wait" synced
	equal "$(cat "$T/replica1/folder/old")" "$i" "where it had both"
	equal "$(cat "$T/replica2/folder/old")" "$i" "where it had one"
done
exec 9<&-
exit 0
