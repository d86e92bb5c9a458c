#!/bin/bash
# The kernel's pages of a file are not older than the file below: a write is
# held on its way (tests/sysfault.c), others read or store meanwhile, and when
# it is done everybody has what was written, as the file below has.
. "$(dirname "$0")/functions.sh"
[ -z "$SANITIZED" ] || skip "cannot be preloaded into a sanitized program"
expect_log "worker"

PLAN=$T/plan
hits() {
	cat "$PLAN.hits" 2>/dev/null || echo 0
}
on_its_way() { [ "$(hits)" -gt 0 ]; }
# hold NAME [CALL] - the next write to it, until let_go.
hold() {
	rm -f "$PLAN.hits"
	echo "${2:-pwrite} 1 1 wait /tree/$1" >"$PLAN.new" &&
		mv "$PLAN.new" "$PLAN"
}
let_go() {
	: >"$PLAN.new" && mv "$PLAN.new" "$PLAN"
}
digits() { # digits COUNT DIGIT
	head -c "$1" /dev/zero | tr '\0' "$2"
}
# patch NAME COUNT - so many ones at its beginning, by who opens it for writing
# only, in one write(2); that is on its way then, as WRITER.
patch() {
	digits "$2" 1 >"$T/patch"
	hold "$1"
	dd if="$T/patch" of="$T/tree/$1" bs="$2" conv=notrunc status=none &
	WRITER=$!
	check "a write is on its way" wait_for 60 on_its_way
}
ended() {
	let_go
	wait "$WRITER" || fail "the write"
}
# right NAME TEXT - what is read is as $T/want.
right() {
	cmp "$T/want" "$T/tree/$1" || fail "old bytes are read: $2"
	check "wait: $2" synced
	cmp "$T/want" "$T/replica1/$1" || fail "the replica: $2"
}

let_go
pipe_replicas 1
export FAULTS=$PLAN
LD_PRELOAD=$HELPERS/sysfault.so mount_tree "${REPLICAS[@]}" || fail "mount"

# who reads while another writes
digits 5000 0 >"$T/tree/read"
{ digits 900 1 && digits 4100 0; } >"$T/want"
patch read 900
cat "$T/tree/read" >"$T/out"
ended
right read "read meanwhile"

# … behind the end that a log had
digits 100 0 >"$T/tree/log"
digits 200 0 >"$T/want"
hold log
digits 100 0 >>"$T/tree/log" &
WRITER=$!
check "a write is on its way" wait_for 60 on_its_way
cat "$T/tree/log" >"$T/out"
ended
right log "read meanwhile, at the end"

# … what comes to us with a later request
digits 3000000 0 >"$T/tree/large"
digits 3000000 1 >"$T/want"
patch large 3000000
cat "$T/tree/large" >"$T/out"
ended
right large "a large write"

# … and stores into a page of it
digits 5000 0 >"$T/tree/stored"
{ digits 900 1 && digits 2100 0 && echo -n X && digits 1999 0; } >"$T/want"
mkfifo "$T/fifo"
patch stored 900
"$HELPERS/mapper" "$T/tree/stored" <"$T/fifo" >"$T/mapper.out" &
MAPPER=$!
exec 6>"$T/fifo"
echo 3000 >&6
check "it is stored" wait_for 60 grep -q stored "$T/mapper.out"
ended
exec 6>&-
wait $MAPPER || fail "mapper"
right stored "a store meanwhile"

# … is written back while somebody else cuts the file to nothing
digits 9000 0 >"$T/tree/cut"
: >"$T/want"
"$HELPERS/mapper" "$T/tree/cut" <"$T/fifo" >"$T/mapper.out" &
MAPPER=$!
exec 6>"$T/fifo"
echo 5000 >&6
check "it is stored" wait_for 60 grep -q stored "$T/mapper.out"
hold cut
sync "$T/tree/cut" &
WRITER=$!
check "it is on its way" wait_for 60 on_its_way
: >"$T/tree/cut" &
CUTTER=$!
wait_for 1 process_gone $CUTTER # not before it was written
ended
wait $CUTTER || fail "cut"
check "nothing is back" cmp "$T/want" "$T/tree/cut"
exec 6>&-
wait $MAPPER || fail "mapper"
right cut "cut while it was written back"

# a worker that dies meanwhile; the next one does it again, and the old pages
# go a moment later
digits 5000 0 >"$T/tree/killed"
{ digits 900 1 && digits 4100 0; } >"$T/want"
patch killed 900
cat "$T/tree/killed" >"$T/out"
rm "$PLAN.hits"
kill -9 "$(status_pid worker_pid)"
check "the write is on its way again" wait_for 60 on_its_way
ended
check "new bytes" wait_for 60 cmp -s "$T/want" "$T/tree/killed"
right killed "the worker died"

# … and cuts; what was stored since it was begun waits behind it to be written back
digits 9000 0 >"$T/tree/late"
: >"$T/want"
mkfifo "$T/go" && exec 8<>"$T/go"
perl -MIO::Handle -e 'open(F, "<", $ARGV[0]) && print("open\n") or die;
	STDOUT->flush; <STDIN>; F->sync or die' "$T/tree/late" <&8 >"$T/out" &
SYNCER=$!
check "it is open" wait_for 60 grep -q open "$T/out"
"$HELPERS/mapper" "$T/tree/late" <"$T/fifo" >"$T/mapper.out" &
MAPPER=$!
exec 6>"$T/fifo"
check "it is mapped" wait_for 60 grep -q mapped "$T/mapper.out"
hold late ftruncate
: >"$T/tree/late" &
WRITER=$!
check "a cut is on its way" wait_for 60 on_its_way
echo 5000 >&6
check "it is stored" wait_for 60 grep -q stored "$T/mapper.out"
rm "$PLAN.hits"
kill -9 "$(status_pid worker_pid)"
check "the cut is on its way again" wait_for 60 on_its_way
echo >&8
wait_for 1 process_gone $SYNCER # not before that was served
ended
wait $SYNCER || fail "sync"
check "nothing is back" cmp "$T/want" "$T/tree/late"
exec 6>&- 8>&-
wait $MAPPER || fail "mapper"
right late "cut by two workers"
exit 0
