# What each tests/t-*.sh starts with:
#
#	. "$(dirname "$0")/functions.sh"
#
# A test gets a folder of its own, $T, with $T/tree (the root to mount over),
# $T/state and $T/replica1. It ends with status 0, or fails at the first
# `fail`. At the end everything that it mounted and started is taken down; a
# mount that stays, a core, a sanitizer's report, or a warning or error in
# mirrorfs' log that was not announced by `expect_log` fails it.
#
# From the environment: BUILD (the build folder), SANITIZED (set: a slow build,
# tests take smaller numbers), SEED, WITHOUT (features to do without, as for
# mirrorfs mount), DURABLE (yes, or empty for the preset: replicas fsync, as
# they do outside of tests; that takes a multiple of the time on most disks).

set -u
set -o pipefail
TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$TESTS/.." && pwd)
BUILD=${BUILD:-$TOP/build}
MIRRORFS=$BUILD/mirrorfs
HELPERS=$BUILD/tests
SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
SANITIZED=${SANITIZED:-}
OTHER_RELEASE=${OTHER_RELEASE:-} # the suite runs on another one as well
DURABLE=${DURABLE-no}
PATH=$PATH:/usr/sbin:/sbin

. "$TESTS/lib/base.sh"
. "$TESTS/lib/sshd.sh"
. "$TESTS/lib/ftpd.sh"
. "$TESTS/lib/lower.sh"

T=
MOUNTS=()   # roots that this test mounted
LOWERS=()   # file systems that it laid below, by lay_below
CHILDREN=() # processes that it started
EXPECTED=() # patterns of warnings and errors that belong to the test
LOGS=()     # logs to look at
ENDED=

skip() {
	say "skipped: $*"
	exit 77
}

# fail TEXT - with what there is to know.
fail() {
	say "FAILED: $* (line ${BASH_LINENO[*]:0:3})"
	fail_show_mounts
	exit 1
}

fail_show_mounts() {
	local m
	thaw # status reads the journal
	for m in ${MOUNTS[@]+"${MOUNTS[@]}"}; do
		say "--- status of $m"
		timeout 10 "$MIRRORFS" status "$m" 2>&1
	done
}

# check TEXT COMMAND... - COMMAND must succeed.
check() {
	local text=$1
	shift
	"$@" || fail "$text"
}

# refuse TEXT COMMAND... - COMMAND must fail.
refuse() {
	local text=$1
	shift
	! "$@" || fail "$text"
}

# equal GOT WANTED TEXT
equal() {
	[ "$1" = "$2" ] || fail "$3: got '$1', wanted '$2'"
}

# left_out OUTPUT - the cases that fscheck or opdrive left out.
left_out() {
	sed -En 's/^(skip|left out:) //p' "$1" | LC_ALL=C sort
}

# no_fewer BELOW ABOVE CASE... - two outputs of fscheck or opdrive: what was left
# out on the mount was left out below, too, but for these, of which
# docs/CONFORMANCE.md tells.
no_fewer() {
	local below=$1 above=$2 lost
	shift 2
	lost=$({ left_out "$below"; printf '%s\n' "$@"; } | LC_ALL=C sort -u |
		LC_ALL=C comm -13 - <(left_out "$above") | tr '\n' ' ')
	[ -z "$lost" ] || fail "left out on the mount alone: $lost"
}

# kernel_has RELEASE - it is that one or a later one.
kernel_has() {
	printf '%s\n' "$1" "$(uname -r)" | sort -VC
}

# need PROGRAM... - skip where one is not installed.
need() {
	local p
	for p in "$@"; do
		command -v "$p" >/dev/null || skip "$p is not installed"
	done
}

# announce what will be in the log as a warning or an error (regex of awk).
expect_log() {
	EXPECTED+=("$1")
}

# expect_races - what users change as it is compared may be parked for a moment, with
# a warning. `synced` fails where it stays.
expect_races() {
	expect_log "parked /"
}

