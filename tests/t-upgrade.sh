#!/bin/bash
# Another program takes over a mount that is in use: every call goes on. One
# that does not understand what is there, in memory or in the journal, is refused
# before anything is stopped,
# and one that takes its time to say so holds up nobody; one that does not come
# to serve, or hangs, is given up for the one before.
. "$(dirname "$0")/functions.sh"
expect_log "fs worker died|the new program does not serve"
expect_races

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
check "the copy runs" wait_for 60 runs "$T/new"
for round in $(seq "$(scaled 5)"); do
	check "upgrade $round to itself" upgraded
done
check "it runs" wait_for 60 runs "$(realpath "$MIRRORFS")"

# refused, nothing is stopped
refuse "what cannot serve" upgraded --program /bin/false
check "says why" grep -q "nothing was stopped" "$T/err"
equal "$(status_pid worker_pid)" "$WORKER" "the worker"
refuse "what is not there" upgraded --program "$T/none" 2>/dev/null
# one for which it means something else, or has another size (struct head in
# fs/kept.c), or that knows another journal (struct memory in
# lib/journal/memory.h): it refuses itself
byte() { # FILE OFFSET
	od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' '
}
set_byte() { # FILE OFFSET VALUE
	printf "\\x$(printf %x "$3")" | dd of="$1" bs=1 seek="$2" conv=notrunc \
		status=none
}
another() { # MEMORY OFFSET WHY
	local file was
	file=/proc/$supervisor/fd/$(ls -l "/proc/$supervisor/fd" |
		awk -v name="mirrorfs-$1" '$0 ~ name { print $9 }')
	was=$(byte "$file" "$2")
	set_byte "$file" "$2" $((was ^ 1))
	refuse "another layout: $*" upgraded --program "$T/new"
	set_byte "$file" "$2" "$was"
	check "says why" grep -q "$3.*nothing was stopped" "$T/err"
	equal "$(status_pid worker_pid)" "$WORKER" "the worker"
}
another kept 8 "cannot take over"
another kept 12 "cannot take over"
another shared 8 "cannot take over"
another shared 16 "another format of the journal"
went_back() { # OPTION...
	! upgraded "$@" && grep -q "the one before goes on" "$T/err"
}
check "a dud is given up" went_back --program "$HELPERS/dud"
refuse "no root of a mount" "$MIRRORFS" upgrade "$T/replica1" 2>/dev/null

serves() {
	[ "$(status_pid worker_pid)" != "$WORKER" ] && [ -d "$T/tree/storm" ]
}
check "the one before goes on" wait_for 60 serves
# it may have answered before the supervisor has heard that it serves: then it is
# being replaced, for a moment
check "and can be replaced" wait_for 60 upgraded 2>/dev/null
# one that hangs
cp "$HELPERS/dud" "$T/hangs" && touch "$T/hangs.hang" || fail "cp"
check "one that hangs is given up" went_back --program "$T/hangs"
check "the one before goes on" wait_for 60 serves
check "and can be replaced" wait_for 60 upgraded 2>/dev/null

# one that takes its time to answer: all goes on meanwhile
cp "$HELPERS/dud" "$T/slow" && mkfifo "$T/slow.ask" || fail "a slow program"
# asked - it is asked, and goes on being so while descriptor 6 is open
asked() {
	background "$MIRRORFS" upgrade "$T/tree" --program "$T/slow" \
		2>"$T/slow.err"
	exec 6<"$T/slow.ask"
}
asked
WORKER=$(status_pid worker_pid)
kill -9 "$WORKER"
check "a call is answered" touch "$T/tree/meanwhile"
replaced() {
	[ "$(status_pid worker_pid)" != "$WORKER" ]
}
check "by another worker" wait_for 60 replaced
refuse "two at once" upgraded
check "the second is told" grep -q "being replaced" "$T/err"
refuse "it has answered by then" process_gone "$BG"
exec 6<&-
wait "$BG" && fail "a program that said no"
check "says so" grep -q "nothing was stopped" "$T/slow.err"

touch "$T/stop"
wait "$storm" || fail "callstorm"
equal "$(status_pid supervisor_pid)" "$supervisor" "the supervisor"
equal "$(cat <"/proc/$$/fd/5")" kept "a file without a name"
exec 5>&-
check "wait" synced
check "same" same "$T/replica1"

# the mount ends while it is asked, and the program with it
asked
check "umount" umount_tree
wait "$BG" && fail "an upgrade of what is not there"
check "says that it ended" grep -q "the mount ended" "$T/slow.err"
read -r -t 60 -u 6 # it has the other end
equal $? 1 "the program has ended, too"
exec 6<&-
exit 0
