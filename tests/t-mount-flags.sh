#!/bin/bash
# The options of the mount below are those of the overlay: what nosuid, nodev,
# noexec, ro and the atime options forbid is forbidden on the mount too, and
# what they do not forbid is allowed.
. "$(dirname "$0")/functions.sh"
need setpriv findmnt

# flagged OPTIONS - a tree with something for each option, mounted over
flagged() {
	lay_below tmpfs "$T/tree" dev,suid,exec
	cp /usr/bin/id "$T/tree/id" && chmod 4755 "$T/tree/id" || fail "cp"
	printf '#!/bin/sh\nexit 0\n' >"$T/tree/script" || fail "script"
	chmod 755 "$T/tree/script"
	mknod -m 666 "$T/tree/null" c 1 3 || skip "no devices can be made"
	mkdir "$T/tree/dir" && echo text >"$T/tree/file"
	mount -o "remount,bind,$1" "$T/tree" || fail "remount $1"
	check "mount over $1" mount_tree
}

# has OPTION - the overlay says so itself
has() {
	findmnt -fno OPTIONS --mountpoint "$T/tree" -t fuse.mirrorfs |
		tr , '\n' | grep -qx "$1"
}

done_with() {
	check "umount" umount_tree
	check "umount below" take_below "$T/tree"
}

effective() { as_user "$T/tree/id" -u; }
script() { "$T/tree/script" 2>/dev/null; }
device() { (echo x >"$T/tree/null") 2>/dev/null; }
# the exact error of writing
read_only() {
	[[ $(LC_ALL=C touch "$T/tree/new" 2>&1) == *Read-only* ]] &&
		! sh -c "echo x >'$T/tree/file'" 2>/dev/null &&
		! chmod 700 "$T/tree/dir" 2>/dev/null &&
		! rm "$T/tree/file" 2>/dev/null
}

flagged exec,suid,dev
equal "$(effective)" 0 "the effective user of a set-id program"
check "exec" script
check "device" device
for option in nosuid nodev noexec ro noatime; do
	refuse "$option without reason" has $option
done
done_with

flagged nosuid
check "nosuid is there" has nosuid
equal "$(effective)" 65534 "the effective user on nosuid"
check "exec on nosuid" script
check "device on nosuid" device
done_with

flagged nodev
check "nodev is there" has nodev
refuse "device on nodev" device
equal "$(effective)" 0 "set-id on nodev"
done_with

flagged noexec
check "noexec is there" has noexec
refuse "exec on noexec" script
check "mapping is refused" sh -c \
	"! /lib64/ld-linux-x86-64.so.2 '$T/tree/id' >/dev/null 2>&1"
check "reading on noexec" sh -c "sh '$T/tree/script'"
done_with

flagged ro
check "ro is there" has ro
check "EROFS on ro" read_only
equal "$(cat "$T/tree/file")" text "reading on ro"
done_with

for option in noatime nodiratime relatime; do
	flagged $option
	check "$option is there" has $option
	done_with
done
flagged strictatime
for option in noatime relatime; do
	refuse "$option on strictatime" has $option
done
done_with

# util-linux knows the option since 2.38 only, the kernel since 5.10
if mount -t tmpfs -o nosymfollow none "$T/replica1" 2>/dev/null; then
	umount "$T/replica1"
	flagged nosymfollow
	ln -s file "$T/tree/link"
	check "nosymfollow is there" has nosymfollow
	refuse "followed on nosymfollow" cat "$T/tree/link" 2>/dev/null
	equal "$(readlink "$T/tree/link")" file "the link itself"
	done_with
fi
exit 0
