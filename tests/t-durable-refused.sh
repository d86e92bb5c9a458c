#!/bin/bash
# The replica's disk says at an fsync of a folder, or of a file that got another
# mode, that it has lost something. It says so once, so to ask again would not help:
# what the replica got is not taken for safe, and is compared when it comes back.
# A content has its name only when its fsync was answered well. By the preset.
. "$(dirname "$0")/functions.sh"
need sqlite3
expect_log "lost|connection"
DURABLE=
faulty_replica
check "mount" mount_tree "${REPLICAS[@]}"
mkdir "$T/tree/folder" && echo one >"$T/tree/folder/file" || fail "write"
check "wait" synced
sql() {
	sqlite3 "$T/state/journal.db" ".timeout 10000" "$1"
}
equal "$(sql "SELECT count(*) FROM unsafe")" 0 "marks before"

# the rename that publishes a content waits for its fsync, and is not sent when
# that is refused: then it is written once more
fsynced() { # 2: not before the rename; 1: none was refused
	awk '
	/^> [0-9]+ 6 .*two.0a$/ { handle = substr($4, 1, 24); id = good = 0 }
	/fsync@openssh.com/ && handle && index($4, handle) { id = $2 }
	$1 == "<" && $2 == id { good = $3 == 0; refused += !good; id = 0 }
	/rename@openssh.com.*\/folder\/file$/ { bad += !good; good = 0 }
	END { exit bad ? 2 : !refused }' "$CTL/requests"
}
: >"$CTL/requests"
for ((i = 0; i < 40; i++)); do
	# which of a batch it is, is left to chance
	echo "fsync@openssh.com 1 $((RANDOM % 4))" >"$CTL/refuse"
	echo two >"$T/tree/folder/file" || fail "write"
	check "wait, content $i" synced
	rm -f "$CTL/refuse"
	fsynced && break
	[ $? = 1 ] || fail "published before it was fsynced"
done
check "a content was refused its fsync" fsynced
equal "$(cat "$T/replica1/folder/file")" two "what is there then"
rm "$CTL/requests"

sql "DELETE FROM unsafe"
again() { same "$T/replica1"; } >/dev/null
marked=0
# all of it without contents, which would be sent again. Each fsync of a batch: of
# that of the state file nothing has to be known, an old one is noticed
for ((i = 0; i < 12; i++)); do
	echo "fsync@openssh.com 1 $((i / 3))" >"$CTL/refuse"
	case $((i % 3)) in
	0) mv "$T/tree/folder/file" "$T/tree/folder/new" &&
		mv "$T/tree/folder/new" "$T/tree/file" &&
		mv "$T/tree/file" "$T/tree/folder/file" ;;
	1) mkdir "$T/tree/folder/new$i" ;;
	2) chmod "6$((i % 7))0" "$T/tree/folder/file" ;;
	esac || fail "change $i"
	check "wait, $i" synced
	rm -f "$CTL/refuse" # there may not be so many
	if [ "$(sql "SELECT count(*) FROM unsafe")" = 1 ]; then
		say "$i: $(sql "SELECT * FROM unsafe")"
		marked=$((marked + 1))
		rm -rf "$T/replica1/folder/new$i"
		sshd_cut
		check "what it has lost comes again, $i" wait_for 60 again
	fi
	check "wait again, $i" synced
	check "same, $i" same "$T/replica1"
	sql "DELETE FROM unsafe"
done
check "marks were put, $marked times" [ $marked -ge 3 ]

# others are lifted after a minute, when Linux has written all by itself: this not
mark() {
	for ((i = 0; i < 6; i++)); do
		echo "fsync@openssh.com 1 $i" >"$CTL/refuse"
		mkdir "$T/tree/folder/mark$i" || fail "mkdir"
		check "wait, for a mark" synced
		[ "$(sql "SELECT count(*) FROM unsafe")" = 0 ] || return 0
	done
	return 1
}
if [ -n "${SOAK:-}" ]; then
	check "a mark" mark
	sleep 80
	touch "$T/tree/later"
	check "wait, later" synced
	equal "$(sql "SELECT count(*) FROM unsafe")" 1 "marks, later"
fi
check "umount" umount_tree

# who cannot do it to folders at all is not asked, and doubted, each time
echo "fsync@openssh.com 1 1" >"$CTL/refuse"
sql "DELETE FROM unsafe"
check "mount again" mount_tree
check "wait, again" synced
"$MIRRORFS" replica list "$T/tree" --verbose >"$T/list"
check "it is shown" grep -q "fsync-folder" "$T/list"
echo "fsync@openssh.com 100 0" >"$CTL/refuse"
mkdir "$T/tree/folder/last"
mv "$T/tree/folder/file" "$T/tree/folder/last/"
check "wait, last" synced
equal "$(sql "SELECT count(*) FROM unsafe")" 0 "marks, without fsync of folders"
check "same, last" same "$T/replica1"
exit 0
