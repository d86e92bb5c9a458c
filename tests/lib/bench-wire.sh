# What the wire costs: a round trip of 20 ms by our own proxy, bytes counted by
# it, many replicas, an outage, small files beside a large one. Needs
# bench-peers.sh, and row, compare, runs and timed of bench.

PROXY_TOOL=$BUILD/tests/proxy
PROXIES=() # those that run, the newest first: its process, the port behind it

# line_start [OPTION...] - a proxy before the server, or before the line that is
# there; line_stop ends it, false when there is none
line_start() {
	local port
	port=$(free_port)
	"$PROXY_TOOL" "$port" "$PORT" --count "$S/count.$port" "$@" &
	PROXIES=("$! $PORT" "${PROXIES[@]}")
	wait_for 5 port_open "$port" || die "proxy"
	reach "$port"
}

line_stop() {
	[ ${#PROXIES[@]} -gt 0 ] || return 1
	end_process "${PROXIES[0]% *}"
	reach "${PROXIES[0]#* }"
	PROXIES=("${PROXIES[@]:1}")
}

line_bytes() {
	local n
	read -r n <"$S/count.$PORT" && echo "$n"
}

# far PART - the same rows with 20 ms between master and replica
far() {
	local FAR="20 ms round trip: "
	line_start --delay 10
	"bench_$1"
	line_stop
}

# near_or_far LIMIT FAR-LIMIT - the one that holds here; "": none
near_or_far() {
	[ -n "$FAR" ] && echo "${2:-}" || echo "$1"
}

# far_one_folder sftp - it waits three times for each file, eleven minutes for
# all: one folder of them, times their number, and the connection once
far_one_folder() {
	local login
	timed sftp_put ""
	login=$TIME
	"$TOOL" files "$L" 1 $FILES 4096
	timed "${1}_start"
	"$TOOL" until "$R" $FILES 4096
	TIME=$(awk -v a="$login" -v b="$TIME" -v n=$DIRS \
		'BEGIN { printf "%.1f", a + (b - a) * n }')
}

# alone TEXT UNIT VALUE TARGET [LIMIT] - a row with nobody beside it
alone() {
	row "$1" "$2" "$3" "target" "$4" "${5:-1}"
}

# beside_large TEXT [SIZE] - small files while a large one is under way
beside_large() {
	local size=${2:-$((BIG * 4))} ms # it is there twice, in memory
	mkdir "$M/small"
	head -c $size /dev/zero | tr '\0' 'x' >"$M/large"
	ms=$("$TOOL" paced "$M/small" "$R/small" $((400 / SCALE)) 50) ||
		die "paced"
	[ ! -e "$R/large" ] || say "    the large file was there before the end"
	alone "$1small files while $((size >> 20)) MiB are under way, p50" ms \
		"${ms% *}" 100
	alone "$1the same, p99" ms "${ms#* }" 100
}

bench_beside() {
	fresh
	mirrorfs_start && mirrorfs_quiet
	beside_large ""
	mirrorfs_stop
}

# one file kept open, appended to in 127 bursts, each one settled for itself
bench_bursts() {
	local i before written=0 burst=$((1024 * 1024 / SCALE))
	fresh
	line_start
	printf '[mount]\nroot = %s\nsettle-idle = 50ms\n' "$L" >"$S/bursts.conf"
	mirrorfs_start --config "$S/bursts.conf" -o update=append,inplace-above=0 &&
		mirrorfs_quiet
	before=$(line_bytes)
	exec 8>>"$M/log"
	for ((i = 0; i < 127; i++)); do
		head -c $burst /dev/urandom >&8
		written=$((written + burst))
		sleep 0.1
	done
	exec 8>&-
	mirrorfs_quiet
	alone "127 bursts into a file that stays open: bytes sent / written" "" \
		"$(awk -v a="$(line_bytes)" -v b="$before" -v w=$written \
			'BEGIN { printf "%.2f", (a - b) / w }')" 1 1.1
	mirrorfs_stop
	line_stop
}

bench_replaced() {
	local ms
	fresh
	mirrorfs_start && mirrorfs_quiet
	ms=$("$TOOL" replaced "$M" "$R" $((10000 / SCALE))) || die "replaced"
	alone "a version renamed over a file $((10000 / SCALE)) times: age, p99" \
		ms "${ms#* }" 1000
	mirrorfs_stop
}

# few_bytes_sent TEXT - what a line carries of five bytes in a large file
few_bytes_sent() {
	local before
	fresh
	mkdir "$L/big"
	head -c $BIG /dev/zero | tr '\0' 'x' >"$L/big/file"
	line_start
	mirrorfs_start && mirrorfs_quiet
	before=$(line_bytes)
	few_bytes_work mirrorfs && mirrorfs_quiet
	alone "$1: sent" KiB "$((($(line_bytes) - before + 1023) / 1024))" 1024
	mirrorfs_stop
	line_stop
}

# 20 replicas, then one of them dead
bench_farm() {
	local i ms text options=() files=$((460 / SCALE)) seconds=$((60 / SCALE))
	fresh
	"$TOOL" files "$L" 200 $files 512
	for ((i = 1; i < 20; i++)); do
		mkdir "$W/replica$i"
		options+=(--replica "r$i=$(sshd_url "$W/replica$i" "$PORT")")
	done
	line_start # of the first one
	mirrorfs_start "${options[@]}" && mirrorfs_quiet
	text="$((200 * files)) files, 170 changes/s, p99"
	mkdir "$M/alive" "$M/dead"
	ms=$("$TOOL" paced "$M/alive" "$W/replica19/alive" $((170 * seconds)) \
		170) || die "paced"
	alone "20 replicas, $text" ms "${ms#* }" 1000
	kill -HUP "${PROXIES[0]% *}" # the first one says nothing any more
	ms=$("$TOOL" paced "$M/dead" "$W/replica19/dead" $((170 * seconds)) \
		170) || die "paced"
	alone "20 replicas, one dead, $text" ms "${ms#* }" 1000
	kill -USR2 "${PROXIES[0]% *}"
	mirrorfs_stop
	line_stop
	rm -rf "$W"/replica[0-9]*
}

# what happened while the only replica was away
bench_outage() {
	local records rate
	fresh
	mirrorfs_start && mirrorfs_quiet
	"$MIRRORFS" replica pause "$L" r
	"$TOOL" files "$M" $DIRS $((50000 / DIRS / SCALE)) 512
	records=$("$MIRRORFS" status "$L" --json |
		jq '[.replicas[].lag_records] | add')
	"$MIRRORFS" replica resume "$L" r
	timed mirrorfs_quiet
	rate=$(awk -v n="$records" -v t="$TIME" 'BEGIN { printf "%.0f", n / t }')
	alone "backlog of $records changes: changes caught up with" /s "$rate" \
		5000 "min 1"
	mirrorfs_stop
	outage_repeated $((1000 / SCALE)) 100
}

# outage_repeated FILES TIMES - each was changed so often meanwhile
outage_repeated() {
	local records actions rate
	fresh
	mirrorfs_start && mirrorfs_quiet
	"$MIRRORFS" replica pause "$L" r
	"$TOOL" changes "$M" "$1" "$2"
	records=$("$MIRRORFS" status "$L" --json |
		jq '[.replicas[].lag_records] | add')
	"$MIRRORFS" replica resume "$L" r
	timed mirrorfs_quiet
	rate=$(awk -v n="$records" -v t="$TIME" 'BEGIN { printf "%.0f", n / t }')
	wait_for 10 grep -q "caught up" "$S/state/mirrorfs.log"
	actions=$(sed -n 's/.*caught up: .*actions=\([0-9]*\).*/\1/p' \
		"$S/state/mirrorfs.log" | tail -n 1)
	alone "backlog of $records changes of $1 files: caught up with" /s \
		"$rate" 5000 "min 1"
	alone "the same: actions sent" "" "${actions:-$records}" "$records"
	mirrorfs_stop
}
