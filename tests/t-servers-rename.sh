#!/bin/bash
# A server without posix-rename: to replace is to remove and to rename. A
# connection that is cut between the two costs nothing but time.
. "$(dirname "$0")/functions.sh"
expect_log "lost|connection|cannot reach|ended|refused|reset|closed"

faulty_replica -P posix-rename
for f in file linked other; do echo first $f >"$T/tree/$f"; done
ln "$T/tree/linked" "$T/tree/second"
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced

# cut_after_removal PATH CHANGE... - the change replaces the path there; the
# server has removed it when the connection is gone.
cut_after_removal() {
	local path=$1
	shift
	echo "13 /$path" >"$CTL/hold"
	"$@" || fail "$*"
	check "it is being replaced" wait_for 60 held 1
	kill -USR1 "$PROXY"
	check "it is told" wait_for 60 state_is r1 offline
	touch "$CTL/release"
	check "the server ends" wait_for 60 process_gone "$LATE"
	refuse "$path is still there" test -e "$T/replica1/$path"
	rm -f "$CTL/hold" "$CTL/held" "$CTL/release"
	kill -USR2 "$PROXY"
	check "the next connection" synced
	check "after $path" same "$T/replica1"
}
replace() { echo "second $1" >"$T/tree/new" && mv "$T/tree/new" "$T/tree/$1"; }
append() { echo more >>"$T/tree/$1"; }
cut_after_removal file replace file
cut_after_removal second append linked
cut_after_removal other mv "$T/tree/file" "$T/tree/other"
equal "$(grep -c "comparing everything" "$T/state/mirrorfs.log")" 0 \
	"comparisons of everything"
cut_after_removal .mirrorfs/state append other
equal "$(grep -c "comparing everything" "$T/state/mirrorfs.log")" 0 \
	"comparisons of everything"

# nor does it in a first copy: what is there is known to be ours, though there
# is no state file, and nothing but what the copy has brought
check "umount" umount_tree
rm -r "$T/replica1" && mkdir "$T/replica1" "$T/tree/folder" || fail "mkdir"
echo "14 /folder" >"$CTL/hold"
check "mount" mount_at "$T/tree" "$T/first" "${REPLICAS[@]}"
check "the first copy has begun" wait_for 60 held 1
check "with a state file" test -e "$T/replica1/.mirrorfs/state"
kill -USR1 "$PROXY"
check "it is told" wait_for 60 state_is r1 offline
touch "$CTL/release"
check "the server ends" wait_for 60 process_gone "$LATE"
rm "$CTL/hold" "$CTL/held" "$CTL/release"
cut_after_removal .mirrorfs/state kill -USR2 "$PROXY"
exit 0
