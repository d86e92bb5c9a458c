#!/bin/bash
# Chaos, from a seed: writers that know what was acknowledged work while the fs
# worker, the sync process, sessions and their proxy are killed, stopped and
# cut, the disks of the tree, the journal and of replicas fill up, and the journal
# is lost. No call of a writer fails, but while the supervisor is dead, until the
# tree is mounted again, and for want of space while the disk is full; at the end trees are equal and the model holds everywhere.
# CHAOS: seconds (5).
. "$(dirname "$0")/functions.sh"
. "$TESTS/property.sh"
expect_log "."

seconds=${CHAOS:-5}
RANDOM=$((SEED % 32768))
declare -A COUNT=()
mkdir "$T/state" "$T/replica2"
ROOM=2g
for disk in state:64m replica1:$ROOM replica2:$ROOM; do
	mount -t tmpfs -o "size=${disk#*:},mode=755" none "$T/${disk%:*}" ||
		skip "no tmpfs"
	LOWERS+=("$T/${disk%:*}")
done
# what fills the tree's disk is not in the tree
mkdir "$T/disk"
lay_below ext4 "$T/disk"
mkdir "$T/disk/tree"
mount --bind "$T/disk/tree" "$T/tree" || skip "no bind mounts"
LOWERS+=("$T/tree")
: >"$T/outage"
: >"$T/never"
: >"$T/full"
ssh_replicas 1
port=$(free_port)
proxy_up() {
	background "$HELPERS/proxy" "$port" "$SSHD_PORT"
	PROXY=$BG
}
proxy_up
printf '[127.0.0.1]:%s %s\n' "$port" \
	"$(cut -d' ' -f1,2 "$T/sshd/host_key.pub")" >>"$SSHD_KNOWN_HOSTS"
url=$(sshd_url "$T/replica1")
# of small files, too, only what changed travels
mount_chaos() {
	mount_above 0 "${REPLICAS[@]:0:4}" --replica "r2=$T/replica2" \
		--replica "r1=${url/:$SSHD_PORT/:$port}"
}
check "mount" mount_chaos
# a lost journal has all compared; churn removes as much as it makes
for r in r1 r2; do
	check "set" "$MIRRORFS" replica set "$T/tree" $r max-delete=100% \
		parallel-above=1
done
check "wait" synced

did() {
	COUNT[$1]=$((${COUNT[$1]:-0} + 1))
	echo "$EPOCHREALTIME $1" >>"$T/blows"
}
kill_pid() {
	local pid
	pid=$(status_pid "$1")
	[ "${pid:-0}" -gt 0 ] 2>/dev/null && kill -9 "$pid" && did "$1"
}
# one that serves: supervisors give up when none comes to serve
kill_worker() {
	timeout 10 ls "$T/tree" && kill_pid worker_pid
}
fill_journal() {
	cat /dev/zero >"$T/state/filler" 2>/dev/null
	did journal-full
}
# room REPLICA - its disk is full, or is not any more
FULL=("" "" "")
room() {
	local at=$T/replica$1 size=$ROOM
	[ -n "${FULL[$1]}" ] ||
		size=$(($(df -k --output=used "$at" | tail -n 1) + RANDOM % 100))k
	mount -o "remount,size=$size" "$at" 2>/dev/null || return
	[ "$size" = $ROOM ] && FULL[$1]= || { FULL[$1]=1; did replica-full; }
}

# fill_tree - down to some KiB, for a moment
fill_tree() {
	local k
	printf x >>"$T/full"
	k=$(df -k --output=avail "$T/disk" | tail -n 1)
	fallocate -l $((k - RANDOM % 300))k "$T/disk/filler"
	sleep 0.$((RANDOM % 9))
	rm -f "$T/disk/filler"
	printf x >>"$T/full"
	did tree-full
}
# sshd_again - nobody can connect for a moment, sessions stay
sshd_again() {
	kill -9 "$SSHD_PID"
	wait "$SSHD_PID" 2>/dev/null
	"$(command -v sshd)" -D -e -f "$T/sshd/sshd_config" \
		</dev/null >>"$T/sshd/sshd.log" 2>&1 &
	SSHD_PID=$!
	wait_for 60 sshd_answers && did sshd
}

