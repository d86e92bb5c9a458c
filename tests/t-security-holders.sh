#!/bin/bash
# Who has the tree below in his hands since before the mount is told at the
# mount and by status, as long as it is so; who only reads it is not, nor who
# came later.
. "$(dirname "$0")/functions.sh"
need python3
THREADS=()

expect_log 'holds the tree below since before the mount'
expect_log 'more processes hold the tree below'
expect_log 'listens at the socket'
mkdir -p "$T/tree/dir/sub" && echo text >"$T/tree/file" &&
	echo text >"$T/tree/mapped" && cp "$(command -v sleep)" "$T/tree/exe" ||
	fail "the tree"

# hold NAME PYTHON - a process called NAME that has done that; its pid in BG
hold() {
	rm -f "$T/holds"
	background python3 -c "
import ctypes, mmap, os, sys, time
ctypes.CDLL(None).prctl(15, b'$1', 0, 0, 0)
$2
open('$T/holds', 'w')
time.sleep(600)"
	wait_for 60 test -e "$T/holds" || fail "$1 does not run"
}

hold h-cwd "os.chdir('$T/tree/dir/sub')"; CWD=$BG
hold h-dir "f = os.open('$T/tree/dir', os.O_RDONLY)"; DIR=$BG
hold h-path "f = os.open('$T/tree', os.O_PATH)"; OPATH=$BG
hold h-write "f = open('$T/tree/file', 'a'); g = open('$T/tree/x', 'w')"
WRITE=$BG
hold h-map "f = open('$T/tree/mapped', 'r+b'); m = mmap.mmap(f.fileno(), 4)
f.close()"; MAP=$BG
# python's mmap keeps a descriptor: it is a writer as well
hold h-gone "f = open('$T/tree/gone', 'w'); os.unlink('$T/tree/gone')"; GONE=$BG
hold h-read "f = open('$T/tree/file')"
background "$T/tree/exe" 600
runs() { [ "$(readlink "/proc/$1/exe")" = "$2" ]; }
check "it runs" wait_for 60 runs "$BG" "$T/tree/exe"

mkfifo "$T/go"
exec 9<>"$T/go"
# threads ARG... - those of tests/threads.c; their process is added to THREADS
threads() {
	: >"$T/ready"
	"$HELPERS/threads" "$@" <"$T/go" >"$T/ready" &
	CHILDREN+=($!)
	check "threads" wait_for 60 grep -q ready "$T/ready"
	THREADS+=($!)
}
# each in a thread of its own, among many; that of the file only has it, too
threads "$T/tree/dir" /dev/null 200
threads / "$T/tree/file" 200
# the first thread has ended, and /proc shows nothing of it
threads "$T/tree/mapped"

check "mount" mount_tree 2>"$T/err"
# told PID TEXT - at the mount, and in the log
told() {
	check "told of $2" grep -q "^mirrorfs: warning: .*($1) .*$2" "$T/err"
	check "logged: $2" wait_for 60 grep -q " warning .*($1) .*$2" \
		"$T/state/mirrorfs.log"
}
told "$CWD" "working directory $T/tree/dir/sub"
told "$DIR" ": 1 directory;"
told "$OPATH" ": 1 directory;"
told "$WRITE" ": 2 files for writing;"
told "$MAP" "1 writable mapping;"
told "$GONE" ": 1 file for writing;"
told "${THREADS[0]}" ": working directory $T/tree/dir;"
told "${THREADS[1]}" ": 1 file for writing;"
told "${THREADS[2]}" ": 1 file for writing, 1 writable mapping;"
equal "$(grep -c warning "$T/err")" 9 "warnings"
for pid in "${THREADS[@]}"; do
	end_process "$pid"
done

# status tells of those that are still there, by name
around() {
	"$MIRRORFS" status "$T/tree" --json | jq -r \
		'[.around[].program] | sort | join(" ")'
}
equal "$(around)" "h-cwd h-dir h-gone h-map h-path h-write" "status"
check "text" sh -c "'$MIRRORFS' status '$T/tree' |
	grep -q '6 processes may write around the mount.*h-cwd ($CWD)'"
# they do write around it, and what came later does not
hold later "os.chdir('$T/tree/dir'); f = open('$T/tree/file', 'a')"; LATER=$BG
threads "$T/tree/mapped"
equal "$(around)" "h-cwd h-dir h-gone h-map h-path h-write" "status with later"
refuse "umount" umount_tree 2>"$T/err"
check "umount names who is on the mount" grep -q "in use by later ($LATER)" \
	"$T/err"
