# The other of the two releases of Debian that are supported, in a folder
# below build/, with this machine's kernel. Sourced by check; base.sh first.
#
# The folder is kept and used again. What runs in it has mounts and processes
# of its own (unshare), so that nothing is left when it ends, however it ends.

# release_other - the code name of the release that this machine is not.
release_other() {
	case $(. /etc/os-release && echo "${VERSION_CODENAME:-}") in
	bookworm) echo trixie ;;
	trixie) echo bookworm ;;
	*) return 1 ;;
	esac
}

# release_archive - the address of the archive that this machine's packages
# come from; sources.list(5) has two formats.
release_archive() {
	cat /etc/apt/sources.list.d/*.sources 2>/dev/null |
		awk '$1 == "URIs:" && $2 !~ /security/ { print $2; exit }' |
		grep . && return
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
		sed 's/\[[^]]*\]//' |
		awk '$1 == "deb" && $2 !~ /security/ { print $2; exit }' |
		grep .
}

# release_in ROOT COMMAND... - with ROOT as the root folder. /dev, /sys and
# the network are this machine's.
release_in() {
	local root=$1
	shift
	unshare --mount --pid --fork --kill-child bash -c '
		root=$1; shift
		mount --bind "$root" "$root" && # a root is a mount point
		mount -t proc proc "$root/proc" &&
		mount --rbind /dev "$root/dev" &&
		mount --rbind /sys "$root/sys" &&
		mount -t tmpfs -o mode=755 run "$root/run" || exit 125
		exec chroot "$root" /usr/bin/env -i HOME=/root \
			PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb "$@"' \
		release_in "$root" "$@"
}

# release_make NAME ROOT - a minimal system, complete or not there.
release_make() {
	local archive
	[ ! -e "$2/.complete" ] || return 0
	archive=$(release_archive) ||
		{ say "no archive in this machine's apt sources"; return 1; }
	rm -rf --one-file-system "$2"
	mkdir -p "$2" || return 1
	debootstrap --variant=minbase "$1" "$2" "$archive" || return 1
	cp /etc/apt/apt.conf.d/* "$2/etc/apt/apt.conf.d/"
	touch "$2/.complete"
}

# release_sources TOP ROOT - what is not ignored, in ROOT/src; the build
# folder of an earlier run stays.
release_sources() {
	cp /etc/resolv.conf /etc/hosts "$2/etc/"
	mkdir -p "$2/src" &&
		find "$2/src" -mindepth 1 -maxdepth 1 ! -name build \
			-exec rm -rf {} + &&
		(cd "$1" && release_files | tar -c --null -T - ) |
		tar -x -C "$2/src"
}

# a release unpacked from an archive has no .git
release_files() {
	git ls-files -z --cached --others --exclude-standard 2>/dev/null ||
		find . -path './build*' -prune -o -type f -print0
}
