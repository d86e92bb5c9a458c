# The demonstration of quickstart: a tree, a private sshd with two replicas,
# and vsftpd on the mount. Needs base.sh, sshd.sh, ftpd.sh and MIRRORFS.
#
# DIR/www       the document root, mounted over itself
# DIR/replica1  what web1 serves, DIR/replica2 what web2 serves
# DIR/private   keys, configuration, journal; 0700, made anew at each start
#
# DIR/private/lock is held as long as a quickstart runs in DIR.
# DIR/private/processes names what it started, so that the next one can end
# what a killed one left: a process is known by its number and start time.

DEMO_USER=mirrorfs-demo

# demo_begin DIR - everything up and mounted; taken down at exit.
demo_begin() {
	DEMO_DIR=$(realpath -m -- "$1")
	DEMO_ROOT=$DEMO_DIR/www DEMO_PRIVATE=$DEMO_DIR/private
	demo_claim
	trap 'demo_end' EXIT
	trap 'exit 0' INT TERM HUP
	demo_sample
	demo_sshd
	demo_mount
	demo_ftpd
}

# One quickstart in a folder at a time; a dead one is cleaned up after.
demo_claim() {
	if [ -d "$DEMO_DIR" ] && [ ! -d "$DEMO_PRIVATE" ] &&
	    [ -n "$(ls -A "$DEMO_DIR")" ]; then
		die "$DEMO_DIR is not empty and not of quickstart; use --dir"
	fi
	mkdir -p "$DEMO_PRIVATE" && chmod 700 "$DEMO_PRIVATE" ||
		die "cannot make $DEMO_PRIVATE"
	exec 9>"$DEMO_PRIVATE/lock"
	flock -n 9 || die "another quickstart runs in $DEMO_DIR; use --dir"
	demo_leftovers
	find "$DEMO_PRIVATE" -mindepth 1 -maxdepth 1 ! -name lock \
		-exec rm -rf {} +
	rm -rf --one-file-system "$DEMO_DIR/replica1" "$DEMO_DIR/replica2"
	mkdir -p "$DEMO_ROOT" "$DEMO_DIR/replica1" "$DEMO_DIR/replica2" ||
		die "cannot make $DEMO_ROOT"
}

demo_leftovers() {
	local pid start
	if [ -f "$DEMO_PRIVATE/processes" ]; then
		say "an earlier quickstart was killed: cleaning up after it"
		while read -r pid start; do
			[ "$(demo_start_time "$pid")" = "$start" ] || continue
			# its sessions first, while they can be found
			kill $(process_children "$pid") 2>/dev/null
			end_process "$pid"
		done <"$DEMO_PRIVATE/processes"
	fi
	demo_unmount
	! mounted_at "$DEMO_ROOT" || die "$DEMO_ROOT cannot be unmounted"
}

demo_start_time() {
	local stat
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
	set -- ${stat##*) }
	printf '%s' "${20:-}"
}

demo_note() {
	printf '%s %s\n' "$1" "$(demo_start_time "$1")" \
		>>"$DEMO_PRIVATE/processes"
}

# A few sites, unless an earlier demonstration left its tree.
demo_sample() {
	local site i
	[ -z "$(ls -A "$DEMO_ROOT")" ] || return 0
	for site in shop blog; do
		mkdir -p "$DEMO_ROOT/$site/images"
		printf '<title>%s</title>\n<h1>%s</h1>\n' "$site" "$site" \
			>"$DEMO_ROOT/$site/index.html"
		for i in 1 2 3 4 5; do
			head -c $((i * 7000)) /dev/urandom \
				>"$DEMO_ROOT/$site/images/$i.jpg"
		done
		ln "$DEMO_ROOT/$site/images/1.jpg" \
			"$DEMO_ROOT/$site/images/cover.jpg"
		ln -s images/cover.jpg "$DEMO_ROOT/$site/logo.jpg"
	done
	chmod 2775 "$DEMO_ROOT/shop"
}

demo_sshd() {
	# without the lock: what a killed quickstart leaves must not hold it
	sshd_start "$DEMO_PRIVATE/sshd" 9>&- || die "sshd does not start"
	demo_note "$SSHD_PID"
}

demo_mount() {
	local i args=()
	for i in 1 2; do
		args+=(--replica "web$i=$(sshd_url "$DEMO_DIR/replica$i")")
	done
	"$MIRRORFS" mount "$DEMO_ROOT" --state-dir "$DEMO_PRIVATE/state" \
		--identity "$SSHD_KEY" --known-hosts "$SSHD_KNOWN_HOSTS" \
		"${args[@]}" 9>&- || die "cannot mount"
}

demo_ftpd() {
	ftpd_start "$DEMO_PRIVATE/ftpd" "$DEMO_ROOT" "$DEMO_USER" 9>&- ||
		die "vsftpd does not start"
	demo_note "$FTPD_PID"
	chown -R "$DEMO_USER" "$DEMO_ROOT"
}

demo_unmount() {
	mounted_at "$DEMO_ROOT" || return 0
	wait_for 10 demo_try_unmount && return 0
	say "$DEMO_ROOT is in use; detaching it"
	umount -l "$DEMO_ROOT"
}

demo_try_unmount() {
	"$MIRRORFS" umount "$DEMO_ROOT" >/dev/null 2>&1
	! mounted_at "$DEMO_ROOT"
}

demo_end() {
	local r=$?
	trap - EXIT
	trap '' INT TERM HUP
	[ ! -t 1 ] || say ""
	say "stopping"
	ftpd_stop
	demo_unmount
	sshd_stop
	rm -f "$DEMO_PRIVATE/processes"
	if id "$DEMO_USER" >/dev/null 2>&1; then # of a killed one
		userdel "$DEMO_USER" 2>/dev/null
	fi
	[ $r != 0 ] || [ -n "${DEMO_TEMPORARY:-}" ] ||
		say "nothing is mounted or running; files: $DEMO_DIR"
	exit $r
}

demo_text() {
	cat <<-TEXT
	mirrorfs serves $DEMO_ROOT by FTP, and keeps two replicas equal:

	    address   ftp://127.0.0.1:$FTPD_PORT
	    user      $FTPD_USER
	    password  $FTPD_PASS
	    replicas  $DEMO_DIR/replica1
	              $DEMO_DIR/replica2

	Try, in another terminal:

	    curl -T $TOP/README.md ftp://$FTPD_USER:$FTPD_PASS@127.0.0.1:$FTPD_PORT/blog/
	    ls -l $DEMO_DIR/replica*/blog
	    $MIRRORFS log $DEMO_ROOT --limit 5

	Ctrl-C ends it.
	TEXT
}
