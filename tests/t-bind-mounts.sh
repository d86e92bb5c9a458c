#!/bin/bash
# Another mount that shows something of the tree below, since before the mount, is
# told at the mount (and by status): what is written there goes around mirrorfs. One
# that shows more than the tree is told by status only. Not told is what nobody can
# write through, what the mount covers, and what was made of the mount itself.
. "$(dirname "$0")/functions.sh"
expect_log "shows $T|mounts show something"

mkdir -p "$T/below" "$T/peer" "$T/bob" "$T/all" "$T/ro" "$T/gone" \
	"$T/disk" "$T/treehouse" "$T/later" || fail "mkdir"
rmdir "$T/tree"
lay_below tmpfs "$T/below"
mount --make-private "$T/below"
ROOT=$T/below/tree
mkdir -p "$ROOT/site" "$ROOT/old" "$T/below/treehouse"
touch "$ROOT/conf" "$T/file"
mount_root() { mount_at "$ROOT" "$T/state" "$@" 2>"$T/err"; }
# bind FROM TO [OPTION...]
bind() {
	mount --bind "$1" "$2" || skip "no bind mounts"
	LOWERS+=("$2")
	[ $# -eq 2 ] || mount "${@:3}" "$2" || fail "mount ${*:3}"
}
warned() { grep -c "^mirrorfs: warning: " "$T/err"; }
told() { # AT WHAT - at the mount, and in the log
	grep -q "^mirrorfs: warning: $1 shows $2 since before the mount" \
		"$T/err" || fail "not told of $1: $(<"$T/err")"
	check "logged: $1" wait_for 60 grep -q " warning .*: $1 shows $2 " \
		"$T/state/mirrorfs.log"
}
around() { # AT... - and nothing else, by status
	equal "$("$MIRRORFS" status "$ROOT" --json |
		jq -r '[.mounts_around[].at] | sort | join(" ")')" "$*" \
		"mounts around"
}

# nothing to tell of, not even of what only begins like the tree
bind "$T/below/treehouse" "$T/treehouse"
check "mount" mount_root
equal "$(warned)" 0 "warnings for nothing"
around
# what is made of the mount shows the mount
bind "$ROOT/site" "$T/later"
around
echo later >"$T/later/file"
check "it is recorded" sh -c "'$MIRRORFS' log '$ROOT' | grep -q '/site/file'"
check "the end of it" take_below "$T/later"
check "umount" umount_at "$ROOT"

# a folder, a file and all of it; read-only; of a folder that is gone; of more
bind "$ROOT/site" "$T/bob"
bind "$ROOT/conf" "$T/file"
bind "$ROOT" "$T/all"
bind "$ROOT/site" "$T/ro" -o remount,bind,ro
bind "$ROOT/old" "$T/gone"
rmdir "$ROOT/old"
bind "$T/below" "$T/peer" --make-private
check "mount" mount_root
told "$T/bob" "$ROOT/site"
told "$T/file" "$ROOT/conf"
told "$T/all" "$ROOT"
equal "$(warned)" 3 "warnings"
around "$T/all" "$T/bob" "$T/file" "$T/peer/tree"
check "status" sh -c "'$MIRRORFS' status '$ROOT' |
	grep -q 'another mount shows $ROOT/site at $T/bob:'"
# they do go around it
echo around >"$T/bob/unseen"
refuse "recorded" sh -c "'$MIRRORFS' log '$ROOT' | grep -q unseen"
# with the remedy there is nothing to tell any more
for at in bob all file; do
	check "the end of $at" take_below "$T/$at"
done
bind "$ROOT/site" "$T/bob"
around "$T/peer/tree"
echo seen >"$T/bob/seen"
check "recorded" sh -c "'$MIRRORFS' log '$ROOT' | grep -q /site/seen"
for at in bob peer ro gone; do
	check "the end of $at" take_below "$T/$at"
done
around
check "umount" umount_at "$ROOT"

# of shared mounts each one gets the mount: nothing goes around it
mount --make-shared "$T/below" || skip "no shared mounts"
bind "$T/below" "$T/peer"
bind "$ROOT" "$T/all"
check "mount" mount_root
check "mounted along" mounted_at "$T/all"
equal "$(warned)" 0 "warnings of shared mounts"
around
check "umount" umount_at "$ROOT"
refuse "it is still there" mounted_at "$T/all"
check "the end of it" take_below "$T/all"
check "the end of it" take_below "$T/peer"

# the root is a mount itself, of the whole file system; and the same as a part, by
# a bind mount of a folder: the other way to it is told by status
take_below "$T/treehouse" && take_below "$T/below" || fail "umount"
lay_below ext4 "$T/below"
mkdir -p "$ROOT"
device=$(findmnt -rno SOURCE -M "$T/below")
mount "$device" "$T/disk" && mount --make-private "$T/disk" || fail "mount twice"
LOWERS+=("$T/disk")
check "mount" mount_at "$T/below" "$T/state2" 2>"$T/err"
check "told of the device" grep -q "warning: $T/disk shows $T/below since" "$T/err"
equal "$(warned)" 1 "warnings"
check "umount" umount_at "$T/below"
bind "$T/disk/tree" "$ROOT" --make-private
check "mount" mount_root
equal "$(warned)" 0 "warnings of a disk"
around "$T/disk/tree"
# what is mounted inside is told as such
mkdir "$ROOT/inner"
expect_log "mounted inside"
bind "$T/disk/tree/inner" "$ROOT/inner"
around "$T/disk/tree"
check "the end of it" take_below "$ROOT/inner"
check "umount" umount_at "$ROOT"
check "the end of it" take_below "$ROOT"
check "the end of it" take_below "$T/disk"
take_below "$T/below" || fail "umount"

# subvolumes are folders of their file system
[ -z "$(lower_missing btrfs)" ] && command -v btrfs >/dev/null || exit 0
lay_below btrfs "$T/disk"
btrfs -q subvolume create "$T/disk/@www" &&
	btrfs -q subvolume create "$T/disk/@home" && mkdir "$T/disk/@www/site" ||
	fail "subvolumes"
device=$(findmnt -rvno SOURCE -M "$T/disk")
for pair in below:@www all:@www later:@home; do
	mount -o "subvol=${pair#*:}" "$device" "$T/${pair%:*}" || fail "$pair"
	LOWERS+=("$T/${pair%:*}")
	mount --make-private "$T/${pair%:*}"
done
bind "$T/all/site" "$T/bob"
ROOT=$T/below
check "mount" mount_at "$ROOT" "$T/state3" 2>"$T/err"
check "told of the same" grep -q "warning: $T/all shows $ROOT since" "$T/err"
check "told of a part" grep -q "warning: $T/bob shows $ROOT/site since" "$T/err"
equal "$(warned)" 2 "warnings of subvolumes"
around "$T/all" "$T/bob" "$T/disk/@www"
exit 0
