#!/bin/bash
# Programs have files open for reading and writing, or mapped, that are passed
# through, and the mount ends under them: its processes are killed, its connection
# is cut, or it is unmounted where the programs are not. They write on to the tree.
# The next mount knows of it: what they write reaches the replica, also the last
# of it, wherever users have moved the file.
. "$(dirname "$0")/functions.sh"
need unshare
expect_log "fs worker died|did not end well|somebody has cut|records of the last"
expect_races

pipe_replicas 1
mkdir "$T/raw" && mount --bind "$T" "$T/raw" && mount --make-private "$T/raw" ||
	skip "no bind mounts"
LOWERS+=("$T/raw")
passthrough() {
	"$MIRRORFS" status "$T/tree" --json | jq -r .passthrough
}
IN=() # where the programs are
TOLD=0

# Two programs: one has a descriptor, the other one nothing but a mapping.
begin() {
	local f
	check "mount" mount_tree "${REPLICAS[@]}"
	rm -rf "$T/tree/"* "$T/go-"* "$T/said-"*
	mkdir "$T/tree/dir" || fail "mkdir"
	for f in open mapped; do
		truncate -s 2M "$T/tree/dir/$f"
		mkfifo "$T/go-$f"
	done
	check "wait" synced
	exec 5<"$T/tree/dir/open" 6<"$T/tree/dir/mapped" # these are passed
	exec 7<>"$T/go-open" 8<>"$T/go-mapped"
	${IN[@]+"${IN[@]}"} bash -c 'exec 9<>"$1"; echo opened
		while read -r text; do
			printf %s "$text" >&9 && echo "stored $text"
		done' writer "$T/tree/dir/open" <"$T/go-open" >"$T/said-open" \
		5<&- 6<&- 7>&- 8>&- &
	PIDS=("$!")
	${IN[@]+"${IN[@]}"} "$HELPERS/mapper" "$T/tree/dir/mapped" \
		<"$T/go-mapped" >"$T/said-mapped" 5<&- 6<&- 7>&- 8>&- &
	PIDS+=("$!")
	CHILDREN+=("${PIDS[@]}")
	check "opened" wait_for 60 grep -q opened "$T/said-open"
	check "mapped" wait_for 60 grep -q mapped "$T/said-mapped"
	exec 5<&- 6<&-
}

# store TEXT OFFSET - one appends, the other one stores an X
store() {
	echo "$1" >&7 && echo "$2" >&8
	check "written" wait_for 60 grep -q "stored $1" "$T/said-open"
	check "stored" wait_for 60 grep -q "stored at $2" "$T/said-mapped"
}

# bytes FILE OFFSET COUNT
bytes() { tail -c "+$(($2 + 1))" "$1" | head -c "$3"; }
arrived() {
	[ "$(bytes "$T/replica1/open" 0 16)" = firstsecondthird ] &&
		[ "$(bytes "$T/replica1/mapped" 16384 1)" = X ]
} 2>/dev/null

told() {
	TOLD=$((TOLD + 1))
	check "it is told" wait_for 60 said_so
}
said_so() {
	[ "$(grep -c "files=2 may be written to past this mount" \
		"$T/state/mirrorfs.log")" -eq "$TOLD" ]
}

# killed - whatever comes, it is known
killed() {
	local worker
	worker=$(status_pid worker_pid)
	kill -9 "$worker"
	check "another worker" wait_for 60 worker_after "$worker"
	kill_all
	check "mount once more" mount_tree
	told
}

# go_on [COMMAND] - it is mounted again
go_on() {
	told
	# whoever has it open by the new mount, for writing, too
	exec 4<>"$T/tree/dir/open"
	equal "$(dd bs=5 count=1 status=none <&4)" first "what is read"
	equal "$(bytes "$T/tree/dir/mapped" 8192 1 | tr "\0" -)" - "what is read"
	store second 8192
	equal "$(dd bs=6 count=1 status=none <&4)" second "what is read then"
	equal "$(bytes "$T/tree/dir/mapped" 8192 1)" X "what is read then"
	[ -z "${WITHOUT-}" ] ||
		equal "$(passthrough)" "off: switched off (without)" "passthrough"
	exec 4<&-
	mv "$T/tree/dir/"* "$T/tree" || fail "mv"
	[ $# = 0 ] || "$@"
	refuse "it may go on, and all has arrived" synced 5
	store third 16384
	exec 7>&- 8>&-
	wait "${PIDS[@]}"
	check "the last of it" wait_for 60 arrived
	check "wait" synced
	check "same" same "$T/replica1"
	check "umount" umount_tree
	check "mount" mount_tree
	check "said to be over" said_so
	check "umount" umount_tree
}

begin
[ "$(passthrough)" = on ] || skip "passthrough is $(passthrough)"
kill_all
store first 4096
check "mount again" mount_tree
go_on killed

# the worker can still say what it has to
begin
supervisor=$(status_pid supervisor_pid) worker=$(status_pid worker_pid)
kill -9 "$supervisor"
check "the worker ends" wait_for 60 process_gone "$worker"
store first 4096
# the kernel knows the one by another name, outside, and not where it is
ln "$T/raw/tree/dir/open" "$T/raw/outside" || fail "ln"
check "mount again" mount_tree
rm "$T/outside"
go_on

begin
mkdir "$T/ctl" && mount -t fusectl none "$T/ctl" || skip "no fusectl"
device=$(stat -c %d "$T/tree")
echo 1 >"$T/ctl/$(((device & 255) | (device >> 12 & ~255)))/abort"
store first 4096
umount "$T/ctl" || fail "umount of fusectl"
go_on

IN=(unshare --mount --propagation private sh -c 'sh "$0" "$1"; shift; exec "$@"'
	"$TESTS/lib/alone.sh" "$T")
begin
check "umount" umount_tree
store first 4096
WITHOUT=passthrough
check "mount again" mount_tree
go_on
WITHOUT=

# without marks nobody would know
echo "[mount]
activity-log = no" >"$T/conf"
check "mount" mount_tree --config "$T/conf"
equal "$(passthrough)" "off: there is no activity log, which it needs" "passthrough"
check "umount" umount_tree
exit 0
