#!/bin/bash
# As t-sync-killed, of folders that move over the border of a filter, or between
# places where it says different things: one appears on the replica, one goes,
# one changes, whatever had been done of that when sync was killed.
. "$(dirname "$0")/functions.sh"
[ -z "$OTHER_RELEASE" ] || once
. "$TESTS/property.sh"
need rsync
expect_log "the sync process ended|lost|connection"
faulty_server
ssh_replicas 1
check "mount" mount_above 0 "${REPLICAS[@]}"
R=$T/replica1
RULES=(--exclude=/private --exclude='*.bak' --exclude=/there/*/hidden)
check "filter" "$MIRRORFS" replica set "$T/tree" r1 \
	'filter=- /private
- *.bak
- /there/*/hidden'

MOVES=("private public" "site site.bak" "here/x there/x")
prepare() {
	rm -rf "${T:?}/tree/"*
	mkdir -p "$T"/tree/{private,site,here/x/hidden,there} || fail "prepare"
	for i in 1 2 3 4 5; do
		echo "$i" >"$T/tree/private/f$i"
		echo "$i" >"$T/tree/site/f$i"
		echo "$i" >"$T/tree/here/x/hidden/f$i"
	done
}
restarted() {
	local pid
	pid=$(status_pid sync_pid)
	[ "${pid:-0}" -gt 0 ] && [ "$pid" != "$SYNC" ]
}
same_filtered() {
	rm -rf "$T/expected" && mkdir "$T/expected" &&
		rsync -aHI "${RULES[@]}" "$T/tree/" "$T/expected/" &&
		"$HELPERS/treecmp" "$T/expected" "$R"
}
# killed_at N MOVE - false: there are not so many requests
killed_at() {
	# shellcheck disable=SC2086
	set -- "$1" $2
	rm -f "$CTL/cut"
	prepare
	check "wait, before $1" synced
	check "pause" "$MIRRORFS" replica pause "$T/tree" r1
	mv "$T/tree/$2" "$T/tree/$3"
	SYNC=$(status_pid sync_pid)
	echo "$1 replica1 $SYNC" >"$CTL/cut"
	check "resume" "$MIRRORFS" replica resume "$T/tree" r1
	check "wait, $1" synced
	check "$2 to $3, killed at $1" same_filtered
	[ ! -e "$CTL/cut" ] || return 1
	check "it was killed at $1" wait_for 60 restarted
}

first=1 step=1
[ -n "${SOAK:-}" ] || first=$((72 + RANDOM % 12)) step=12 # behind the probing
for move in "${MOVES[@]}"; do
	n=$first
	while killed_at "$n" "$move"; do
		n=$((n + step))
		[ "$n" -lt 300 ] || fail "that many requests"
	done
	say "$move: killed up to $((n - step))"
done
exit 0