# outage - the supervisor is killed, alone or with others, and the tree mounted
# again; writers know when (tests/outage.h).
dead() {
	! ls "$T/tree"
} >/dev/null 2>&1
outage() {
	local pids p full= n=$((1 + ${COUNT[supervisor]:-0} % 3))
	pids=("$(status_pid supervisor_pid)" "$(status_pid worker_pid)"
		"$(status_pid sync_pid)")
	[ "${pids[0]:-0}" -gt 0 ] 2>/dev/null || return
	[ $((RANDOM % 4)) != 0 ] || { full=1; fill_journal; }
	: >"$T/outage.killed"
	for p in "${pids[@]:0:n}"; do
		[ "${p:-0}" -gt 0 ] 2>/dev/null && kill -9 "$p" 2>/dev/null
	done
	did supervisor
	check "it ends" wait_for 60 process_gone "${pids[0]}"
	# with the worker, callers may wait until it is mounted again
	[ $n != 1 ] || check "nobody serves" wait_for 60 dead
	printf x >>"$T/outage"
	[ $n != 1 ] || ! { echo x >"$T/tree/unseen"; } 2>/dev/null ||
		fail "it is open"
	check "mount again" mount_chaos
	[ ! -e "$T/tree/unseen" ] || fail "what nobody saw"
	printf x >>"$T/outage"
	[ -z "$full" ] || rm "$T/state/filler"
}
# stop NAME PID - it lives, and does nothing for a while. What met its end is an
# outage for those who measure.
stop() {
	[ "${2:-0}" -gt 0 ] 2>/dev/null && kill -STOP "$2" && did "$1-stopped" ||
		return
	: >"$T/outage.killed"
	sleep 0.5
	: >"$T/outage.killed"
	kill -CONT "$2"
}
proxy_again() {
	kill -9 "$PROXY"
	wait "$PROXY" 2>/dev/null
	proxy_up
	wait_for 60 port_open "$port" && did proxy
}
one() {
	case $((RANDOM % 25)) in
	0 | 1 | 2 | 3 | 4 | 5) kill_worker ;;
	6 | 7) kill_pid sync_pid ;;
	8) kill_children "$(status_pid sync_pid)" && did local-session ;;
	9) kill_children "$SSHD_PID" && did sshd-session ;;
	10) kill -USR1 "$PROXY"; sleep 0.3; kill -USR2 "$PROXY"; did cut ;;
	11) kill -HUP "$PROXY"; sleep 0.5; kill -USR2 "$PROXY"; did stall ;;
	12) fill_journal; sleep 0.5; rm "$T/state/filler" ;;
	13) [ $((RANDOM % 4)) = 0 ] && rm -f "$T/state/journal.db" &&
		did journal-lost ;;
	14) rm -rf "$T/replica2/${RANDOM:0:1}" "$T/replica2/.mirrorfs/state"
		did tampered ;;
	15) "$MIRRORFS" replica pause "$T/tree" r1
		"$MIRRORFS" replica resume "$T/tree" r1; did pause ;;
	16) room 1 ;;
	17) room 2 ;;
	18) fill_tree ;;
	19) sshd_again ;;
	20) stop sync "$(status_pid sync_pid)" ;;
	21) stop worker "$(status_pid worker_pid)" ;;
	22) stop supervisor "$(status_pid supervisor_pid)" ;;
	23) stop session "$(pgrep -P "$SSHD_PID" | shuf -n 1)" ;;
	24) proxy_again ;;
	esac >/dev/null 2>&1
}

