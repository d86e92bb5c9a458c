# The peers of bench: each has _start (until it follows changes), _quiet
# (until it has nothing to do) and _stop. Needs base.sh, sshd.sh and MIRRORFS.
#
# W  a tmpfs of our own    L  the tree below    M  the tree that is written to
# R  the replica           S  on the disk: journal, keys, configuration

bench_begin() {
	S=$(mktemp -d /tmp/mirrorfs-bench.XXXXXX) || die "no temporary folder"
	W=$S/tmpfs
	mkdir "$W" && mount -t tmpfs -o mode=755 mirrorfs-bench "$W" ||
		die "cannot mount a tmpfs"
	trap 'bench_end' EXIT
	trap 'exit 130' INT TERM HUP
	L=$W/tree M=$W/tree R=$W/replica
	sshd_start "$S/sshd" || die "sshd does not start"
	LOGIN=$(login_options "$SSHD_KNOWN_HOSTS")
	RSH="ssh -p $SSHD_PORT $LOGIN"
}

# login_options KNOWN-HOSTS - of ssh and sftp
login_options() {
	echo "-i $SSHD_KEY -o IdentitiesOnly=yes -o UserKnownHostsFile=$1" \
		"-o BatchMode=yes -F none"
}

bench_end() {
	trap '' INT TERM HUP
	mirrorfs_stop
	lsyncd_stop
	line_stop
	sshd_stop
	umount "$W" || umount -l "$W"
	rm -rf --one-file-system "$S"
}

# fresh - empty tree, empty replica, new journal
fresh() {
	rm -rf "$L" "$R" "$S/state"
	mkdir "$L" "$R"
	sync
}

mirrorfs_start() {
	"$MIRRORFS" mount "$L" --state-dir "$S/state" \
		--identity "$SSHD_KEY" --known-hosts "$SSHD_KNOWN_HOSTS" \
		--replica "r=$(sshd_url "$R")" "$@"
}

mirrorfs_quiet() {
	"$MIRRORFS" wait "$L" --timeout 300
}

mirrorfs_stop() {
	mounted_at "$L" || return 0
	"$MIRRORFS" umount "$L" || umount -l "$L"
}

lsyncd_start() {
	cat >"$S/lsyncd.lua" <<-LUA
	settings { logfile = "$S/lsyncd.log", nodaemon = true }
	sync { default.rsync, source = "$L/", target = "127.0.0.1:$R/",
		delay = 1, rsync = { archive = true, rsh = "$RSH" } }
	LUA
	: >"$S/lsyncd.log"
	lsyncd "$S/lsyncd.lua" >>"$S/lsyncd.out" 2>&1 &
	LSYNCD=$!
	wait_for 300 grep -q "Startup of.*finished" "$S/lsyncd.log"
}

# it says nothing; its delay and a moment more
lsyncd_quiet() {
	sleep 3
}

lsyncd_stop() {
	[ -z "${LSYNCD:-}" ] || end_process "$LSYNCD"
	LSYNCD=
}

rsync_start() {
	rsync -a -e "$RSH" "$L/" "127.0.0.1:$R/"
}

rsync_quiet() { :; }
rsync_stop() { :; }

sftp_start() {
	sftp_put "$SSHD_PORT" "$LOGIN" "$L"
}

# sftp_put PORT OPTIONS TREE - what is in it, into the replica; without a tree
# it only logs in
sftp_put() {
	# shellcheck disable=SC2086
	echo "${3:+put -r $3/* $R/}" |
		sftp -q -b - -P "$1" $2 127.0.0.1 >/dev/null
}

sftp_quiet() { :; }
sftp_stop() { :; }
