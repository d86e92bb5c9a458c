# The peers of bench: each has _start (until it follows changes), _quiet
# (until it has nothing to do) and _stop. Needs base.sh, sshd.sh and MIRRORFS.
#
# W  a tmpfs of our own    L  the tree below    M  the tree that is written to
# R  the replica           S  on the disk: journal, keys, configuration
#
# All reach the server at PORT: its own, or that of a line (bench-wire.sh).

bench_begin() {
	S=$(mktemp -d /tmp/mirrorfs-bench.XXXXXX) || die "no temporary folder"
	W=$S/tmpfs
	mkdir "$W" && mount -t tmpfs -o mode=755 mirrorfs-bench "$W" ||
		die "cannot mount a tmpfs"
	trap 'bench_end' EXIT
	trap 'exit 130' INT TERM HUP
	L=$W/tree M=$W/tree R=$W/replica
	sshd_start "$S/sshd" || die "sshd does not start"
	LOGIN="-i $SSHD_KEY -o IdentitiesOnly=yes -o BatchMode=yes -F none"
	LOGIN+=" -o UserKnownHostsFile=$S/hosts"
	reach "$SSHD_PORT"
}

# reach PORT - where the server is from now on
reach() {
	PORT=$1
	RSH="ssh -p $PORT $LOGIN"
	sed "s/]:$SSHD_PORT /]:$PORT /" "$SSHD_KNOWN_HOSTS" >>"$S/hosts"
}

bench_end() {
	trap '' INT TERM HUP
	mirrorfs_stop
	lsyncd_stop
	while line_stop; do :; done
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
		--identity "$SSHD_KEY" --known-hosts "$S/hosts" \
		--replica "r=$(sshd_url "$R" "$PORT")" "$@"
}

mirrorfs_quiet() {
	"$MIRRORFS" wait "$L" --timeout 300 || die "mirrorfs is not done"
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
	sftp_put "$L"
}

# sftp_put TREE - what is in it, into the replica; without a tree it only logs in
sftp_put() {
	# shellcheck disable=SC2086
	echo "${1:+put -r $1/* $R/}" |
		sftp -q -b - -P "$PORT" $LOGIN 127.0.0.1 >/dev/null
}

sftp_quiet() { :; }
sftp_stop() { :; }
