#!/bin/bash
# What is refused has nothing else sent again, however large: neither what has
# arrived by then nor what has left the line, in the same new folder, in the
# same batch. The bytes on the line tell.
. "$(dirname "$0")/functions.sh"
expect_log "parked"

MB=$((1 << 20))
faulty_server
ssh_replicas 1
proxy_start --count "$T/count"
check "mount" mount_tree "${REPLICAS[@]}"
echo x >"$T/tree/first"
check "wait" synced

parked() { [ "$(status_get r1 parked)" = "$1" ]; }
passed() { cat "$T/count"; }
work() {
	mkdir "$T/tree/$1" && cd "$T/tree/$1" || return
	echo x >refused-1 && head -c $((20 * MB)) /dev/urandom >large &&
		echo x >refused-2 && echo x >small && chmod 750 . "$T/tree" &&
		chmod 755 "$T/tree"
	cd "$T" || return
}
beside() { # FOLDER
	local before
	"$MIRRORFS" replica pause "$T/tree" r1 || fail "pause"
	work "$1" || fail "work"
	before=$(passed)
	echo refused >"$CTL/refuse"
	"$MIRRORFS" replica resume "$T/tree" r1 || fail "resume"
	check "they are parked" wait_for 60 parked 2
	check "the others arrive" "$MIRRORFS" wait "$T/tree" \
		"$T/tree/$1/large" "$T/tree/$1/small" --timeout 60
	cmp "$T/tree/$1/large" "$T/replica1/$1/large" || fail "large"
	say "$1: $((($(passed) - before) / MB)) MB"
	check "nothing went twice" [ $(($(passed) - before)) -lt $((28 * MB)) ]
	rm "$CTL/refuse"
	check "retry" "$MIRRORFS" retry "$T/tree"
	check "wait" synced
	check "same" same "$T/replica1"
	check "nor by the retry" [ $(($(passed) - before)) -lt $((28 * MB)) ]
}
beside aside
check "set" "$MIRRORFS" replica set "$T/tree" r1 aside-above=never
beside in-line
exit 0
