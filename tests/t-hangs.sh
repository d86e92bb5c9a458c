#!/bin/bash
# A process that lives and does not go on. The sync process was stopped, or one
# of its threads waits for a lock that nobody gives back: it is told, ended and
# started again. The fs worker was stopped: the same, and who waits for it is
# answered by the next one; all its threads are busy for long, or none can take
# over, as there are no file handles below: it is told, and left alone.
. "$(dirname "$0")/functions.sh"
expect_log "the sync process (has not gone on|ended)"
expect_log "the fs worker (has not answered|died)"

pipe_replicas 2
printf '[mount]\nroot = %s\nhang-after = 6s\n' "$T/tree" >"$T/conf"
check "mount" mount_with_faults --config "$T/conf" "${REPLICAS[@]}"
logged() { # TEXT [STATE]
	grep -q "$1" "$T/${2:-state}/mirrorfs.log"
}
# seen COMMAND... - for wait_for: what is so for the seconds until the process is
# ended. We may get no processor as long: then SEEN is empty, and it is tried again
seen() {
	"$@" && SEEN=1 || process_gone "$pid"
}
TRIES="1 2 3 4 5"
said() { # TEXT - by status
	"$MIRRORFS" status "$T/tree" >"$T/status"
	grep -q "$1" "$T/status"
}
ill() { # TEXT - the same, which does not say that all is well
	! "$MIRRORFS" status "$T/tree" >"$T/status" && grep -q "$1" "$T/status"
}
another_sync() {
	local now
	now=$(status_pid sync_pid)
	[ "${now:-0}" -gt 0 ] && [ "$now" != "$1" ]
}

# each thread: one that is about to take a request would have it
stopped() { ! grep -hv "^State:.*T" "/proc/$pid"/task/*/status | grep -q ^State; }

# beside all the rest
mkdir "$T/pinned" "$T/replica3"
sed "s,^root.*,root = $T/pinned," "$T/conf" >"$T/pinned.conf"
check "mount without handles" mount_at "$T/pinned" "$T/pinned-state" \
	--config "$T/pinned.conf" --without=handles --replica "r3=$T/replica3"
exec 5>"$T/pinned/open"
pid=$(status_pid worker_pid "$T/pinned")
PINNED=$pid
kill -STOP "$pid"
check "it stops" wait_for 60 stopped
background touch "$T/pinned/waits"
WAITS=$BG

echo one >"$T/tree/one"
check "wait" synced
for try in $TRIES; do
	SEEN='' pid=$(status_pid sync_pid)
	kill -STOP "$pid"
	echo "$try" >"$T/tree/two"
	check "status tells of sync" wait_for 60 seen \
		said "sync process has not gone on"
	check "a stopped one is ended" wait_for 60 process_gone "$pid"
	check "another one" wait_for 60 another_sync "$pid"
	check "wait" synced
	[ -z "$SEEN" ] || break
done
check "status tells of sync" [ -n "$SEEN" ]
check "the log tells" wait_for 60 logged \
	"sync process has not gone on .* stopped"

# one thread; the other replica goes on meanwhile
ahead() { [ -e "$T/replica2/three$try" ] && [ ! -e "$T/replica1/three$try" ]; }
for try in $TRIES; do
	check "pause" "$MIRRORFS" replica pause "$T/tree" r2
	check "paused" wait_for 60 state_is r2 paused
	SEEN='' pid=$(status_pid sync_pid)
	plan pread 1 1 hang /tree/three sync
	echo three >"$T/tree/three$try"
	check "it waits for a lock" wait_for 60 test -e "$T/plan.hits"
	plan
	check "resume" "$MIRRORFS" replica resume "$T/tree" r2
	check "the other one goes on" wait_for 60 seen ahead
	check "it is ended" wait_for 60 process_gone "$pid"
	check "wait" synced
	[ -z "$SEEN" ] || break
done
check "the other one goes on" [ -n "$SEEN" ]
check "the log tells" wait_for 60 logged \
	"sync process has not gone on .* lock"

# the first thread waits for the end of another one, which is busy
both() { # WHAT
	"$MIRRORFS" replica "$1" "$T/tree" r1 && "$MIRRORFS" replica "$1" "$T/tree" r2
}
pid=$(status_pid sync_pid)
plan pread 1 1 wait /tree/busy sync
echo busy >"$T/tree/busy"
check "it is busy" wait_for 60 test -e "$T/plan.hits"
background both pause
refuse "it is ended" wait_for 9 process_gone "$pid"
plan
check "pause" wait "$BG"
equal "$(status_pid sync_pid)" "$pid" "the sync process"
check "resume" both resume
check "wait" synced

for try in $TRIES; do
	SEEN='' pid=$(status_pid worker_pid)
	kill -STOP "$pid"
	check "it stops" wait_for 60 stopped
	background touch "$T/tree/four$try"
	check "status tells of the worker" wait_for 60 seen \
		ill "worker has not answered"
	check "another one" wait_for 60 worker_after "$pid"
	check "who waited" wait "$BG"
	[ -z "$SEEN" ] || break
done
check "status tells of the worker" [ -n "$SEEN" ]
check "the log tells" wait_for 60 logged \
	"worker has not answered .* is killed"

# the only one who waits is served already
pid=$(status_pid worker_pid)
plan pwrite 1 1 wait /tree/taken fs-worker
background sh -c 'echo taken >"$1"' - "$T/tree/taken"
check "it is served" wait_for 60 test -e "$T/plan.hits"
kill -STOP "$pid"
check "it stops" wait_for 60 stopped
check "another one" wait_for 60 worker_after "$pid"
plan
check "who waited" wait "$BG"
equal "$(cat "$T/tree/taken")" taken "what was written"

# as many calls as there can be threads, and more
pid=$(status_pid worker_pid)
for n in {1..66}; do
	echo "$n" >"$T/tree/f$n" || fail "a file"
done
check "wait" synced
plan ftruncate 1 1000 wait /tree/f fs-worker
for n in {1..66}; do
	background perl -e 'truncate $ARGV[0], 0 or die' "$T/tree/f$n"
done
check "told" wait_for 60 logged "worker has not answered .* a disk may hang"
plan
check "it answers again" wait_for 60 logged "the fs worker answers again"
equal "$(status_pid worker_pid)" "$pid" "the worker"
check "wait" synced
check "same" same "$T/replica1"
check "same" same "$T/replica2"
check "umount" umount_tree

check "told" wait_for 60 logged "worker has not answered" pinned-state
refuse "it is ended" process_gone "$PINNED"
kill -CONT "$PINNED"
check "who waited" wait "$WAITS"
equal "$(status_pid worker_pid "$T/pinned")" "$PINNED" "the worker without handles"
check "what is open stays" eval 'echo kept >&5'
exec 5>&-
check "umount" umount_at "$T/pinned"
equal "$(cat "$T/pinned/open")" kept "what was open"
exit 0
