# File systems to lay below, on loop devices. Sourced; defines functions only.

LOWER_ALL="ext4 xfs btrfs tmpfs"

# lower_missing TYPE - prints what keeps TYPE from being made here, if any.
lower_missing() {
	[ "$1" = tmpfs ] || command -v "mkfs.$1" >/dev/null ||
		{ echo "mkfs.$1 is not installed"; return; }
	grep -qw "$1" /proc/filesystems || modprobe "$1" 2>/dev/null ||
		echo "this kernel has no $1"
}

# lower_mount TYPE FOLDER IMAGE SIZE [OPTIONS] - make a file system of TYPE in
# the sparse file IMAGE and mount it at FOLDER. The loop device goes away with
# the mount, and nothing stays when this fails but IMAGE.
lower_mount() {
	local type=$1 folder=$2 image=$3 size=$4 options=${5:-}
	if [ "$type" = tmpfs ]; then
		mount -t tmpfs -o "size=$size,mode=755${options:+,$options}" \
			none "$folder"
		return
	fi
	truncate -s "$size" "$image" || return 1
	case $type in
	ext4) mkfs.ext4 -q -F "$image" ;;
	*) "mkfs.$type" -q -f "$image" ;;
	esac >/dev/null || return 1
	mount -t "$type" -o "loop${options:+,$options}" "$image" "$folder"
}

# lower_umount FOLDER - what was mounted by lower_mount; lazily when it must.
lower_umount() {
	wait_for 5 umount "$1" 2>/dev/null || umount -l "$1"
}
