#!/bin/bash
# Filters: what a replica does not get never shows up there, what crosses the
# boundary appears or disappears, what lies there already is left alone.
. "$(dirname "$0")/functions.sh"
expect_log "parked /dir"

mkdir -p "$T/replica2" "$T/replica1/cache" "$T/tree/dir/cache" "$T/tree/site"
echo theirs >"$T/replica1/cache/theirs"
echo x >"$T/tree/dir/cache/x"
echo x >"$T/tree/dir/page.html"
echo x >"$T/tree/page.tmp"
cat >"$T/test.conf" <<-CONF
[mount]
root = $T/tree
state-dir = $T/state
exclude = *.tmp

[replica r1]
url = $T/replica1
adopt = yes
include = keep.log
exclude = *.log
exclude = cache/
exclude = /private

[replica r2]
url = $T/replica2
CONF
MOUNTS+=("$T/tree") LOGS+=("$T/state/mirrorfs.log")
# are REPLICA PATH... - exactly these are there (but for ours)
are() {
	local r=$1
	shift
	equal "$(cd "$T/$r" && find . -mindepth 1 -path ./.mirrorfs -prune -o \
		-printf '%P\n' | sort | tr '\n' ' ')" \
		"$(printf '%s\n' "$@" | sort | tr '\n' ' ')" "$r"
}
check "mount" "$MIRRORFS" mount --config "$T/test.conf"
check "wait" synced
are replica1 cache cache/theirs dir dir/page.html site
are replica2 dir dir/cache dir/cache/x dir/page.html site

# replayed
cd "$T/tree" || exit 1
echo x >site/a.log
echo x >site/keep.log
mkdir site/cache
echo x >site/cache/y
echo x >>page.tmp
mkdir private
echo x >private/secret
chmod 600 site/a.log
ln site/a.log site/b.log
check "wait" synced
are replica1 cache cache/theirs dir dir/page.html site site/keep.log
are replica2 dir dir/cache dir/cache/x dir/page.html site site/keep.log \
	site/a.log site/b.log site/cache site/cache/y private private/secret

# across the boundary, both ways, files and folders
mv page.tmp page
mv site/a.log site/a
mv site/keep.log site/old.log
mv private public
mv site/cache site/shown
mv dir/page.html dir/page.log
check "wait" synced
are replica1 cache cache/theirs dir page site site/a public public/secret \
	site/shown site/shown/y
mv public private
mv site/shown site/cache
mv page page.tmp
check "wait" synced
are replica1 cache cache/theirs dir site site/a
equal "$(cat "$T/replica2/site/a")" x "content"

# one of two names is excluded: what is written by it changes the other one
ln site/a site/other.log
echo more >>site/other.log
check "wait" synced
equal "$(cat "$T/replica1/site/a")" "$(cat site/a)" "by the other name"

# a folder with something in it that is not ours to delete stays
mkdir "$T/replica1/dir/cache"
echo theirs >"$T/replica1/dir/cache/z"
rm -r dir
check "wait" synced
are replica1 cache cache/theirs dir dir/cache dir/cache/z site site/a
equal "$(status_get r1 parked)" 0 "nothing is parked"

# … and holds up what is to take its place, until it is moved away
echo file >dir
parked() { [ "$(status_get r1 parked)" = "$1" ]; }
check "parked" wait_for 60 parked 1
check "the other replica goes on" wait_for 60 cmp -s dir "$T/replica2/dir"
equal "$("$MIRRORFS" status "$T/tree" --parked --json |
	jq -r '.[] | .path + " " + .cause')" "dir protected" "why"
equal "$(cat "$T/replica1/dir/cache/z")" theirs "it is there yet"
rm -r "$T/replica1/dir/cache"
check "again" "$MIRRORFS" retry "$T/tree"
check "wait" synced
equal "$(cat "$T/replica1/dir")" file "it has taken its place"
rm dir
mkdir dir
check "wait" synced

# a name that is excluded as a folder alone
echo x >dir/cache
check "wait" synced
check "a file" test -f "$T/replica1/dir/cache"
rm dir/cache
mkdir dir/cache
check "wait" synced
refuse "a folder" test -e "$T/replica1/dir/cache"
# … changes places with a file of that name, either way
mkdir odd
echo x >odd/cache
check "wait" synced
check "swap" "$HELPERS/swapper" "$T/tree/dir/cache" "$T/tree/odd/cache"
check "wait" synced
check "the file came" test -f "$T/replica1/dir/cache"
refuse "it stayed" test -e "$T/replica1/odd/cache"
check "swap" "$HELPERS/swapper" "$T/tree/dir/cache" "$T/tree/odd/cache"
check "wait" synced
check "the file is back" test -f "$T/replica1/odd/cache"
refuse "it stayed" test -e "$T/replica1/dir/cache"

# another filter: compared; what was sent stays
check "set" "$MIRRORFS" replica set "$T/tree" r1 'filter=- /site/a'
check "compared" wait_for 60 grep -q "r1: comparing everything: its filter" \
	"$T/state/mirrorfs.log"
echo x >now
check "wait" synced
check "what was excluded is there" test -e "$T/replica1/private/secret"
check "what is excluded now stays" test -e "$T/replica1/site/a"
refuse "what is for none" test -e "$T/replica1/page.tmp"
refuse "a pattern that is none" "$MIRRORFS" replica set "$T/tree" r1 \
	exclude=/ 2>"$T/err"
check "it is named" grep -q 'exclude: 1: "- /" is no pattern' "$T/err"

# rules in a file
printf '%s\n' '# ours' '- *.bak' >"$T/rules"
check "set" "$MIRRORFS" replica set "$T/tree" r1 filter= \
	"filter-file=$T/rules"
echo x >b.bak
echo x >c
check "wait for c" wait_for 60 test -e "$T/replica1/c"
check "wait" synced
refuse "excluded by the file" test -e "$T/replica1/b.bak"

# what was changed while it was excluded, and looks as before, when it is not any
# more; the rules in between have it, too
mkdir back
old() { touch -d 2020-02-02 back/*; }
echo AAA | tee back/file back/kept >back/other
old
check "wait" synced
compared() {
	local n
	n=$(grep -c "r1: comparing everything: its filter" \
		"$T/state/mirrorfs.log")
	[ "$n" -gt "$COMPARED" ] && [ "$(status_get r1 state)" = synced ]
}
rules() {
	COMPARED=$(grep -c "r1: comparing everything: its filter" \
		"$T/state/mirrorfs.log")
	check "set" "$MIRRORFS" replica set "$T/tree" r1 filter-file= \
		"filter=$1"
	check "compared" wait_for 60 compared
}
rules "- /back/file"
echo BBB >back/file
old
check "wait" synced
equal "$(cat "$T/replica1/back/file")" AAA "it is excluded"
rules "- /back/other"
equal "$(cat "$T/replica1/back/file")" BBB "it is not any more"
echo BBB >back/other
old
check "wait" synced
rules ""
equal "$(cat "$T/replica1/back/other")" BBB "nor is this one"
exit 0
