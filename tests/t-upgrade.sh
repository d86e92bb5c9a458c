#!/bin/bash
# Another program takes over a mount that is in use: every call goes on. One
# that does not understand what is there is refused before anything is stopped;
# one that does not come to serve is given up for the one before.
. "$(dirname "$0")/functions.sh"
expect_log "fs worker died|the new program does not serve"

pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
supervisor=$(status_pid supervisor_pid)
mkdir "$T/tree/storm"
background "$HELPERS/callstorm" --seed "$SEED" --procs 2 --until "$T/stop" \
	"$T/tree/storm"
storm=$BG
exec 5<>"$T/tree/open" && rm "$T/tree/open" && echo kept >&5

# upgraded [OPTION...] - and another worker serves than before
upgraded() {
	local before=$WORKER
	"$MIRRORFS" upgrade "$T/tree" "$@" 2>"$T/err" || return 1
	WORKER=$(status_pid worker_pid)
	[ "$WORKER" != "$before" ]
}
runs() {
	[ "$(readlink "/proc/$WORKER/exe")" = "$1" ] &&
		[ "$(readlink "/proc/$(status_pid sync_pid)/exe")" = "$1" ]
}

WORKER=$(status_pid worker_pid)
cp "$MIRRORFS" "$T/new" || fail "cp"
check "upgrade to a copy" upgraded --program "$T/new"
check "the copy runs" wait_for 20 runs "$T/new"
for round in $(seq "$(scaled 5)"); do
	check "upgrade $round to itself" upgraded
done
check "it runs" wait_for 20 runs "$(realpath "$MIRRORFS")"

# refused, nothing is stopped
refuse "what cannot serve" upgraded --program /bin/false
check "says why" grep -q "nothing was stopped" "$T/err"
equal "$(status_pid worker_pid)" "$WORKER" "the worker"
refuse "what is not there" upgraded --program "$T/none" 2>/dev/null
refuse "a dud" upgraded --program "$HELPERS/dud"
check "says that it went back" grep -q "the one before goes on" "$T/err"
refuse "no root of a mount" "$MIRRORFS" upgrade "$T/replica1" 2>/dev/null

serves() {
	[ "$(status_pid worker_pid)" != "$WORKER" ] && [ -d "$T/tree/storm" ]
}
check "the one before goes on" wait_for 20 serves
touch "$T/stop"
wait "$storm" || fail "callstorm"
equal "$(status_pid supervisor_pid)" "$supervisor" "the supervisor"
equal "$(cat <"/proc/$$/fd/5")" kept "a file without a name"
exec 5>&-
check "wait" synced
check "same" same "$T/replica1"
check "umount" umount_tree
exit 0
