# What must be installed, and its installation. Debian 12 and 13.

PACKAGES_BUILD="gcc make autoconf automake pkg-config libc6-dev
libfuse3-dev libssh-dev libsqlite3-dev libinih-dev libsmartcols-dev
libjansson-dev libcap-ng-dev libsystemd-dev uthash-dev zlib1g-dev"
PACKAGES_RUN="fuse3 openssh-client openssh-sftp-server"
PACKAGES_DEMO="openssh-server vsftpd lftp"
PACKAGES_CHECK="libcmocka-dev clang curl rsync git sqlite3 attr acl jq
mandoc xz-utils procps util-linux quota e2fsprogs xfsprogs
btrfs-progs debootstrap"
# no two FTP daemons can be installed
PACKAGES_UNPACKED="proftpd-core proftpd-mod-crypto"
PACKAGES_BENCH="rsync lsyncd bindfs"

# packages_missing PACKAGE... - prints those that are not installed.
packages_missing() {
	local p
	for p in "$@"; do
		case $(dpkg-query -W -f '${db:Status-Status}' "$p" \
			2>/dev/null) in
		installed) ;;
		*) printf '%s\n' "$p" ;;
		esac
	done
}

# packages_install PACKAGE... - what is missing, quietly, and without
# starting the services that come with it: Debian asks policy-rc.d whether a
# service may start. Where the system has one, it decides; else one that says
# no is there while the packages are installed, and only then.
packages_install() {
	local missing policy=/usr/sbin/policy-rc.d mine= r=0
	missing=$(packages_missing "$@")
	[ -n "$missing" ] || return 0
	command -v apt-get >/dev/null ||
		die "missing, and this is not Debian: $(echo $missing)"
	[ "$(id -u)" = 0 ] || die "must be root to install: $(echo $missing)"
	say "installing: $(echo $missing)"
	if [ ! -e $policy ]; then
		mine=$policy
		# shellcheck disable=SC2064
		trap "rm -f $policy" EXIT
		printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy
	fi
	packages_apt $missing || r=$?
	if [ -n "$mine" ]; then
		rm -f "$mine"
		trap - EXIT
	fi
	[ $r = 0 ] || die "could not install: $(echo $missing)"
}

packages_apt() {
	local log
	log=$(mktemp) || return 1
	export DEBIAN_FRONTEND=noninteractive
	if apt-get -qq -o Dpkg::Use-Pty=0 update >"$log" 2>&1 &&
	    apt-get -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends \
		install "$@" </dev/null >>"$log" 2>&1; then
		rm -f "$log"
		return 0
	fi
	tail -n 20 "$log" >&2
	rm -f "$log"
	return 1
}

# packages_unpack DIR PACKAGE... - into DIR, for tests that run them from there:
# they cannot be installed beside others. What they depend on is installed.
packages_unpack() {
	local dir=$1 deb
	shift
	[ ! -e "$dir/complete" ] || return 0
	rm -rf "$dir"
	mkdir -p "$dir" || return 1
	(cd "$dir" && { apt-get -qq download "$@" ||
		{ apt-get -qq update && apt-get -qq download "$@"; }; }) \
		>/dev/null 2>&1 || return 1
	for deb in "$dir"/*.deb; do
		dpkg-deb -f "$deb" Depends | tr , '\n' |
			grep -vwFf <(printf '%s\n' "$@") || true
	done | sort -u | paste -sd , >"$dir/depends"
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
		-o Dpkg::Use-Pty=0 --no-install-recommends \
		satisfy "$(cat "$dir/depends")" >/dev/null 2>&1 </dev/null ||
		return 1
	for deb in "$dir"/*.deb; do
		dpkg-deb -x "$deb" "$dir" || return 1
	done
	rm -f "$dir"/*.deb
	: >"$dir/complete"
}