# background COMMAND... - its pid is in BG, and it is ended with the test.
background() {
	"$@" &
	BG=$!
	CHILDREN+=("$BG")
}

# kill_children PID - at once; false when there are none. Never those of 0, as
# the first processes of a container are.
kill_children() {
	[ "${1:-0}" -gt 0 ] 2>/dev/null && pkill -9 -P "$1"
}

# scaled N - N, or less where everything is slow, or was done on another release.
scaled() {
	local by=1
	[ -z "$OTHER_RELEASE" ] || by=2
	[ -z "$SANITIZED" ] || by=5
	echo $(($1 / by > 0 ? $1 / by : 1))
}

# once - what takes long and is the same everywhere: on one release, plain.
once() {
	[ -z "$SANITIZED$OTHER_RELEASE" ] || [ -n "${SOAK:-}" ] ||
		skip "takes long: plain, and on one release"
}

# ---- the mount under test ----

# mount_tree [OPTION...] - mount $T/tree with its state in $T/state.
mount_tree() {
	mount_at "$T/tree" "$T/state" "$@"
}

mount_at() {
	local root=$1 state=$2
	shift 2
	MOUNTS+=("$root")
	[[ " ${LOGS[*]-} " == *" $state/mirrorfs.log "* ]] ||
		LOGS+=("$state/mirrorfs.log")
	timeout 60 "$MIRRORFS" mount "$root" --state-dir "$state" \
		${WITHOUT:+"--without=$WITHOUT"} \
		${DURABLE:+-o "durable=$DURABLE"} "$@" ||
		return 1
	mounted_at "$root"
}

# mount_with_faults [OPTION...] - the same, and its calls fail as `plan` says.
mount_with_faults() {
	[ -z "$SANITIZED" ] || skip "cannot be preloaded into a sanitized program"
	plan
	export FAULTS=$T/plan
	LD_PRELOAD=$HELPERS/sysfault.so mount_tree "$@"
}

umount_tree() {
	umount_at "$T/tree"
}

umount_at() {
	local m keep=()
	timeout 60 "$MIRRORFS" umount "$1" || return 1
	for m in "${MOUNTS[@]}"; do
		[ "$m" = "$1" ] || keep+=("$m")
	done
	MOUNTS=(${keep[@]+"${keep[@]}"})
	! mounted_at "$1"
}

# status_get REPLICA KEY [ROOT] - one member out of `status --json`.
# The layout is flat enough for jq only; tests that use this need jq.
status_get() {
	"$MIRRORFS" status "${3:-$T/tree}" --json 2>/dev/null |
		jq -r --arg n "$1" "[.. | objects | select(.name? == \$n
			and has(\"lag_records\"))][0].$2"
}

# status_pid KEY [ROOT] - supervisor_pid, worker_pid or sync_pid.
status_pid() {
	"$MIRRORFS" status "${2:-$T/tree}" --json 2>/dev/null |
		jq -r "[.. | objects | select(has(\"$1\"))][0].$1"
}

# kill_all - supervisor, worker and sync at once.
kill_all() {
	local p pids
	pids=("$(status_pid supervisor_pid)" "$(status_pid worker_pid)"
		"$(status_pid sync_pid)")
	kill -9 "${pids[@]}"
	for p in "${pids[@]}"; do
		check "$p ends" wait_for 60 process_gone "$p"
	done
}

# worker_after PID - for wait_for: another fs worker than that one.
worker_after() {
	local now
	now=$(status_pid worker_pid)
	[ "${now:-0}" -gt 0 ] 2>/dev/null && [ "$now" != "$1" ]
}

# state_is REPLICA STATE - for wait_for: it is told after all has arrived.
state_is() {
	[ "$(status_get "$1" state)" = "$2" ]
}

# parked_as CAUSE PATH - status --parked has it for replica r1, with a remedy
parked_as() {
	"$MIRRORFS" status "$T/tree" --parked --json | jq -e --arg c "$1" \
		--arg p "$2" 'any(.[]; .replica == "r1" and .cause == $c and
		.path == $p and .tries > 0 and .remedy != "")' >/dev/null
}

