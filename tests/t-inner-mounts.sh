#!/bin/bash
# A tree is one file system: a mount inside is refused, one that comes later is
# told, and a btrfs subvolume inside is neither entered nor mirrored.
. "$(dirname "$0")/functions.sh"

# refused before anything is done
mkdir "$T/tree/sub" "$T/other"
echo below >"$T/tree/sub/file"
for what in tmpfs bind; do
	if [ $what = tmpfs ]; then
		lay_below tmpfs "$T/tree/sub"
	else
		mount --bind "$T/other" "$T/tree/sub" || fail "bind"
		LOWERS+=("$T/tree/sub")
	fi
	refuse "$what inside" "$MIRRORFS" mount "$T/tree" \
		--state-dir "$T/state" 2>"$T/err"
	check "it is named" grep -q "$T/tree/sub is another mount" "$T/err"
	refuse "a state folder" test -e "$T/state"
	take_below "$T/tree/sub" || fail "umount"
done

mkdir "$T/tree/"$'esc\033[31m'
mount --bind "$T/other" "$T/tree/"$'esc\033[31m' || fail "bind"
LOWERS+=("$T/tree/"$'esc\033[31m')
refuse "inside, by a hostile name" "$MIRRORFS" mount "$T/tree" \
	--state-dir "$T/state" 2>"$T/err"
check "it is named, escaped" grep -qF 'tree/esc\x1b[31m is another' "$T/err"
take_below "$T/tree/"$'esc\033[31m' || fail "umount"

# later: said in the log and by status as long as it is there
told() {
	"$MIRRORFS" status "$T/tree" >"$T/status"
	grep -q "not mirrored: $1\$" "$T/status"
}
in_log() { grep -q "$1" "$T/state/mirrorfs.log"; }
expect_log "mounted inside"
pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
refuse "told for no reason" told ".*"
mount --bind "$T/other" "$T/tree/sub" || fail "bind later"
LOWERS+=("$T/tree/sub")
check "warned" wait_for 60 in_log "warning.*mounted inside.*$T/tree/sub:"
check "told by status" told "$T/tree/sub"
echo covered >"$T/tree/sub/other"
take_below "$T/tree/sub" || fail "umount later"
mount --bind "$T/other" "$T/tree/"$'esc\033[31m' || fail "bind"
LOWERS+=("$T/tree/"$'esc\033[31m')
check "told, escaped" told "$T/tree/esc\\\\x1b.31m"
take_below "$T/tree/"$'esc\033[31m' || fail "umount"
check "its end" wait_for 60 in_log "notice.*nothing is mounted inside"
refuse "told after its end" told ".*"
equal "$(cat "$T/tree/sub/file")" below "what was covered"
check "wait" synced
check "same" same "$T/replica1"
refuse "what was written into it is there" test -e "$T/replica1/sub/other"
check "umount" umount_tree

# a subvolume
need btrfs
rm -rf "$T/state" "$T/replica1"
lay_below btrfs "$T/tree"
btrfs -q subvolume create "$T/tree/vol" || fail "subvolume"
echo inside >"$T/tree/vol/file"
echo beside >"$T/tree/file"
pipe_replicas 1
check "mount over btrfs" mount_tree "${REPLICAS[@]}"
check "listed" sh -c "ls '$T/tree' 2>/dev/null | grep -qx vol"
[[ $(LC_ALL=C cat "$T/tree/vol/file" 2>&1) == *cross-device* ]] ||
	fail "a subvolume is entered"
[[ $(LC_ALL=C touch "$T/tree/vol/new" 2>&1) == *cross-device* ]] ||
	fail "a subvolume is written to"
check "wait" synced
equal "$(cat "$T/replica1/file")" beside "what is beside it"
refuse "the subvolume is mirrored" test -e "$T/replica1/vol"
check "told as not carried" sh -c "'$MIRRORFS' status '$T/tree' |
	grep -q 'not carried.*subvolume.*/vol'"
exit 0
