#!/bin/bash
# Large files that wait for a place, or are on their way, while their name becomes
# another one's, or their end is cut and grows again: nothing of the file that has
# the name now, or of what was cut, is taken for theirs.
. "$(dirname "$0")/functions.sh"
[ -z "$OTHER_RELEASE" ] || once
expect_log "."
need sqlite3

MB=$((1 << 20))
ssh_replicas 1
echo $((1 << 40)) >"$T/credit"
proxy_start --credit "$T/credit" --count "$T/count"
# slow - a megabyte a second, until the file "fast" is there
trickle() {
	local n=$1
	until [ -e "$T/fast" ]; do
		echo $((n += MB / 10)) >"$T/credit"
		sleep 0.1
	done
	echo $((1 << 40)) >"$T/credit"
}
slow() {
	local n
	rm -f "$T/fast"
	read -r n <"$T/count"
	echo "$n" >"$T/credit"
	background trickle "$n"
}
fast() {
	touch "$T/fast"
	wait "$BG"
}
printf '[mount]\nroot = %s\nsettle-age = 500ms\nsettle-idle = never
delta-above = 1M\n' "$T/tree" >"$T/conf"
head -c $((3 * MB)) /dev/urandom >"$T/random"
cp "$T/random" "$T/tree/log"
head -c $((24 * MB)) /dev/urandom >"$T/tree/cut"
check "mount" mount_tree --config "$T/conf" "${REPLICAS[@]}"
check "wait" synced

# aside NAME - it has left the line
aside() {
	[ "$(sqlite3 -readonly "$T/state/journal.db" \
		"SELECT count(*) FROM aside WHERE path = CAST('$1' AS BLOB) \
		OR path = '$1'")" = 1 ]
}
# rotate - updates of others take all places, then the log waits for one
rotate() {
	local i
	for ((i = 0; i < 36; i++)); do
		head -c 300000 /dev/urandom >"$T/tree/other$i"
	done
	check "wait" synced
	slow
	for ((i = 0; i < 36; i++)); do
		head -c $((3 * MB)) "$T/random" >>"$T/tree/other$i"
	done
	check "they leave the line" wait_for 60 aside other35
	echo "more of it" >>"$T/tree/log"
	check "the log leaves the line, too" wait_for 60 aside log
	mv "$T/tree/log" "$T/tree/log.1"
	head -c 200000 /dev/urandom >"$T/tree/log"
	check "it has another name" wait_for 60 aside log.1
	check "its name is another one's" wait_for 60 cmp -s "$T/tree/log" \
		"$T/replica1/log"
	fast
	check "wait" synced 120
	check "same" same "$T/replica1"
	rm "$T/tree"/other*
	check "wait" synced
}
rotate
head -c $((3 * MB)) /dev/urandom >"$T/tree/log"
check "set" "$MIRRORFS" replica set "$T/tree" r1 update=append
check "wait" synced
rotate
check "set" "$MIRRORFS" replica set "$T/tree" r1 update=atomic
check "wait" synced

# cut, and from then on appended to, without a pause
check "pause" "$MIRRORFS" replica pause "$T/tree" r1
slow
truncate -s $((12 * MB)) "$T/tree/cut"
appends() {
	exec perl -e 'open(my $f, ">>", $ARGV[0]) or die;
		until (-e $ARGV[1]) {
			syswrite($f, "x" x 5000) or die;
			select(undef, undef, undef, 0.002);
		}' "$T/tree/cut" "$T/stop"
}
trickle=$BG
background appends
sleep 1
check "resume" "$MIRRORFS" replica resume "$T/tree" r1
sleep 4
touch "$T/stop"
wait "$BG"
BG=$trickle
fast
check "wait" synced 120
check "same" same "$T/replica1"
check "umount" umount_tree
sshd_stop

# a server without hard links: a new name of it while it is on its way
rm -rf "$T"/tree/* "$T/state" "$T/replica1"
SSHD_SFTP="internal-sftp -P hardlink" ssh_replicas 1
proxy_start --credit "$T/credit" --count "$T/count"
head -c $((3 * MB)) /dev/urandom >"$T/tree/one"
check "mount" mount_tree "${REPLICAS[@]}" -o parallel-above=never
check "wait" synced
slow
head -c $((3 * MB)) /dev/urandom >"$T/tree/one"
check "it leaves the line" wait_for 60 aside one
ln "$T/tree/one" "$T/tree/two"
check "its new name" wait_for 60 test -e "$T/replica1/two"
fast
check "wait" synced
check "same" same "$T/replica1" --copies
exit 0