# parked_tries - how often what was tried most has been.
parked_tries() {
	"$MIRRORFS" status "$T/tree" --parked --json | jq '[.[].tries] | max'
}

# journal_works - status says so.
journal_works() {
	"$MIRRORFS" status "$T/tree" >"$T/status" 2>/dev/null
	grep -qx "journal: ok" "$T/status"
}

# synced [SECONDS] - everything has reached every replica.
synced() {
	"$MIRRORFS" wait "$T/tree" --timeout "${1:-120}" >"$T/wait.out" 2>&1 ||
		{ cat "$T/wait.out"; return 1; }
}

# empty_stage REPLICA-FOLDER... - for wait_for: who has come back may compare,
# and upload, once more. On a far line, which each is on a slow machine, the next
# state file is open in advance, and files for contents, which are empty.
empty_stage() {
	local file open
	open=$(find /proc/[0-9]*/fd -lname '*/.mirrorfs/stage/*' -printf '%l\n' \
		2>/dev/null)
	while read -r file; do
		[ ! -s "$file" ] && grep -qxF "$file" <<<"$open" || return 1
	done < <(find "${@/%//.mirrorfs/stage}" -type f ! -name state)
}

# no_uploads REPLICA-FOLDER... - the same after a line that was slow: there files
# are open in advance for contents, too.
no_uploads() {
	[ -z "$(find "${@/%//.mirrorfs/stage}" -type f -size +0)" ]
}

# same REPLICA-FOLDER [OPTION...] - it equals the tree.
same() {
	local replica=$1
	shift
	"$HELPERS/treecmp" --ignore-special "$@" "$T/tree" "$replica" \
		>"$T/treecmp.out" 2>&1 ||
		{ cat "$T/treecmp.out"; return 1; }
}

# as_user COMMAND... - as an unprivileged user (nobody).
as_user() {
	setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

# pipe_replicas N - folders and --replica options for local replicas, in
# REPLICAS.
pipe_replicas() {
	local i
	REPLICAS=()
	for ((i = 1; i <= $1; i++)); do
		mkdir -p "$T/replica$i"
		REPLICAS+=(--replica "r$i=$T/replica$i")
	done
}

# ssh_replicas N - the same through a private sshd, which it starts.
ssh_replicas() {
	local i
	command -v sshd >/dev/null || skip "sshd is not installed"
	sshd_start "$T/sshd" || fail "sshd does not start"
	REPLICAS=(--identity "$SSHD_KEY" --known-hosts "$SSHD_KNOWN_HOSTS")
	for ((i = 1; i <= $1; i++)); do
		mkdir -p "$T/replica$i"
		REPLICAS+=(--replica "r$i=$(sshd_url "$T/replica$i")")
	done
}

# silent_server - takes connections and never answers, at the port in $T/port; there
# is $T/asked when somebody has come.
silent_server() {
	background perl -MIO::Socket::INET -e '
		my $s = IO::Socket::INET->new(Listen => 16,
			LocalAddr => "127.0.0.1") or exit 1;
		open(my $f, ">", $ARGV[0]) or exit 2;
		print {$f} $s->sockport, "\n";
		close($f);
		my $c = $s->accept;
		open($f, ">", $ARGV[1]);
		close($f);
		sleep(600)' "$T/port" "$T/asked"
	check "somebody listens" wait_for 60 test -s "$T/port"
}

# proxy_start [OPTION...] - a network before sshd that can be spoilt: proxy.c. Its
# process is PROXY; the first replica, through it, is in REPLICAS.
proxy_start() {
	local port
	port=$(free_port)
	background "$HELPERS/proxy" "$port" "$SSHD_PORT" "$@" >"$T/proxy.out"
	PROXY=$BG
	wait_for 60 port_open "$port" || fail "proxy"
	sed "s/]:$SSHD_PORT /]:$port /" "$SSHD_KNOWN_HOSTS" >"$T/hosts"
	PROXY_LOGIN=(--identity "$SSHD_KEY" --known-hosts "$T/hosts")
	PROXY_URL=sftp://root@127.0.0.1:$port$T/replica1
	REPLICAS=("${PROXY_LOGIN[@]}" --replica "r1=$PROXY_URL")
}

# faulty_server [OPTION...] - what sshd starts goes wrong, and its requests can
# be held: sftpfault.c, told by files in CTL.
faulty_server() {
	local server=/usr/lib/openssh/sftp-server
	[ -x "$server" ] || skip "$server is not installed"
	CTL=$T/control
	mkdir "$CTL"
	SSHD_SFTP="$HELPERS/sftpfault $CTL $server $*"
}

# faulty_replica [SERVER-OPTION...] - proxy_start of such a server.
faulty_replica() {
	faulty_server "$@"
	ssh_replicas 1
	proxy_start
}

# held COUNT - so many requests, of the process LATE, wait in a server.
held() {
	local n
	read -r LATE n <"$CTL/held" && [ "$n" -ge "$1" ]
} 2>/dev/null

# lay_below TYPE FOLDER [OPTIONS] - a fresh file system at FOLDER, for this
# test; skips where there cannot be one.
lay_below() {
	local missing
	missing=$(lower_missing "$1")
	[ -z "$missing" ] || skip "$missing"
	lower_mount "$1" "$2" "$T/image${#LOWERS[@]}" 1G "${3:-}" ||
		skip "no $1 can be mounted here"
	LOWERS+=("$2")
}

# take_below FOLDER - away with it, before the end of the test. Who looks
# through /proc at what others hold keeps it busy for a moment.
take_below() {
	local m keep=()
	wait_for 60 umount "$1" 2>/dev/null || return 1
	for m in "${LOWERS[@]}"; do
		[ "$m" = "$1" ] || keep+=("$m")
	done
	LOWERS=(${keep[@]+"${keep[@]}"})
}

# freeze FOLDER - its file system holds up who changes something, until thaw, or
# the end of the test. False: it cannot be had.
FROZEN=()
freeze() {
	fsfreeze -f "$1" && FROZEN+=("$1")
}
# thaw [FOLDER] - that one, or all.
thaw() {
	local f keep=()
	for f in ${FROZEN[@]+"${FROZEN[@]}"}; do
		if [ "${1:-$f}" = "$f" ]; then
			fsfreeze -u "$f"
		else
			keep+=("$f")
		fi
	done
	FROZEN=(${keep[@]+"${keep[@]}"})
}

# plan CALL NTH COUNT ERRNO PATTERN [PROCESS], or nothing - for sysfault.c, in
# $T/plan
plan() {
	rm -f "$T/plan.hits"
	echo "$*" >"$T/plan.new" && mv "$T/plan.new" "$T/plan"
}

# clock SECONDS - that of whoever was started with CLOCK_STEP=$T/step is ahead by
# so many from now on: eight bytes
clock() {
	local n=$1 i bytes=
	for i in 1 2 3 4 5 6 7 8; do
		bytes+=$(printf '\\x%02x' $((n & 255)))
		n=$((n >> 8))
	done
	printf '%b' "$bytes" | dd of="$T/step" conv=notrunc status=none
}

# ---- beginning and end ----

# begin_ports - a hundred ports, PORTS and up, that no other test takes while
# this one, or what it started, lives.
begin_ports() {
	local block lock=/run/lock/mirrorfs-test-ports
	mkdir -p /run/lock
	for block in $(shuf -i 0-119); do
		exec {PORTS_FD}>"$lock.$block" || return
		flock -n "$PORTS_FD" && break
		exec {PORTS_FD}>&-
	done
	PORTS=$((20000 + block * 100))
}

begin_test() {
	[ "$(id -u)" = 0 ] || skip "not root"
	[ -c /dev/fuse ] || skip "no /dev/fuse"
	[ -x "$MIRRORFS" ] || { say "no $MIRRORFS: build first"; exit 1; }
	command -v jq >/dev/null || skip "jq is not installed"
	T=$(mktemp -d "${TMPDIR:-/tmp}/mirrorfs-test.XXXXXX") || exit 1
	chmod 755 "$T"
	mkdir "$T/tree" "$T/replica1"
	begin_ports
	trap 'end_test $?' EXIT
	trap 'exit 130' INT TERM HUP
	export ASAN_OPTIONS=log_path=$T/sanitizer:detect_leaks=1:${ASAN_OPTIONS:-}
	export UBSAN_OPTIONS=log_path=$T/sanitizer:print_stacktrace=1
	ulimit -c 0
	cd "$T" || exit 1
	say "seed $SEED"
}

# What is mounted below $T, announced or not.
end_mounts() {
	local m pid
	for m in $(awk -v t="$T/" 'index($2, t) == 1 && $3 ~ /^fuse/ {
			print $2 }' /proc/self/mounts); do
		mounted_at "$m" || continue
		pid=$(status_pid supervisor_pid "$m")
		timeout 60 "$MIRRORFS" umount "$m" >/dev/null 2>&1
		mounted_at "$m" || continue
		say "had to unmount $m by force"
		[ "$1" != 0 ] || ENDED=1
		umount -l "$m"
		case $pid in '' | *[!0-9]*) ;; *) kill "$pid" ;; esac
	done
}

end_lowers() {
	local i
	for ((i = ${#LOWERS[@]}; i > 0; i--)); do
		lower_umount "${LOWERS[i - 1]}"
	done
}

end_children() {
	local p
	for p in ${CHILDREN[@]+"${CHILDREN[@]}"}; do
		! process_mine "$p" || end_process "$p"
	done
	ftpd_stop
	sshd_stop
}

# The log must be free of what the test did not announce.
end_logs() {
	local log pattern=''
	for log in ${EXPECTED[@]+"${EXPECTED[@]}"}; do
		pattern+="${pattern:+|}$log"
	done
	for log in ${LOGS[@]+"${LOGS[@]}"}; do
		[ -f "$log" ] || continue
		awk -v p="$pattern" '/ (warning|error) [a-z-]*\[[0-9]+\]: / &&
			(p == "" || $0 !~ p) { print; n++ }
			END { exit n > 0 }' "$log" >"$T/complaints" && continue
		say "in the log of mirrorfs:"
		sort -u "$T/complaints" | tail -n 20
		ENDED=1
	done
}

end_reports() {
	local f
	for f in "$T"/sanitizer.* "$T"/core*; do
		[ -e "$f" ] || continue
		# (of a thread that ended just then: nothing is wrong)
		grep -qv "Unable to get registers from thread" "$f" || continue
		say "--- $f"
		head -n 60 "$f"
		ENDED=1
	done
	if grep -q " $T/" /proc/self/mounts; then
		say "still mounted:"
		grep " $T/" /proc/self/mounts
		ENDED=1
	fi
}

end_test() {
	local r=$1 m
	trap - EXIT
	trap '' INT TERM HUP
	cd /
	thaw
	end_children
	end_mounts "$r"
	end_lowers
	[ "$r" = 77 ] || end_logs
	end_reports
	if [ "$r" != 0 ] && [ "$r" != 77 ]; then
		for m in ${LOGS[@]+"${LOGS[@]}"}; do
			[ -f "$m" ] || continue
			say "--- end of $m"
			tail -n 20 "$m"
		done
		# of what there is to say, the end is what gets printed
		[ ! -f "$T/difference" ] || head -n 8 "$T/difference"
	fi
	if [ -n "${KEEP:-}" ]; then
		say "kept: $T"
	elif ! grep -q " $T/" /proc/self/mounts; then
		rm -rf --one-file-system "$T"
	fi
	[ -z "$ENDED" ] || [ "$r" != 0 ] || r=1
	exit "$r"
}

begin_test
