#!/bin/bash
# A server lets a client have so many files open: no more are asked for, also of
# many small files at once, of each of which the old content is open as well.
. "$(dirname "$0")/functions.sh"
. "$TESTS/property.sh"
need prlimit
FILES=150
LIMIT=59 # what OpenSSH tells with these descriptors

faulty_server
SSHD_SFTP="$(command -v prlimit) --nofile=64 $SSHD_SFTP"
ssh_replicas 1
proxy_start --delay 5
"$HELPERS/benchtool" files "$T/tree" 1 $FILES 20000 || fail "files"
check "mount" mount_above 0 "${REPLICAS[@]}"
check "wait" synced
check "pause" "$MIRRORFS" replica pause "$T/tree" r1
check "paused" wait_for 60 state_is r1 paused
find "$T/tree" -type f | while read -r f; do
	printf hello | dd of="$f" bs=1 seek=9000 conv=notrunc status=none
done || fail "write"
touch "$CTL/open"
check "resume" "$MIRRORFS" replica resume "$T/tree" r1
check "wait" synced
most=$(tail -n 1 "$CTL/open")
say "$most files were open at once"
[ "$most" -le $LIMIT ] || fail "$most, where $LIMIT are allowed"
check "same" same "$T/replica1"
# without handles below all of a file travels
[ "$most" -gt $((LIMIT / 2 + 1)) ] || skip "the old content is not opened here"
exit 0
