#!/bin/bash
# The supervisor is killed while a program creates files again and again, as an
# FTP daemon would, in a folder where nothing was changed lately. Until there is
# a new mount it gets errors, and nothing else: what it is told to be done is in
# the journal, and the tree below is not there for a moment. With a mount put
# beneath the dead one, and laid over it, as on kernels before Linux 6.5. When the
# first worker of the new mount cannot serve, the tree stays closed until one can.
. "$(dirname "$0")/functions.sh"
[ -z "$SANITIZED" ] || skip "cannot be preloaded into a sanitized program"
expect_log "fs worker died|the sync process ended|journal|cannot|out of service|was not served"
expect_log "raw shows"

pipe_replicas 1
# the root is a mount by itself, as a document root often is
lay_below tmpfs "$T/tree"
mkdir "$T/tree/quiet" "$T/raw" || fail "mkdir"
mount --bind "$T/tree" "$T/raw" && mount --make-private "$T/raw" ||
	skip "no bind mounts"
LOWERS+=("$T/raw")
PLAN=$T/plan
: >"$PLAN"
export FAULTS=$PLAN
mount_again() {
	LD_PRELOAD=$HELPERS/sysfault.so mount_tree "$@"
}
# one after the other; the last one that was made is told in DONE
writer() {
	local i=0
	while [ ! -e "$T/enough" ]; do
		{ echo "$i" >"$T/tree/quiet/$1.$i"; } 2>/dev/null || continue
		echo "$i" >"$T/done"
		i=$((i + 1))
	done
}
watcher() {
	while [ ! -e "$T/enough" ]; do
		[[ $T/tree -ef $T/raw ]] && touch "$T/bare"
	done
}
made() { # NAME - how many files the tree below has
	find "$T/raw/quiet" -name "$1.*" | wc -l
}
recorded() {
	"$MIRRORFS" log "$T/tree" --op create --limit 1000000 |
		grep -c "/quiet/$1\."
}
closed() { # by a dead mount, that /run knows of
	mounted_at "$T/tree" && ! ls "$T/tree" 2>/dev/null &&
		[[ $("$MIRRORFS" status "$T/tree") == *": DEAD: "* ]]
}
more() { # MORE than so many were made
	local n
	n=$(cat "$T/done" 2>/dev/null)
	[ "${n:-0}" -gt "$1" ]
}

asks_nobody() { [ "$(status_pid supervisor_pid)" != "$ends" ]; }
# mounts_in_vain - the worker fails; another mount is told to end before its worker
# serves
mounts_in_vain() {
	echo "handle 1 1000 5 / fs-worker" >"$PLAN"
	refuse "a mount without a worker" mount_again 2>/dev/null
	check "it stays closed" closed
	rm -f "$PLAN.hits"
	echo "handle 1 1000 wait / fs-worker" >"$PLAN"
	background mount_again 2>/dev/null
	check "its worker begins" wait_for 60 test -e "$PLAN.hits"
	ends=$(status_pid supervisor_pid)
	kill "$ends"
	check "it ends" wait_for 60 asks_nobody
	echo "handle 1 1000 5 / fs-worker" >"$PLAN"
	wait "$BG"
	check "it stays closed when told to end" closed
	: >"$PLAN"
}
# round NAME MOUNTS [MEANWHILE] - that are there afterwards
round() {
	local supervisor worker sync p
	supervisor=$(status_pid supervisor_pid)
	worker=$(status_pid worker_pid) sync=$(status_pid sync_pid)
	rm -f "$T/enough" "$T/done"
	background writer "$1"
	local writer=$BG
	background watcher
	local watcher=$BG
	check "$1: it writes" wait_for 60 more 20
	kill -9 "$supervisor"
	for p in "$supervisor" "$worker" "$sync"; do
		check "$1: all end" wait_for 60 process_gone "$p"
	done
	[ -z "${3:-}" ] || "$3"
	check "$1: mount again" mount_again
	check "$1: it goes on" wait_for 60 more $(($(made "$1") + 20))
	touch "$T/enough"
	wait "$writer" "$watcher"
	refuse "$1: the bare tree was there" test -e "$T/bare"
	check "$1: wait" synced
	equal "$(recorded "$1")" "$(made "$1")" "$1: files with a record"
	check "$1: same" same "$T/replica1"
	equal "$(grep -c " $T/tree fuse" /proc/self/mounts)" "$2" "$1: mounts"
}

check "mount" mount_again "${REPLICAS[@]}"
round first 1
echo "move_mount 1 1000 22 $T/tree" >"$PLAN"
round over 2
# the kernel can again: beneath the topmost one, the other stays
: >"$PLAN"
round both 2
# no worker comes to serve at first
round vain 2 mounts_in_vain

# two at a time, as nobody knows of the dead one: who is late leaves nothing in /run
name=$("$MIRRORFS" status "$T/tree" --json | jq -r .name)
second=$(basename "$T")-second
kill_all
rm "/run/mirrorfs/$name/info" || fail "rm"
rm -f "$PLAN.hits"
echo "mkdir 1 1 wait /run/mirrorfs/$second" >"$PLAN"
LD_PRELOAD=$HELPERS/sysfault.so background "$MIRRORFS" mount "$T/tree" \
	--name "$second" --state-dir "$T/second" 2>"$T/err"
check "it begins" wait_for 60 test -e "$PLAN.hits"
check "the other one mounts" mount_tree
: >"$PLAN"
refuse "both mount" wait "$BG"
check "why" grep -q "resource busy" "$T/err"
refuse "the late one is known" test -e "/run/mirrorfs/$second"
check "wait" synced

# told to end when it serves, but the look that says "ready" is not over yet: that
# is an end like any other
serving() { grep -c "fs\[.*serving threads" "$T/state/mirrorfs.log"; }
serves() { [ "$(serving)" -gt "$before" ]; }
before=$(serving)
kill_all
rm -f "$PLAN.hits"
echo "handle 1 1000 wait / fs-worker" >"$PLAN"
background mount_again 2>/dev/null
check "its worker begins" wait_for 60 test -e "$PLAN.hits"
supervisor=$(status_pid supervisor_pid) sync=$(status_pid sync_pid)
look=$(pgrep -P "$supervisor" -f "mount $T/tree" | grep -vx "$sync")
kill -STOP $look
: >"$PLAN"
check "it serves" wait_for 60 serves
kill "$supervisor"
check "it ends" wait_for 60 process_gone "$supervisor"
kill -CONT $look
wait "$BG"
refuse "it is closed" grep -q "was not served" \
	<(tail -n 5 "$T/state/mirrorfs.log")
equal "$(grep -c " $T/tree fuse" /proc/self/mounts)" 0 "mounts"
refuse "the bare tree was there" test -e "$T/bare"
exit 0