# writer NAME COMMAND... - its status goes into a file: bash forgets that of who
# ended thousands of children ago
writers=()
writer() {
	writers+=("$1")
	{ "${@:2}" >"$T/$1" 2>&1; echo $? >"$T/$1.status"; } &
	CHILDREN+=($!)
}
ended() {
	local w
	for w in "${writers[@]}"; do
		[ -s "$T/$w.status" ] || return 1
	done
}
background "$HELPERS/pulse" >"$T/pulse"
for w in 1 2; do
	writer acked$w "$HELPERS/acked" run $((SEED + w)) "$seconds" \
		"$T/tree/w$w" "$T/model$w" "$T/outage" "$T/full"
done
# the same beside the mount, on the same disk: what that stalls is not ours
mkdir "$T/disk/raw"
writer acked-raw "$HELPERS/acked" run "$SEED" "$seconds/5" "$T/disk/raw" \
	"$T/model-raw" "$T/never" "$T/full"
writer churn "$HELPERS/churn" --seed "$SEED" --ops $((seconds * 100)) \
	--procs 2 --outage "$T/outage" --full "$T/full" "$T/tree"
check "they write" wait_for 60 test -e "$T/tree/w1" -a -e "$T/tree/w2"
end=$((SECONDS + seconds)) next=$((SECONDS + 1))
room $((1 + RANDOM % 2))
while [ $SECONDS -lt $end ]; do
	one
	if [ $SECONDS -ge $next ]; then
		outage
		next=$((SECONDS + (seconds < 60 ? seconds / 3 : 20)))
	fi
	sleep 0.$((RANDOM % 3))
done
check "writers end" wait_for 300 ended
for w in "${writers[@]}"; do
	equal "$(cat "$T/$w.status")" 0 "$w: $(cat "$T/$w")"
done
for kind in "${!COUNT[@]}"; do
	echo "$kind ${COUNT[$kind]}"
done | sort | tr '\n' ' '
echo
# late - calls of 50 ms and more, with the blows of the second before each, and
# when a processor of the machine stood still meanwhile
late() {
	awk 'FILENAME ~ /blows/ { at[n] = $1; what[n++] = $2; next }
		/pulse:/ { still[m] = $3; ms[m] = $7; text[m++] = $0; next }
		/late/ && $7 >= 50 {
			print substr(FILENAME, length(FILENAME) - 5) ": " $0
			for (i = 0; i < m; i++) {
				if (still[i] > $3 - $7 / 1000 &&
				    still[i] - ms[i] / 1000 < $3)
					print "    " text[i]
			}
			for (i = 0; i < n; i++) {
				if (at[i] > $3 - $7 / 1000 - 1 && at[i] <= $3)
					printf "    %s %.0f ms before its start\n", what[i],
						($3 - at[i]) * 1000 - $7
			}
		}' "$T/blows" "$T/pulse" "$T"/acked1 "$T"/acked2 "$T"/acked-raw
}
grep -h calls "$T"/acked1 "$T"/acked2 "$T"/acked-raw
late

check "the journal works" wait_for 60 journal_works
for r in 1 2; do
	[ -z "${FULL[r]}" ] || room $r
	none_parked() { [ "$(status_get r$r parked)" = 0 ]; }
	check "what was parked on $r arrives by itself" wait_for 60 none_parked
done
# what was tampered with is found by a comparison, when it was not met
drop() { kill_children "$(status_pid sync_pid)"; }
check "its session ends" wait_for 60 drop
echo last >"$T/tree/last"
reached() {
	[ -e "$T/replica1/last" ] && [ -e "$T/replica2/last" ]
}
check "both are reached" wait_for 120 reached
check "wait" synced 120
for r in 1 2; do
	# below the mount: what a mapping could not write to a full disk stays in
	# the kernel's pages
	"$HELPERS/treecmp" --ignore-special "$T/disk/tree" "$T/replica$r" \
		>"$T/difference" 2>&1 || { cat "$T/difference"
		fail "replica $r, seed $SEED"; }
	for w in 1 2; do
		check "the model of $w on replica $r" "$HELPERS/acked" check \
			"$T/replica$r/w$w" "$T/model$w"
	done
done
for w in 1 2; do
	check "the model of $w" "$HELPERS/acked" check "$T/tree/w$w" "$T/model$w"
done
exit 0
