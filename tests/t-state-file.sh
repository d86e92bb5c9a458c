#!/bin/bash
# The state file of a replica is written by a handful of requests. Cut at each
# of them it is the old one or the new one, never a part, and known to be ours:
# nothing is compared as a whole.
. "$(dirname "$0")/functions.sh"
once
DURABLE=yes
faulty_server
ssh_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced

whole() {
	[[ $(cat "$T/replica1/.mirrorfs/state") =~ \
		^uuid=[0-9a-f-]{36}$'\n'seq=[0-9]+$'\n'turn=[0-9]+$'\n'replica=[0-9]+$'\n'sum=[0-9a-f]{16}$ ]]
}
is_cut() {
	whole || fail "the state file is not whole"
	date +%N >>"$T/tree/file"
	[ ! -e "$CTL/cut" ]
}
# cut_each WHERE COUNT - at each of the first requests
cut_each() {
	local n
	for ((n = 1; n <= $2; n++)); do
		echo "$n /state" >"$CTL/cut"
		check "cut at $n, $1" wait_for 60 is_cut
		check "wait, $n, $1" synced
		whole || fail "it is not whole after cut $n, $1"
		check "same, cut at $n, $1" same "$T/replica1"
	done
}
# open, write, fsync, close, rename, and of its folder open, fsync, close
cut_each near 8
# refused once, at its opening, or in what is written: it is written all the same
refused() { [ ! -e "$CTL/refuse" ]; }
for text in /state uuid=; do
	echo "$text 1" >"$CTL/refuse"
	echo "$text" >>"$T/tree/file"
	check "$text is refused" wait_for 60 refused
	check "wait, refused $text" synced
	sshd_cut
	echo "then $text" >>"$T/tree/file"
	check "wait, after $text" synced
done
check "umount" umount_tree
# on a long line it is open in advance: rename, then the same
proxy_start --delay 4
rm -r "$T/replica1/.mirrorfs" "$T/replica1/file"
check "mount, far" mount_at "$T/tree" "$T/far" "${REPLICAS[@]}"
check "wait, far" synced
cut_each far 4
# and the next one is opened right behind its rename, as the next batch may begin
# at once: rename, fsync and close of the folder, open; and of what the stage has
# in advance, an open for the one that was used. It is a batch of one file: what
# is seen before it is closed would be another one.
sync_pid=$(status_pid sync_pid)
noted() { [ "$(status_get r1 lag_records)" = 2 ]; } # that it is written, and closed
echo "200 /state" >"$CTL/hold"
kill -STOP "$sync_pid"
date +%N >>"$T/tree/file"
check "both records" wait_for 60 noted
kill -CONT "$sync_pid"
check "the next one is opened" wait_for 60 held 5
touch "$CTL/release"
check "wait, held" synced
check "same, held" same "$T/replica1"
if grep "comparing everything" "$T"/{state,far}/mirrorfs.log; then
	fail "everything was compared"
fi
exit 0