check "also with the first thread gone" grep -q "threads (${THREADS[3]})" \
	"$T/err"
refuse "only those" grep -q h-cwd "$T/err"
for pid in "$CWD" "$DIR" "$OPATH" "$MAP" "$GONE" "$LATER" "${THREADS[3]}"
do
	end_process "$pid"
done
equal "$(around)" "h-write" "status, later"
end_process "$WRITE"
equal "$(around)" "" "status, at the end"
# a descriptor that is of the mount and of elsewhere in turn is of neither below
hold flicker "import itertools, threading
f = [os.open(p, os.O_RDWR) for p in ('$T/tree/file', '/dev/null')]
def flick():
    for i in itertools.cycle(range(50, 90)):
        os.dup2(f[0], i)
        os.dup2(f[1], i)
threading.Thread(target=flick, daemon=True).start()"
for i in {1..40}; do
	equal "$(around)" "" "status beside one that opens and closes"
done
end_process "$BG"
# one that cannot be looked at, for as long as it likes, holds up nobody
if [ -z "$SANITIZED" ]; then
	plan open 1 100 wait /maps status
	FAULTS=$T/plan LD_PRELOAD=$HELPERS/sysfault.so timeout 100 \
		"$MIRRORFS" status "$T/tree" >"$T/out" || fail "status hangs"
	check "it is told" grep -q "may write around the mount, unseen" "$T/out"
	plan
fi
check "umount" umount_tree

# who listens at a socket is not reached
background python3 -c "import os, socket, time
os.chdir('/')
s = socket.socket(socket.AF_UNIX)
s.bind('$T/tree/sock'); s.listen()
time.sleep(600)"
check "it listens" wait_for 60 test -S "$T/tree/sock"
check "mount" mount_tree 2>"$T/err"
check "it is told" grep -q "listens at the socket $T/tree/sock since" "$T/err"
check "umount" umount_tree
rm "$T/tree/sock" || fail "rm"
check "mount" mount_tree 2>"$T/err"
refuse "nobody could get at it" grep -q "listens at" "$T/err"
end_process "$BG"
check "umount" umount_tree
check "mount" mount_tree 2>"$T/err"
refuse "nobody listens" grep -q "listens at" "$T/err"
check "umount" umount_tree

# many of them: ten lines and a sum
for i in {1..13}; do
	(cd "$T/tree" && exec sleep 600) &
	CHILDREN+=($!)
	check "it runs" wait_for 60 runs $! "$(realpath "$(command -v sleep)")"
done
check "mount" mount_tree 2>"$T/err"
equal "$(grep -c 'since before the mount' "$T/err")" 10 "lines"
check "the sum" grep -q 'warning: and 3 more processes' "$T/err"
end_children
check "umount" umount_tree

# what was opened on a mount that is dead and was taken away since is not below: not
# even in a tree that has its own path inside, as /data/data, nor where a mount
# namespace has the dead one still. Who holds the tree below in such a one is told.
lay_below tmpfs "$T/tree" # no device has its number
mkdir -p "$T/tree$T/tree/dir" "$T/tree/dir" || fail "a path in the tree"
unshare -m true 2>/dev/null || exit 0
background unshare -m bash -c "sh $TESTS/lib/alone.sh $T; cd '$T/tree/dir' && exec sleep 600"
# in a changed root (chroot) paths of another namespace begin elsewhere
wait_for 10 runs "$BG" "$(realpath "$(command -v sleep)")" || exit 0
BELOW=$BG
check "mount" mount_tree
equal "$(around)" sleep "status, of a namespace"
hold h-inner "os.chdir('$T/tree$T/tree/dir')
f = open('$T/tree$T/tree/file', 'w')"
DEAD=("$BG")
background unshare -m bash -c "sh $TESTS/lib/alone.sh $T; cd '$T/tree/dir' && exec tail -f /dev/null"
check "it stands there" wait_for 60 runs "$BG" "$(realpath "$(command -v tail)")"
DEAD+=("$BG")
pids=("$(status_pid supervisor_pid)" "$(status_pid worker_pid)")
kill -9 "${pids[0]}"
for pid in "${pids[@]}"; do
	check "all end" wait_for 60 process_gone "$pid"
done
check "mount again" mount_tree 2>"$T/err"
equal "$(around)" sleep "status, of a dead mount"
equal "$(grep -c 'since before the mount' "$T/err")" 1 "lines of a dead mount"
for pid in "$BELOW" "${DEAD[@]}"; do
	end_process "$pid"
done
equal "$(around)" "" "status, at last"
check "umount" umount_tree
exit 0
