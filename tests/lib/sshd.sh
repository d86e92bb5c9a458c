# A private sshd on loopback: own port, throw-away keys, nothing of it outside
# its folder. Needs base.sh. After sshd_start:
#   SSHD_DIR         its folder (copy of the argument)
#   SSHD_PORT        where it listens
#   SSHD_PID         its process
#   SSHD_KEY         private key that may log in as root
#   SSHD_KNOWN_HOSTS file with its host key

# sshd_keys DIR - keys and configuration, unless they are there.
sshd_keys() {
	local dir=$1 k
	mkdir -p "$dir" && chmod 700 "$dir" || return 1
	for k in host_key user_key; do
		[ -f "$dir/$k" ] || ssh-keygen -q -t ed25519 -N '' \
			-C "mirrorfs-throw-away" -f "$dir/$k" || return 1
	done
	cp "$dir/user_key.pub" "$dir/authorized_keys"
}

# sshd_no_penalties HOST-KEY - since 9.8 sshd refuses addresses that failed to
# log in, and all of ours come from one address.
sshd_no_penalties() {
	/usr/sbin/sshd -T -f /dev/null -h "$1" -o PerSourcePenalties=no \
		>/dev/null 2>&1 && echo "PerSourcePenalties no"
}

# sshd_configure DIR PORT - UsePAM: Debian's root has no password, and sshd
# lets such an account in by key only with PAM.
sshd_configure() {
	local dir=$1
	{
		sshd_no_penalties "$dir/host_key"
		cat <<-CONF
		ListenAddress 127.0.0.1
		Port $2
		HostKey $dir/host_key
		AuthorizedKeysFile $dir/authorized_keys
		PidFile none
		StrictModes no
		UsePAM yes
		PasswordAuthentication no
		KbdInteractiveAuthentication no
		PermitRootLogin prohibit-password
		PrintMotd no
		MaxStartups 100
		MaxSessions 100
		Subsystem sftp ${SSHD_SFTP:-internal-sftp}
		CONF
		[ -z "${SSHD_OPTIONS:-}" ] || printf '%s\n' "$SSHD_OPTIONS"
	} >"$dir/sshd_config"
	printf '[127.0.0.1]:%s %s\n' "$2" \
		"$(cut -d' ' -f1,2 "$dir/host_key.pub")" >"$dir/known_hosts"
}

# sshd_start DIR [PORT] - a free port unless one is given.
sshd_start() {
	local dir=$1 port=${2:-} try program
	program=$(PATH=$PATH:/usr/sbin command -v sshd) || return 1
	sshd_keys "$dir" || return 1
	# sshd wants this folder on some releases, whatever it serves
	mkdir -p -m 755 /run/sshd
	for try in 1 2 3 4 5; do
		SSHD_PORT=${port:-$(free_port)}
		sshd_configure "$dir" "$SSHD_PORT"
		"$program" -D -e -f "$dir/sshd_config" \
			</dev/null >>"$dir/sshd.log" 2>&1 &
		SSHD_PID=$!
		if wait_for 60 sshd_answers && ! process_gone "$SSHD_PID"; then
			SSHD_DIR=$dir SSHD_KEY=$dir/user_key
			SSHD_KNOWN_HOSTS=$dir/known_hosts
			return 0
		fi
		end_process "$SSHD_PID"
	done
	SSHD_PID=
	tail -n 5 "$dir/sshd.log" >&2
	return 1
}

# Answers, or has ended: both end the waiting.
sshd_answers() {
	process_gone "$SSHD_PID" && return 0
	port_open "$SSHD_PORT"
}

# sshd_sessions - prints the processes that serve connections now.
sshd_sessions() {
	local p
	process_mine "$SSHD_PID" || return 0
	for p in $(process_children "$SSHD_PID"); do
		printf '%s\n' "$p"
		process_children "$p"
	done
}

# sshd_cut - kills the sessions, as a dying network would; the server stays.
sshd_cut() {
	local p
	for p in $(sshd_sessions); do
		kill -9 "$p" 2>/dev/null
	done
	return 0
}

# sshd_stop - server and sessions.
sshd_stop() {
	local sessions
	[ -n "${SSHD_PID:-}" ] || return 0
	sessions=$(sshd_sessions)
	! process_mine "$SSHD_PID" || end_process "$SSHD_PID"
	# shellcheck disable=SC2086
	[ -z "$sessions" ] || kill -9 $sessions 2>/dev/null
	SSHD_PID=
	return 0
}

# sshd_url PATH [PORT] - the replica's address, at its own port or another one.
sshd_url() {
	printf 'sftp://root@127.0.0.1:%s%s\n' "${2:-$SSHD_PORT}" "$1"
}
