#!/bin/bash
# The sync process is killed at a request to the replica: so many have been
# carried out, and nobody knows. It is started again, and the trees are equal, for
# each number of requests. Here a few numbers; SOAK: all of them.
. "$(dirname "$0")/functions.sh"
. "$TESTS/property.sh"
expect_log "the sync process ended|lost|connection"
faulty_server
ssh_replicas 1
check "mount" mount_above 0 "${REPLICAS[@]}"
R=$T/replica1

# what there is before, and then changes of all kinds
prepare() {
	rm -rf "${T:?}/tree/"* && cd "$T/tree" || fail "tree"
	mkdir -p a/b/c old/sub && echo 1 >a/one && ln a/one a/b/uno &&
		ln a/one eins && echo 2 >a/two && ln -s two a/link &&
		echo 3 >old/file && echo 4 >old/sub/file && echo 5 >kind &&
		echo x >x && echo y >y || fail "prepare"
	head -c 300000 /dev/urandom >big && cp big log || fail "prepare"
}
changes() {
	printf new | dd of=big bs=1 seek=100000 conv=notrunc status=none &&
		echo more >>log && echo more >>a/one && ln a/one old/name &&
		echo new >temporary && mv temporary a/two &&
		mv a/b moved && echo below >moved/c/file && mv a d && mkdir a &&
		echo again >a/one && rm -r old/sub && mv old a/old &&
		rm kind && mkdir kind && echo in >kind/file &&
		ln -sfn elsewhere d/link && chmod 600 eins && chown 1:1 d/two &&
		mv x z && mv y x && mv z y && rm moved/uno &&
		echo "of another" >moved/uno && touch -d 2001-01-01 a moved ||
		fail "changes"
}
restarted() {
	local pid
	pid=$(status_pid sync_pid)
	[ "${pid:-0}" -gt 0 ] && [ "$pid" != "$SYNC" ]
}
# killed_at N - false: there are not so many requests
killed_at() {
	rm -f "$CTL/cut"
	prepare
	check "wait, before $1" synced
	check "pause" "$MIRRORFS" replica pause "$T/tree" r1
	changes
	SYNC=$(status_pid sync_pid)
	check "who is to be killed" [ "$SYNC" -gt 0 ]
	echo "$1 replica1 $SYNC" >"$CTL/cut"
	check "resume" "$MIRRORFS" replica resume "$T/tree" r1
	check "wait, $1" synced
	same "$R" || fail "killed at $1"
	equal "$(status_get r1 parked)" 0 "parked, killed at $1"
	wait_for 60 no_uploads "$R" || fail "left on the stage, $1"
	[ ! -e "$CTL/cut" ] || return 1
	check "it was killed at $1" wait_for 60 restarted
}

first=1 step=1
[ -n "${SOAK:-}" ] || first=$((1 + RANDOM % 30)) step=30
n=$first
while killed_at "$n"; do
	n=$((n + step))
	[ "$n" -lt 1000 ] || fail "that many requests"
done
say "killed at $first to $((n - step))"
check "enough of them" [ "$n" -gt 60 ]
exit 0
