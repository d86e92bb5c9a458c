# What the t-causes-* have in common: replica r1 is $R, over a private sshd, and
# something there is in the way; r2 is beside it. Sourced.

# causes_mount FOLDER [URL [OPTION...]] - FOLDER is r1
causes_mount() {
	R=$1
	mkdir -p "$R" "$T/replica2" "$T/tree/other" || fail "folders"
	[ -n "${SSHD_PID:-}" ] || ssh_replicas 0
	check "mount" mount_tree "${REPLICAS[@]}" \
		--replica "r1=${2:-$(sshd_url "$R")}" \
		--replica "r2=$T/replica2" "${@:3}"
	SYNC=$(status_pid sync_pid)
	cd "$T/tree" || fail "cd"
}

# told CAUSE PATH WHAT REMEDY - by status
told() {
	wait_for 120 parked_as "$1" "$2" ||
		fail "not $1, $2: $("$MIRRORFS" status "$T/tree" --parked)"
	"$MIRRORFS" status "$T/tree" --parked >"$T/out" || fail "status"
	grep -Eq "^r1 .* $1 +/$2 +$3" "$T/out" && grep -Eq "^$1: $4" "$T/out" ||
		fail "what is told of $2: $(cat "$T/out")"
}

n_parked() { [ "$(status_get r1 parked)" = "$1" ]; }

# not_held [r2] - other paths go on, or at least the other replica does
not_held() {
	local path=other/$((RANDOM * 32768 + RANDOM))
	echo x >"$path" || fail "$path"
	check "wait for $path" "$MIRRORFS" wait "$T/tree" "$T/tree/$path" \
		--timeout 120 ${1:+--replica "$1"}
	[ -n "${1:-}" ] || check "another path" test -s "$R/$path"
	check "the other replica" "$MIRRORFS" wait "$T/tree" --replica r2 \
		--timeout 120
	check "the other replica" same "$T/replica2"
	equal "$(status_pid sync_pid)" "$SYNC" "the sync process never ended"
}

# arrived TEXT [TREECMP-OPTION...] - nothing is in the way any more
arrived() {
	local text=$1
	shift
	check "$text: arrives" wait_for 120 n_parked 0
	check "$text: wait" synced
	same "$R" "$@" || fail "$text: not equal"
	check "$text: the other replica" same "$T/replica2"
}
retry() { "$MIRRORFS" retry "$T/tree" >"$T/out" || fail "retry"; }
