#!/bin/bash
# The state file of a replica is written by a handful of requests. Cut at each
# of them it is the old one or the new one, never a part, and known to be ours:
# nothing is compared as a whole.
. "$(dirname "$0")/functions.sh"
faulty_server
ssh_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced

whole() {
	[[ $(cat "$T/replica1/.mirrorfs/state") =~ \
		^uuid=[0-9a-f-]{36}$'\n'seq=[0-9]+$ ]]
}
is_cut() {
	whole || fail "the state file is not whole"
	date +%N >>"$T/tree/file"
	[ ! -e "$CTL/cut" ]
}
for n in 1 2 3 4 5; do # open, write, fsync, close, rename
	echo "$n /state" >"$CTL/cut"
	check "cut at $n" wait_for 30 is_cut
	check "wait, $n" synced
	whole || fail "it is not whole after cut $n"
	check "same, cut at $n" same "$T/replica1"
done
if grep "comparing everything" "$T/state/mirrorfs.log"; then
	fail "everything was compared"
fi
exit 0
