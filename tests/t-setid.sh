#!/bin/bash
# Set-id bits that are lost by a change are lost on the replica, too, whoever
# makes it and by whatever call; with and without direct writes, as an older
# kernel has none.
. "$(dirname "$0")/functions.sh"
need setpriv

# way HOW FILE - by which a user who is not the owner takes its bits; once in a
# shell, as descriptors stay open
way() {
	case $1 in
	write) printf x >>"$2" ;;
	rdwr) exec 5<>"$2" && printf x >&5 ;;
	direct) dd if=/dev/zero of="$2" bs=4096 count=1 conv=notrunc \
		oflag=direct status=none ;;
	sync) dd if=/dev/zero of="$2" bs=9 count=1 conv=notrunc \
		oflag=sync status=none ;;
	open-trunc) : >"$2" ;;
	truncate) truncate -s 100 "$2" ;;
	longer) truncate -s 9000 "$2" ;;
	fallocate) fallocate -l 20000 "$2" ;;
	punch) fallocate -p -o 0 -l 4096 "$2" ;;
	beside) exec 5<"$2" 6>>"$2" && printf x >&6 ;;
	chown) chown 4001:4004 "$2" ;;
	esac
}
export -f way
WAYS="write rdwr direct sync open-trunc truncate longer fallocate punch beside"

# modes FOLDER - of all files
modes() {
	(cd "$1" && stat -c '%n %a %u:%g' ./*/*)
}

# lose FOLDER - all ways, as a user and, for chown, as root
lose() {
	local dir=$1 mode
	for mode in 6777 2767; do
		for w in $WAYS; do
			setpriv --reuid=65534 --regid=65534 --clear-groups \
				bash -c "way $w '$dir/$mode/$w'" ||
				fail "$w of $mode"
		done
		way chown "$dir/$mode/chown" || fail "chown of $mode"
		way write "$dir/$mode/root" || fail "write by root"
	done
}

# make FOLDER
make() {
	local mode
	for mode in 6777 2767; do
		mkdir -p "$1/$mode" && chmod 777 "$1/$mode"
		for w in $WAYS chown root; do
			head -c 8192 /dev/zero >"$1/$mode/$w"
			chown 4001:4003 "$1/$mode/$w"
			chmod $mode "$1/$mode/$w"
		done
	done
}

chmod 755 "$T" "$T/tree"
mkdir "$T/plain"
make "$T/plain"
lose "$T/plain"
modes "$T/plain" >"$T/wanted"
check "bits go" grep -q '^./6777/write 777 ' "$T/wanted"
check "root keeps them" grep -q '^./6777/root 6777 ' "$T/wanted"
pipe_replicas 1
for WITHOUT in "${WITHOUT:-}" direct-writes; do
	check "mount, without '$WITHOUT'" mount_tree "${REPLICAS[@]}"
	make "$T/tree"
	check "wait" synced
	modes "$T/replica1" >"$T/before"
	equal "$(grep -c ' [62]7[67]7 ' "$T/before")" 24 "with their bits"
	lose "$T/tree"
	modes "$T/tree" >"$T/got"
	diff "$T/wanted" "$T/got" || fail "on the mount"
	check "wait" synced
	modes "$T/replica1" >"$T/got"
	diff "$T/wanted" "$T/got" || fail "on the replica"
	check "same" same "$T/replica1"
	rm -r "${T:?}/tree"/[26]* || fail "rm"
	check "wait" synced
	check "umount" umount_tree
done

# xfs takes them from whoever sets flags, its owner included
flags() { # FOLDER
	local w
	mkdir -p "$1"
	for w in flags project root; do
		: >"$1/$w" && chown 65534:65534 "$1/$w" && chmod 6755 "$1/$w"
	done
	as_user chattr +d "$1/flags" && as_user chattr -p 0 "$1/project" &&
		chattr +d "$1/root" || fail "chattr"
	(cd "$1" && stat -c '%n %a' -- *)
}
command -v chattr >/dev/null || skip "the rest: chattr is not installed"
lay_below xfs "$T/tree"
flags "$T/tree/plain" >"$T/wanted"
check "root keeps them" grep -q '^root 6755' "$T/wanted"
check "mount over xfs" mount_tree "${REPLICAS[@]}"
flags "$T/tree/flags" >"$T/got"
diff "$T/wanted" "$T/got" || fail "on the mount over xfs"
check "wait" synced
check "same" same "$T/replica1"
exit 0
