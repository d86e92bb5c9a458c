#!/bin/bash
# On a long line contents of the next batch are uploaded before this one has
# ended, and once; what happens to those files until it is their turn is seen on
# the replica all the same. The bytes on the line tell.
. "$(dirname "$0")/functions.sh"
DURABLE=yes
KB=1024
SIZE=$((200 * KB)) FILES=8

faulty_server
ssh_replicas 1
proxy_start --delay 4 --count "$T/count"
passed() { cat "$T/count"; }
moved() { [ $(($(passed) - BEFORE)) -ge "$1" ]; }
data() { head -c $SIZE /dev/urandom >"$1"; }
# begin NAME - the publishing of a file, and all that the server is asked after
# that, waits; new files are on their way meanwhile
begin() {
	local i
	check "mount" mount_tree "${REPLICAS[@]}"
	echo x >"$T/tree/first$1" && mkdir "$T/tree/dir$1" || fail "work"
	check "wait" synced
	echo "200 /gate$1" >"$CTL/hold"
	echo x >"$T/tree/gate$1"
	check "held" wait_for 30 held 1
	BEFORE=$(passed)
	cd "$T/tree" || fail "cd"
	for ((i = 1; i <= FILES; i++)); do
		data "$1$i" || fail "write"
	done
	# but for one or two that are looked at while they are being closed
	check "they are on their way" wait_for 30 moved $(((FILES - 2) * SIZE))
}
uploads() { find "$T/replica1/.mirrorfs/stage" -type f -size +0; }
no_uploads() { [ -z "$(uploads)" ]; }
end() {
	touch "$CTL/release"
	cd "$T" || fail "cd"
	check "wait, $1" synced
	check "same, $1" same "$T/replica1"
	equal "$(status_get r1 parked)" 0 "parked, $1"
	say "$1: $((($(passed) - BEFORE) / KB)) KB"
}

begin same
end "nothing else happens"
refuse "something went twice" moved $(((FILES + 1) * SIZE))
check "umount" umount_tree
rm "$CTL"/{hold,release,held}

begin other
chmod 640 other1
printf hello | dd of=other2 bs=1 seek=$KB conv=notrunc status=none
rm other3
mv other4 dirother/other4
rm other5 && data other5
ln other6 dirother/other6
chown 1003:1004 other7
mv other7 other8
end "much happens"
check "left on the stage" wait_for 30 no_uploads
check "umount" umount_tree
exit 0
