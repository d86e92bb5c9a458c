#!/bin/bash
# Chaos, from a seed: writers that know what was acknowledged work while the fs
# worker, the sync process, sessions and their proxy are killed, stalled and
# cut, the journal's disk fills up, and the journal is lost. No call of a
# writer fails; at the end trees are equal and the model holds everywhere.
# CHAOS: seconds (5).
. "$(dirname "$0")/functions.sh"
expect_log "."

seconds=${CHAOS:-5}
RANDOM=$((SEED % 32768))
declare -A COUNT=()
mkdir "$T/state" "$T/replica2"
mount -t tmpfs -o size=64m none "$T/state" || skip "no tmpfs"
LOWERS+=("$T/state")
ssh_replicas 1
port=$(free_port)
background "$HELPERS/proxy" "$port" "$SSHD_PORT"
PROXY=$BG
printf '[127.0.0.1]:%s %s\n' "$port" \
	"$(cut -d' ' -f1,2 "$T/sshd/host_key.pub")" >>"$SSHD_KNOWN_HOSTS"
url=$(sshd_url "$T/replica1")
check "mount" mount_tree "${REPLICAS[@]:0:4}" --replica "r2=$T/replica2" \
	--replica "r1=${url/:$SSHD_PORT/:$port}"
# a lost journal has all compared; churn removes as much as it makes
for r in r1 r2; do
	check "set" "$MIRRORFS" replica set "$T/tree" $r max-delete=100%
done
check "wait" synced

did() {
	COUNT[$1]=$((${COUNT[$1]:-0} + 1))
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
one() {
	case $((RANDOM % 16)) in
	0 | 1 | 2 | 3 | 4 | 5) kill_worker ;;
	6 | 7) kill_pid sync_pid ;;
	8) kill_children "$(status_pid sync_pid)" && did local-session ;;
	9) kill_children "$SSHD_PID" && did sshd-session ;;
	10) kill -USR1 "$PROXY"; sleep 0.3; kill -USR2 "$PROXY"; did cut ;;
	11) kill -HUP "$PROXY"; sleep 0.5; kill -USR2 "$PROXY"; did stall ;;
	12) cat /dev/zero >"$T/state/filler" 2>/dev/null; sleep 0.5
		rm "$T/state/filler"; did journal-full ;;
	13) [ $((RANDOM % 4)) = 0 ] && rm -f "$T/state/journal.db" &&
		did journal-lost ;;
	14) rm -rf "$T/replica2/${RANDOM:0:1}" "$T/replica2/.mirrorfs/state"
		did tampered ;;
	15) "$MIRRORFS" replica pause "$T/tree" r1
		"$MIRRORFS" replica resume "$T/tree" r1; did pause ;;
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
for w in 1 2; do
	writer acked$w "$HELPERS/acked" run $((SEED + w)) "$seconds" \
		"$T/tree/w$w" "$T/model$w"
done
writer churn "$HELPERS/churn" --seed "$SEED" --ops $((seconds * 100)) \
	--procs 2 "$T/tree"
end=$((SECONDS + seconds))
while [ $SECONDS -lt $end ]; do
	one
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
cat "$T"/acked[12]

check "the journal works" wait_for 60 journal_works
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
	same "$T/replica$r" || { cp "$T/treecmp.out" "$T/difference"
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
