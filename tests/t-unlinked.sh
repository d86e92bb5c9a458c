#!/bin/bash
# Hundreds of files that are open and have no name any more: while they are
# open the supervisor has a descriptor of each, for another worker; when they
# were all closed at once it has none, although it could not listen just then,
# and what they took up on the disk is free. Nor is a folder kept open.
. "$(dirname "$0")/functions.sh"

expect_log "fs worker died"

FILES=600
check "mount" mount_tree
SUPERVISOR=$(status_pid supervisor_pid)
WORKER=$(status_pid worker_pid)

# nameless PID - how many files without a name it has open.
nameless() {
	find "/proc/$1/fd" -lname "*$T/tree/*(deleted)" 2>/dev/null | wc -l
}
has() {
	[ "$(nameless "$1")" -eq "$2" ]
}
hold_open() {
	local i fd
	for ((i = 0; i < FILES; i++)); do
		exec {fd}>"$T/tree/$i" || exit 1
	done
	rm "$T/tree/"*
	touch "$T/ready"
	read -r _ <"$T/close"
}
mkfifo "$T/close"
background hold_open
check "opened" wait_for 60 test -e "$T/ready"
check "the supervisor has them" wait_for 60 has "$SUPERVISOR" "$FILES"

kill -STOP "$SUPERVISOR"
echo >"$T/close"
wait "$BG" || fail "closing"
wait_for 60 has "$WORKER" 0
r=$?
kill -CONT "$SUPERVISOR"
check "the worker has closed them" test "$r" = 0
check "and the supervisor" wait_for 60 has "$SUPERVISOR" 0

# nor is a folder kept open that was just used
mkdir "$T/tree/d" && touch "$T/tree/d/f" && mv "$T/tree/d/f" "$T/tree/d/g" ||
	fail "using a folder"
no_folder() {
	[ "$(find "/proc/$WORKER/fd" -lname "$T/tree/d*" | wc -l)" -eq 0 ]
}
check "the worker lets go of a folder" wait_for 60 no_folder
# of a fifo, or a device, the kernel does not tell that it is open: whatever it
# knows of is there for another worker, and is let go with it
mkfifo "$T/tree/fifo" && mknod "$T/tree/null" c 1 3 || fail "mknod"
exec 5<>"$T/tree/fifo" 6<>"$T/tree/null"
rm "$T/tree/fifo" "$T/tree/null" || fail "rm"
check "the supervisor has both" wait_for 60 has "$SUPERVISOR" 2
kill -9 "$WORKER"
check "another worker" wait_for 60 worker_after "$WORKER"
WORKER=$(status_pid worker_pid)
for fd in 5 6; do
	chmod 640 "/proc/self/fd/$fd" || fail "chmod of $fd"
	equal "$(stat -Lc %a "/proc/self/fd/$fd")" 640 "mode of $fd"
done
exec 5<&- 6<&-
check "they are let go" wait_for 60 has "$SUPERVISOR" 0
check "umount" umount_tree
exit 0
