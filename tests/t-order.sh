#!/bin/bash
# Operations arrive as operations: renaming a folder is one rename, hard links
# are links, a replaced file is replaced by rename, and names keep their files.
. "$(dirname "$0")/functions.sh"

ssh_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
mkdir -p "$T/tree/dir/sub"
for i in $(seq 1 200); do echo "$i" >"$T/tree/dir/sub/$i"; done
check "wait" synced
inodes() { (cd "$T/replica1/$1" && find . -printf '%p %i\n' | sort); }

was=$(inodes dir)
mv "$T/tree/dir" "$T/tree/renamed"
check "wait" synced
equal "$(inodes renamed)" "$was" "a renamed folder keeps its inodes"
mkdir "$T/tree/other"
mv "$T/tree/renamed/sub" "$T/tree/other/moved"
mv "$T/tree/other/moved/7" "$T/tree/other/seven"
check "wait" synced
equal "$(stat -c %i "$T/replica1/other/moved/9")" \
	"$(printf '%s\n' "$was" | awk '$1 == "./sub/9" { print $2 }')" "moved"
equal "$(stat -c %i "$T/replica1/other/seven")" \
	"$(printf '%s\n' "$was" | awk '$1 == "./sub/7" { print $2 }')" "7"

# hard links, and a write through one of the names
ln "$T/tree/other/seven" "$T/tree/link1"
ln "$T/tree/link1" "$T/tree/other/link2"
check "wait" synced
equal "$(stat -c %h "$T/replica1/link1")" 3 "links"
echo "written through one name" >"$T/tree/other/link2"
check "wait" synced
equal "$(cat "$T/replica1/other/seven")" "written through one name" "the other"
equal "$(stat -c %h "$T/replica1/link1")" 3 "links after a write"
rm "$T/tree/link1"
check "wait" synced
equal "$(stat -c %h "$T/replica1/other/seven")" 2 "links after an unlink"

# swaps: of folders, of a link and a folder, of a file by rename
mkdir "$T/tree/v1" "$T/tree/v2"
echo 1 >"$T/tree/v1/n" && echo 2 >"$T/tree/v2/n"
ln -s v1 "$T/tree/current"
check "wait" synced
ln -s v2 "$T/tree/current.new" && mv -T "$T/tree/current.new" "$T/tree/current"
mv "$T/tree/v1" "$T/tree/v0" && mv "$T/tree/v2" "$T/tree/v1" &&
	mv "$T/tree/v0" "$T/tree/v2"
check "wait" synced
equal "$(cat "$T/replica1/v1/n") $(cat "$T/replica1/v2/n")" "2 1" "swapped"
equal "$(readlink "$T/replica1/current")" v2 "link"
rm "$T/tree/current" && mkdir "$T/tree/current" && echo x >"$T/tree/current/f"
check "wait" synced
check "a folder in place of a link" test -d "$T/replica1/current"
rm -r "$T/tree/current" && echo file >"$T/tree/current"
check "wait" synced
check "a file in place of a folder" test -f "$T/replica1/current"

# many times over the same name
for i in $(seq 1 500); do
	echo "version $i" >"$T/tree/hot.new" && mv "$T/tree/hot.new" "$T/tree/hot"
done
check "wait" synced
equal "$(cat "$T/replica1/hot")" "version 500" "the last version"
check "same" same "$T/replica1"

# What is applied long after it happened: the master is ahead by all of it.
paused() { check "pause" "$MIRRORFS" replica pause "$T/tree" r1; }
resumed() {
	check "resume" "$MIRRORFS" replica resume "$T/tree" r1
	check "wait" synced
}
# a link to a file that is still being written, where another file was
echo old >"$T/tree/taken"
check "wait" synced
paused
rm "$T/tree/taken"
exec 5>"$T/tree/writing"
echo new >&5
ln "$T/tree/writing" "$T/tree/taken"
check "resume" "$MIRRORFS" replica resume "$T/tree" r1
echo x >"$T/tree/marker"
check "wait for another file" "$MIRRORFS" wait "$T/tree" "$T/tree/marker" \
	--timeout 60
exec 5>&-
check "wait" synced
equal "$(cat "$T/replica1/taken")" new "the link to what was being written"
equal "$(stat -c %h "$T/replica1/taken")" 2 "its links"
# a link that is replaced by what is still being written, then by its twin
echo twin >"$T/tree/twin"
ln "$T/tree/twin" "$T/tree/name"
check "wait" synced
paused
exec 5>"$T/tree/writing2"
echo unfinished >&5
mv "$T/tree/writing2" "$T/tree/name"
mv "$T/tree/twin" "$T/tree/name"
exec 5>&-
resumed
refuse "the first name" test -e "$T/replica1/twin"
equal "$(cat "$T/replica1/name")" twin "the second name"
# likewise, and it has another name, too
echo twin >"$T/tree/twin"
ln "$T/tree/twin" "$T/tree/named"
check "wait" synced
paused
exec 5>"$T/tree/writing3"
echo unfinished >&5
mv "$T/tree/writing3" "$T/tree/named"
ln "$T/tree/named" "$T/tree/second"
mv "$T/tree/twin" "$T/tree/named"
exec 5>&-
resumed
refuse "the first name" test -e "$T/replica1/twin"
equal "$(cat "$T/replica1/named")" twin "the second name"
# a name that is another file's, by which that is linked, but which has gone by the
# time that all of this is applied
echo twin >"$T/tree/twin"
ln "$T/tree/twin" "$T/tree/over"
check "wait" synced
paused
rm "$T/tree/over"
echo another >"$T/tree/over"
ln "$T/tree/over" "$T/tree/linked"
mv "$T/tree/twin" "$T/tree/over"
echo third >"$T/tree/third"
mv "$T/tree/third" "$T/tree/linked"
resumed
refuse "the first name" test -e "$T/replica1/twin"
equal "$(cat "$T/replica1/over") $(cat "$T/replica1/linked")" "twin third" \
	"the others"
check "same" same "$T/replica1"
# what was to be a name of a file is a fifo
exec 5>"$T/tree/written"
echo text >&5
ln "$T/tree/written" "$T/tree/name1"
echo other >"$T/tree/name2"
check "all but what is written" wait_for 60 test -e "$T/replica1/name2"
paused
"$HELPERS/swapper" "$T/tree/name1" "$T/tree/name2" || fail "exchange"
rm "$T/tree/name2"
mkfifo "$T/tree/name2"
check "resume" "$MIRRORFS" replica resume "$T/tree" r1
echo x >"$T/tree/marker2"
check "wait for another file" "$MIRRORFS" wait "$T/tree" "$T/tree/marker2" \
	--timeout 60
exec 5>&-
check "wait" synced
refuse "a file in place of a fifo" test -e "$T/replica1/name2"
mv "$T/tree/name2" "$T/tree/name3"
check "wait" synced
refuse "nor by its next name" test -e "$T/replica1/name3"
refuse "nor by the former one" test -e "$T/replica1/name2"
# times of a folder that is still a file on the replica
mkdir -p "$T/tree/was-dir/sub" "$T/tree/moves"
check "wait" synced
paused
rm -r "$T/tree/was-dir"
echo file >"$T/tree/was-dir"
touch -d 2001-02-03 "$T/tree/was-dir"
mv "$T/tree/moves" "$T/tree/moved" # ends a batch
mv "$T/tree/was-dir" "$T/tree/is-file"
mkdir "$T/tree/was-dir"
resumed
equal "$(date -r "$T/replica1/is-file" +%Y)" 2001 "times of the file"
check "same" same "$T/replica1"
exit 0
