#!/bin/bash
# The tools that people use: cp -a, rsync -aHAX, tar, mv, editors' save by
# rename; and what they leave is the same as on the file system below.
. "$(dirname "$0")/functions.sh"
need rsync tar setfattr setfacl

# a source with everything that the tools know
S=$T/source
mkdir -p "$S/dir/deep/er" "$S/empty"
for i in 1 2 3 4 5 6 7 8 9; do
	head -c $((i * 9999)) /dev/urandom >"$S/dir/file$i"
done
ln "$S/dir/file1" "$S/dir/deep/hard"
ln -s ../file2 "$S/dir/deep/soft" && ln -s /nowhere "$S/dangling"
mkfifo "$S/fifo"
chmod 4755 "$S/dir/file3" && chmod 2775 "$S/dir/deep" && chmod 1777 "$S/empty"
chmod 0 "$S/dir/file4"
chown 1000:1001 "$S/dir/file5" && chown -h 1000:1001 "$S/dangling"
touch -d '2001-03-01 12:34:56.789' "$S/dir/file6"
touch -h -d '2002-03-01' "$S/dangling"
truncate -s 50M "$S/sparse" && printf end >>"$S/sparse"
setfattr -n user.colour -v blue "$S/dir/file7" 2>/dev/null && XATTR=1
setfacl -m u:1000:rwx "$S/dir/file8" 2>/dev/null && ACL=1
cp -a /usr/include/linux "$S/many" 2>/dev/null
touch -d '2003-03-01' "$S/dir/deep" "$S/dir" "$S"

pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"

# different A B - rsync finds nothing to do, xattrs and ACLs included
identical() {
	local out
	out=$(rsync -aHAXni --delete --checksum "$1/" "$2/") ||
		fail "rsync -n of $2"
	equal "$out" "" "differences of $2"
	"$HELPERS/treecmp" "$1" "$2" || fail "treecmp of $2"
}

cp -a "$S" "$T/tree/cp" || fail "cp -a"
identical "$S" "$T/tree/cp"
rsync -aHAX "$S/" "$T/tree/rsync/" || fail "rsync"
identical "$S" "$T/tree/rsync"
mkdir "$T/tree/tar"
tar --xattrs --acls -C "$S" -cf - . | tar --xattrs --acls -C "$T/tree/tar" \
	-xpf - || fail "tar"
identical "$S" "$T/tree/tar"
blocks=$(stat -c %b "$T/tree/cp/sparse")
check "sparse stays sparse ($blocks blocks)" test "$blocks" -lt 10000
[ -z "${XATTR:-}" ] || equal "$(getfattr --only-values -n user.colour \
	"$T/tree/cp/dir/file7")" blue "xattr"
[ -z "${ACL:-}" ] || check "acl" sh -c \
	"getfacl -n '$T/tree/cp/dir/file8' | grep -q 1000:rwx"

mv "$T/tree/rsync" "$T/tree/cp/moved" || fail "mv"
identical "$S" "$T/tree/cp/moved"
mv "$T/tree/cp/moved" "$S.2" || fail "mv out of the mount"
identical "$S" "$S.2"
cp -a "$S.2" "$T/tree/back" && rm -rf "$T/tree/back" || fail "rm -rf"
refuse "gone" test -e "$T/tree/back"

# save by rename, with a backup, as vi and sed -i do
printf 'one\n' >"$T/tree/doc"
for i in 1 2 3 4 5; do
	cp -p "$T/tree/doc" "$T/tree/doc~"
	sed -i "s/\$/ $i/" "$T/tree/doc" || fail "sed -i"
done
equal "$(cat "$T/tree/doc")" "one 1 2 3 4 5" "saved by rename"

# an unprivileged user does the same with what he may read
mkdir -m 777 "$T/tree/user"
as_user cp -r /usr/include/linux "$T/tree/user/cp" || fail "cp of a user"
equal "$(find "$T/tree/user/cp" ! -user 65534 | wc -l)" 0 "owners"
as_user diff -r /usr/include/linux "$T/tree/user/cp" || fail "diff"
as_user rm -rf "$T/tree/user/cp" || fail "rm of a user"

check "wait" synced
check "same" same "$T/replica1"
"$MIRRORFS" status "$T/tree" >"$T/out"
for kind in fifo ${XATTR:+xattr}; do
	check "$kind is told as not carried" grep -q "not carried.*$kind" \
		"$T/out"
done
exit 0
