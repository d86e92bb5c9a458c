# A private vsftpd on loopback that serves one tree to one throw-away user.
# Needs base.sh. After ftpd_start: FTPD_PORT, FTPD_PID, FTPD_USER, FTPD_PASS.
#
# vsftpd of Debian asks PAM, so the user must be one of the system: it is made
# with useradd and is removed by ftpd_stop. Its shell is /bin/sh because
# pam_shells wants a known one; its password is random and never stored.
# setproctitle_enable lets the journal tell the FTP user and the client.

# ftpd_user_add USER HOME
ftpd_user_add() {
	FTPD_USER=$1
	FTPD_PASS=$(od -An -N9 -tx1 /dev/urandom | tr -d ' \n')
	if ! id "$1" >/dev/null 2>&1; then
		useradd --system --no-create-home --no-user-group \
			--gid nogroup --home-dir "$2" --shell /bin/sh \
			--comment "throw-away user of mirrorfs" "$1" ||
			return 1
	fi
	usermod --home "$2" "$1" >/dev/null 2>&1
	printf '%s:%s\n' "$1" "$FTPD_PASS" | chpasswd
}

ftpd_configure() {
	local dir=$1 pasv=$2
	cat >"$dir/vsftpd.conf" <<-CONF
	listen=YES
	listen_ipv6=NO
	listen_address=127.0.0.1
	listen_port=$FTPD_PORT
	background=NO
	anonymous_enable=NO
	local_enable=YES
	write_enable=YES
	chmod_enable=YES
	local_umask=022
	local_root=$3
	chroot_local_user=YES
	allow_writeable_chroot=YES
	setproctitle_enable=YES
	pam_service_name=vsftpd
	userlist_enable=NO
	session_support=NO
	xferlog_enable=NO
	seccomp_sandbox=NO
	use_localtime=NO
	mdtm_write=YES
	pasv_enable=YES
	pasv_address=127.0.0.1
	pasv_min_port=$pasv
	pasv_max_port=$((pasv + 40))
	secure_chroot_dir=$dir/empty
	CONF
	chown 0:0 "$dir/vsftpd.conf"
}

# ftpd_start DIR ROOT USER
ftpd_start() {
	local dir=$1 root=$2 try program
	program=$(PATH=$PATH:/usr/sbin command -v vsftpd) || return 1
	mkdir -p "$dir/empty" || return 1
	ftpd_user_add "$3" "$root" || return 1
	for try in 1 2 3 4 5; do
		FTPD_PORT=$(free_port)
		ftpd_configure "$dir" "$(free_port 40)" "$root"
		"$program" "$dir/vsftpd.conf" \
			</dev/null >>"$dir/vsftpd.log" 2>&1 &
		FTPD_PID=$!
		wait_for 60 ftpd_answers && ! process_gone "$FTPD_PID" &&
			return 0
		end_process "$FTPD_PID"
	done
	FTPD_PID=
	tail -n 5 "$dir/vsftpd.log" >&2
	return 1
}

ftpd_answers() {
	process_gone "$FTPD_PID" && return 0
	port_open "$FTPD_PORT"
}

ftpd_stop() {
	local sessions
	if [ -n "${FTPD_PID:-}" ] && process_mine "$FTPD_PID"; then
		sessions=$(process_children "$FTPD_PID")
		sessions="$sessions $(for p in $sessions; do
			process_children "$p"; done)"
		end_process "$FTPD_PID"
		# shellcheck disable=SC2086
		kill -9 $sessions 2>/dev/null
	fi
	FTPD_PID=
	if [ -n "${FTPD_USER:-}" ]; then
		wait_for 5 ftpd_user_del
		FTPD_USER=
	fi
	return 0
}

# userdel refuses while a session of the user is still ending
ftpd_user_del() {
	userdel "$FTPD_USER" 2>/dev/null
	! id "$FTPD_USER" >/dev/null 2>&1
}

# ftp_run COMMAND... - a session of lftp, one command a word; it fails when
# one of them fails. Plain FTP: vsftpd here has no certificate.
ftp_run() {
	local c script='set cmd:fail-exit true; set ftp:ssl-allow no;'
	script+=' set net:timeout 20; set net:max-retries 2;'
	script+=' set net:reconnect-interval-base 1;'
	for c in "$@"; do
		script+=" $c;"
	done
	timeout 300 lftp -u "$FTPD_USER,$FTPD_PASS" \
		-e "$script bye" "ftp://127.0.0.1:$FTPD_PORT" </dev/null
}
