# Small things that quickstart, check, bench and the tests share.
# Sourced by bash; defines functions only.

say() { printf '%s\n' "$*"; }

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# wait_for SECONDS COMMAND... - until COMMAND succeeds; 1 when time is up.
wait_for() {
	local deadline=$((SECONDS + $1 + 1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.05
	done
}

# port_taken PORT - somebody listens there (or it is in TIME_WAIT).
port_taken() {
	local hex
	printf -v hex ':%04X ' "$1"
	grep -qi -- "$hex" /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# free_port [ROOM] - prints a port of loopback that nobody uses, with ROOM more
# behind it; below the range from which the kernel gives ports to clients, or
# out of the hundred from PORTS on.
free_port() {
	local port tries=0 first=20000 n=12000
	[ -z "${PORTS:-}" ] || first=$PORTS n=100
	while [ $((tries += 1)) -le 200 ]; do
		port=$((first +
			(RANDOM * 32768 + RANDOM) % (n - ${1:-0})))
		port_taken "$port" && continue
		printf '%s\n' "$port"
		return 0
	done
	return 1
}

# port_open PORT - a server accepts connections there.
port_open() {
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# end_process PID - ask it to end, insist after 5 s; waits until it is gone.
# Only for processes that the caller started.
end_process() {
	[ -n "${1:-}" ] || return 0
	kill -0 "$1" 2>/dev/null || { wait "$1" 2>/dev/null; return 0; }
	kill "$1" 2>/dev/null
	wait_for 5 process_gone "$1" || kill -9 "$1" 2>/dev/null
	wait_for 5 process_gone "$1"
	wait "$1" 2>/dev/null
	return 0
}

# process_gone PID - it ended (a zombie counts as gone).
process_gone() {
	local stat
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
	stat=${stat##*) }
	[ "${stat%% *}" = Z ]
}

# waits_for_disk PID - a thread of it is in a call that a disk holds up.
waits_for_disk() {
	cat "/proc/$1/task/"*/status 2>/dev/null | grep -q "^State:.D"
}

# process_mine PID - it is a child of this shell. A number is given again, soon
# where there are few.
process_mine() {
	local stat
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
	stat=${stat##*) }
	stat=${stat#* }
	[ "${stat%% *}" = "$$" ]
}

# process_children PID - prints the processes that it started.
process_children() {
	cat /proc/"$1"/task/*/children 2>/dev/null
}

# mounted_at DIR - a mirrorfs is mounted there.
mounted_at() {
	awk -v d="$1" '$2 == d && $3 ~ /^fuse/ { found = 1 }
		END { exit !found }' /proc/self/mounts
}
