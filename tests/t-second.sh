#!/bin/bash
# Large files travel over a second connection as well: it is made when it is
# worth it, and where it cannot be had, is not wanted or ends, all arrives all
# the same. The server holds what is written back, so that what is under way can
# be looked at.
. "$(dirname "$0")/functions.sh"

SIZE=12000000
mark() { head -c "$SIZE" < <(yes "large $1 MARK"); }
connections() { process_children "$SSHD_PID" | wc -w; }
has() { [ "$(connections)" -eq "$1" ]; }
# start PROXY-OPTIONS MOUNT-OPTION...
start() {
	local most=$1
	shift
	rm -rf "$T/control" "$T/state" "$T/replica1" "$T/tree"
	mkdir "$T/replica1" "$T/tree"
	faulty_server
	ssh_replicas 1
	# shellcheck disable=SC2086
	proxy_start $most
	check "mount" mount_tree "${REPLICAS[@]}" "$@"
	echo first >"$T/tree/small"
	check "wait" synced
	check "one connection for what is small" wait_for 60 has 1
	FIRST=$(process_children "$SSHD_PID" | xargs)
}
finish() {
	check "wait" synced 200
	check "same" same "$T/replica1"
	refuse "parked" parked_as r1 .
	check "left on the stage" wait_for 60 no_uploads "$T/replica1"
	check "umount" umount_tree
	refuse "sync died" grep "the sync process ended" "$T/state/mirrorfs.log"
	end_process "$PROXY"
	sshd_stop
}
hold() { echo "6 MARK" >"$CTL/hold"; }
release() { rm "$CTL/hold" && touch "$CTL/release"; }
# below PROCESS ANCESTOR - it, or a child of its children
below() {
	local p=$1
	while [ "${p:-0}" -gt 1 ] && [ "$p" != "$2" ]; do
		p=$(awk '{ print $4 }' "/proc/$p/stat")
	done
	[ "$p" = "$2" ]
} 2>/dev/null
# release_first - what the server of the first connection holds; the other one
# goes on holding.
release_first() {
	local held
	rm "$CTL/hold"
	for held in "$CTL"/held.[0-9]*; do
		! below "${held##*.}" "$FIRST" ||
			touch "$CTL/release.${held##*.}"
	done
}
# second - the sshd of the other one
second() {
	process_children "$SSHD_PID" | xargs -n 1 | grep -vx "$FIRST"
}
both_hold() {
	local told=("$CTL"/held.[0-9]*)
	[ ${#told[@]} -eq 2 ] && has 2
}

# begin N... - large files of which pieces wait in two servers. The first one may
# hold too much already when the second connection comes: then once more.
begin() {
	local n try
	for try in 1 2 3; do
		start "" -o parallel-above=4M
		hold
		for n; do mark "$n" >"$T/tree/large$n" || fail write; done
		wait_for 40 both_hold && return 0
		echo "one server holds: once more" >&2
		release
		finish
	done
	fail "pieces wait in two servers"
}

# 1. made at need, used by several, and for what is next
begin 1 2
echo second >"$T/tree/small"
refuse "a part is visible" test -e "$T/replica1/large1"
release
check "wait" synced
cmp <(mark 1) "$T/replica1/large1" || fail "large1"
check "it stays for the next one" has 2
mark 3 | tee "$T/tree/large3" >"$T/tree/large2"
truncate -s $((SIZE * 2)) "$T/tree/large1"
chmod 4711 "$T/tree/large3"
touch -d @1000000000.5 "$T/tree/large2"
check "wait" synced
[ "${SOAK:-1}" = 1 ] || check "it goes after a minute" wait_for 120 has 1
finish

# 1b. it is not ended while something is open there, however slow that is
if [ "${SOAK:-1}" != 1 ]; then
	start "" -o parallel-above=11300000
	hold
	mark 1 >"$T/tree/large1" || fail write
	check "pieces wait in two servers" wait_for 60 both_hold
	release_first
	for i in {1..80}; do
		echo $i >"$T/tree/small"
		sleep 1
	done
	check "small ones arrive" cmp "$T/tree/small" "$T/replica1/small"
	check "it is there" has 2
	touch "$CTL/release"
	finish
fi

# 2. changed, cut, renamed and removed while it is under way
begin 1 2 3 4
mark 5 | dd of="$T/tree/large1" bs=1M seek=3 conv=notrunc status=none
truncate -s 1000000 "$T/tree/large2"
mv "$T/tree/large3" "$T/tree/renamed"
rm "$T/tree/large4"
release
finish

# 3. one ends: so does the other one, and what is next has one
for which in second first; do
	begin 1
	[ $which = first ] && pid=$FIRST || pid=$(second)
	# shellcheck disable=SC2046
	kill -9 "$pid" $(process_children "$pid")
	release
	check "wait" synced 200
	[ $which = first ] ||
		check "it is told" wait_for 60 grep -q "the second connection: " \
			"$T/state/mirrorfs.log"
	check "one" wait_for 60 has 1
	mark 2 >"$T/tree/large2"
	check "wait" synced 200
	check "not once more" has 1
	finish
done

# 4. there cannot be another one
start "--most 1" -o parallel-above=4M
mark 1 >"$T/tree/large1"
told() { grep -q "second connection: .*going on with one" "$T/state/mirrorfs.log"; }
check "it is told" wait_for 60 told
mark 2 >"$T/tree/large2"
finish

# 5. there is to be none
start "" -o parallel-above=never
hold
mark 1 >"$T/tree/large1"
check "pieces wait" wait_for 60 held 1
sleep 0.5
check "one" has 1
release
finish
exit 0
