#!/bin/bash
# A file that has as many names on a replica as its file system takes: when they
# are somebody else's, the file is made anew; else its names are parked, told
# with the cause, and arrive when there are fewer.
. "$(dirname "$0")/functions.sh"
once
. "$TESTS/causes.sh"
need perl mkfs.btrfs chattr
expect_log "parked"

mkdir "$T/disk"
lay_below ext4 "$T/disk" # takes 65,000
causes_mount "$T/disk/r"
mkdir "$T/disk/names" && echo linked >linked || fail "tree"
check "wait" synced
perl -e 'link($ARGV[0], "$ARGV[1]/$_") || die "$!" for 1 .. 64999' \
	"$R/linked" "$T/disk/names" || fail "links"
equal "$(stat -c %h "$R/linked")" 65000 "the most that there can be"
ln linked second || fail "ln"
check "a second name" "$MIRRORFS" wait "$T/tree" "$T/tree/second" --timeout 120
arrived "the file made anew"
equal "$(stat -c %h "$R/linked" "$T/disk/names/1" | xargs)" "2 64999" "names"
not_held

# what cannot be removed has another name; one that is being written has its own
mkdir folder && : >folder/one && ln folder/one folder/two || fail "links"
check "wait" synced
chattr +a "$R/folder" || fail "chattr"
rm folder/one
check "it stays" wait_for 60 n_parked 1
exec 9>folder/one && chmod 600 folder/one && touch other/mark ||
	fail "another file"
check "wait" "$MIRRORFS" wait "$T/tree" "$T/tree/other/mark" --timeout 120
equal "$(stat -c %a "$R/folder/two")" 644 "the other name"
exec 9>&-
chattr -a "$R/folder" && retry || fail "retry"
arrived "what could not be removed"
cd "$T" && check "umount" umount_tree

# 240 or so, of one folder, with a btrfs of before 2012
mkdir "$T/few"
truncate -s 300M "$T/btrfs" && mkfs.btrfs -q -f -n 4096 -O ^extref \
	"$T/btrfs" >"$T/out" 2>&1 && mount -o loop "$T/btrfs" "$T/few" ||
	skip "no btrfs with few links: $(cat "$T/out")"
LOWERS+=("$T/few")
check "away" rm -r "$T/state" "$T/replica2"
causes_mount "$T/few/r"
mkdir many && echo linked >many/0 &&
	perl -e 'link("many/0", "many/name$_") || die "$!" for 1 .. 300' ||
	fail "ln"
WHAT=".*takes no more hard links"
REMEDY="it has a lower limit"
told too-many-links "many/name300" "$WHAT" "$REMEDY"
not_held
echo more >>many/0
not_held
check "none is lost" [ "$(ls "$R/many" | wc -l)" -ge 230 ]
told too-many-links "many/0" "$WHAT" "$REMEDY"
rm many/name[12]?? || fail "rm"
retry
arrived "fewer"
equal "$(stat -c %h "$R/many/0")" 101 "names"
exit 0
