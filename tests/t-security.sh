#!/bin/bash
# What somebody may do, and what is left of it, is the same as on the file
# system below: set-id bits after every kind of change, directories of all
# kinds, ways around a check; for callers with all kinds of ids, groups and
# capabilities.
. "$(dirname "$0")/functions.sh"

mkdir "$T/plain" || fail "mkdir"
check "mount" mount_tree
mkdir "$T/tree/probe" || fail "mkdir"

# lines REGEX FILE - so many, so that nothing is empty by accident
lines() { grep -Ec "$1" "$2"; }

# the directories take their time
PROBES="setid lower tricks"
[ -n "$SANITIZED" ] || PROBES+=" access"
# compare PROBE
compare() {
	local probe=$1
	background "$HELPERS/secprobe" "$T/plain" $probe >"$T/plain.$probe"
	"$HELPERS/secprobe" "$T/tree/probe" $probe >"$T/tree.$probe" ||
		{ tail -n 5 "$T/tree.$probe"; fail "$probe on the mount"; }
	wait "$BG" ||
		{ tail -n 5 "$T/plain.$probe"; fail "$probe on a plain folder"; }
	# with libfuse 3.17 a mount has no handles for anybody
	[ $probe != tricks ] || grep -q handle "$T/tree.tricks" ||
		sed -i '/^tricks [^ ]* [^ ]*handle/d' "$T/plain.tricks"
	# the kernel clears set-id bits before it asks, whatever we answer (tmpfs)
	sed -i '/ fallocate-zero .*: EOPNOTSUPP /d' "$T/plain.$probe" \
		"$T/tree.$probe"
	# btrfs lists these to everybody, other file systems and we do not
	[ "$(stat -f -c %T "$T/plain")" != btrfs ] ||
		sed -i '/ list-trusted: /d' "$T/plain.$probe" "$T/tree.$probe"
	diff "$T/plain.$probe" "$T/tree.$probe" >"$T/difference" || {
		head -n 40 "$T/difference"
		fail "$probe: $(lines '^<' "$T/difference") of" \
			"$(lines . "$T/plain.$probe") answers differ"
	}
}

for probe in $PROBES; do
	compare $probe
done

# the plain folder is what it should be
check "set-id bits go" grep -q \
	'^setid user write 06777: ok 100777 4001:4003' "$T/plain.setid"
check "root keeps them" grep -q \
	'^setid root write 06777: ok 106777 4001:4003' "$T/plain.setid"
check "a team keeps a lock's bit" grep -q \
	'^setid user-in-many write 02767: ok 102767 ' "$T/plain.setid"
check "nothing over a limit" grep -q '^tricks user limit-write: EFBIG' \
	"$T/plain.tricks"
check "what was looked up is closed" grep -q \
	'^tricks user search-lost: EACCES' "$T/plain.tricks"
# as on a kernel that has none, before Linux 6.6
check "umount" umount_tree
WITHOUT=${WITHOUT:+$WITHOUT,}direct-writes
check "mount, without direct writes" mount_tree
compare setid
[ -z "$SANITIZED" ] || exit 0
check "groups count" grep -q '^access user-in-many team create: ok' \
	"$T/plain.access"
check "no group" grep -q '^access user team create: EACCES' "$T/plain.access"
exit 0
