#!/bin/bash
# Folders change places, and what is in them looks the same: same names, sizes
# and times. Whatever is not known of how far that came, the contents are right.
. "$(dirname "$0")/functions.sh"
expect_log "lost|connection|cannot reach|ended|refused|reset|closed|parked|applied"

faulty_server

# twins NAME... - folders that SFTP cannot tell apart
twins() {
	local d
	for d in "$@"; do
		mkdir -p "$T/tree/$d/below" && echo "${d: -1}" |
			tee "$T/tree/$d/file" >"$T/tree/$d/below/file" &&
			ln "$T/tree/$d/file" "$T/tree/$d/name" || return 1
	done
	find "$T/tree" -exec touch -hd "2020-01-01" {} +
}
is_cut() {
	[ ! -e "$CTL/cut" ]
}

mkdir "$T/tree/four" && echo 4 | tee "$T/tree/four/file" >"$T/tree/four/name" ||
	fail "files"
check "twins" twins one two three/a three/b four/a four/b five six
ssh_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced
check "same at first" same "$T/replica1"

# 1. an exchange, cut at each of its requests
for n in 1 2 3 4 5; do
	echo "$n root/one" >"$CTL/cut"
	check "swap" "$HELPERS/swapper" "$T/tree/one" "$T/tree/two"
	check "cut at $n" wait_for 60 is_cut
	check "wait, $n" synced
	check "same, cut at $n" same "$T/replica1"
done

# 2. three renames, of which the replica knows nothing yet when a file in one
# of the folders has to be compared
echo "0 root/three/a/news" >"$CTL/hold"
echo news >"$T/tree/three/a/news"
check "a request waits" wait_for 60 held 1
rm "$CTL/hold"
mv "$T/tree/three/a" "$T/tree/three/c" && mv "$T/tree/three/b" \
	"$T/tree/three/a" && mv "$T/tree/three/c" "$T/tree/three/b" ||
	fail "renames"
kill -9 "$LATE"
check "wait" synced
check "same, after three renames" same "$T/replica1"

# 3. in a folder that is put aside
swap() {
	mv "$1" "$T/tree/aside" && mv "$2" "$1" && mv "$T/tree/aside" "$2" ||
		fail "renames"
}
parked() {
	[ "$(status_get r1 parked)" = "$1" ]
}
F=$T/replica1/four
mount --bind "$F" "$F" && LOWERS+=("$F") &&
	mount -o remount,ro,bind "$F" || fail "mount"
chmod 700 "$T/tree/four"
check "it is put aside" wait_for 60 parked 1
swap "$T/tree/four/a" "$T/tree/four/b"
# files, too, that have been sent, in one batch, under the name of before
check "pause" "$MIRRORFS" replica pause "$T/tree" r1
echo 5 | tee "$T/tree/file" >"$T/tree/name" &&
	touch -d 2020-01-01 "$T/tree/file" "$T/tree/name" &&
	mv "$T/tree/file" "$T/tree/four/file" &&
	rm "$T/tree/four/name" && ln "$T/tree/name" "$T/tree/four/name" &&
	rm "$T/tree/name" ||
	fail "other files"
check "resume" "$MIRRORFS" replica resume "$T/tree" r1
check "all else is there" "$MIRRORFS" wait "$T/tree" "$T/tree/three" \
	--timeout 60
check "the parked are known" wait_for 60 parked 1
take_below "$F"
"$MIRRORFS" retry "$T/tree" >/dev/null
check "it arrives" wait_for 60 parked 0
check "wait" synced
check "same, after it was put aside" same "$T/replica1"

# 4. while everything is compared, with the records and without
while_away() {
	check "pause" "$MIRRORFS" replica pause "$T/tree" r1
	"$@" || fail "$*"
	check "resume" "$MIRRORFS" replica resume "$T/tree" r1
	check "wait: $*" synced
	check "same: $*" same "$T/replica1"
}
lose_state() {
	"$HELPERS/swapper" "$T/tree/five" "$T/tree/six" &&
		rm "$T/replica1/.mirrorfs/state"
}
told() {
	grep -q "r1: stale" "$T/state/mirrorfs.log"
}
stay_away() {
	"$HELPERS/swapper" "$T/tree/five" "$T/tree/six"
	swap "$T/tree/one" "$T/tree/two"
	echo more >>"$T/tree/more"
	wait_for 60 told
}
# files that changed within two seconds of what it has would be sent anyway
old_enough() {
	[ $(($(date +%s) - $(stat -c %Z "$T/tree/five/file"))) -gt 4 ]
}
check "some seconds" wait_for 60 old_enough
while_away lose_state
check "set" "$MIRRORFS" replica set "$T/tree" r1 max-backlog=3
while_away stay_away
exit 0
