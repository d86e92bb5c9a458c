#!/bin/bash
# Mounting and unmounting: what is there before is there under the mount, what
# was written through it is there afterwards, and nothing else stays.
. "$(dirname "$0")/functions.sh"

mkdir -p "$T/tree/a/b"
echo before >"$T/tree/a/b/file"
check "mount" mount_tree
check "mounted" mounted_at "$T/tree"
equal "$(cat "$T/tree/a/b/file")" before "old content"
echo through >"$T/tree/new"
mkdir "$T/tree/dir"
check "status" "$MIRRORFS" status "$T/tree" >/dev/null
equal "$("$MIRRORFS" status "$T/tree" --json | jq -r .mounted)" true "json"
equal "$("$MIRRORFS" status --state-dir "$T/state" --json | jq -r .root)" \
	"$T/tree" "found by its state folder"
for key in supervisor_pid worker_pid sync_pid; do
	check "$key lives" kill -0 "$(status_pid $key)"
done
check "journal" test -f "$T/state/journal.db"
equal "$(stat -c %a "$T/state")" 700 "mode of the state folder"

# one that is there stays as it is, and the journal in it is private
check "umount" umount_tree
rm -rf "$T/state" && mkdir -m 755 "$T/state"
check "mount" mount_tree
echo through >"$T/tree/new"
equal "$(stat -c %a "$T"/state/journal.db{,-wal,-shm} | xargs)" "600 600 600" \
	"modes of the journal"
check "umount" umount_tree
chmod 644 "$T/state/journal.db"
check "mount" mount_tree
equal "$(stat -c %a "$T"/state/journal.db{,-wal,-shm} | xargs)" "600 600 600" \
	"modes of one that was open to all"
check "umount" umount_tree
for mode in 775 757; do
	chmod $mode "$T/state"
	refuse "a state folder of others: $mode" mount_tree 2>"$T/err"
	check "why" grep -q "can be written by others than root" "$T/err"
	equal "$(wc -l <"$T/err")" 1 "lines of error"
done
chmod 755 "$T/state" && chown 65534 "$T/state"
refuse "a state folder of nobody's" mount_tree 2>"$T/err"
check "why" grep -q "can be written by others than root" "$T/err"
chown 0 "$T/state"
MOUNTS=()
check "mount" mount_tree

# what the shell has open is not theirs; a configuration may be, for a moment
check "umount" umount_tree
exec 7>"$T/inherited"
MOUNTS=("$T/tree")
"$MIRRORFS" mount "$T/tree" --state-dir "$T/state" \
	--config <(echo "[mount]") || fail "mount with a configuration"
exec 7>&-
for key in supervisor_pid worker_pid sync_pid; do
	refuse "$key has it" grep -qxF "$T/inherited" \
		<(readlink "/proc/$(status_pid $key)/fd/"*)
done

# in use: refused, with the process, and it stays mounted
exec 5>"$T/tree/open"
refuse "unmounted while in use" "$MIRRORFS" umount "$T/tree" 2>"$T/err"
check "names the user of the mount" grep -q $$ "$T/err"
check "still mounted" mounted_at "$T/tree"
exec 5>&-

# started without some of the standard descriptors
mount_without() { # DESCRIPTOR...
	local fd
	for fd; do exec {fd}>&-; done
	"$MIRRORFS" mount "$T/tree" --state-dir "$T/state"
}
for fds in 0 1 2 "0 1" "0 1 2"; do
	check "umount" umount_tree
	MOUNTS=("$T/tree")
	(mount_without $fds) || fail "mount without $fds"
	check "mounted without $fds" mounted_at "$T/tree"
	equal "$(cat "$T/tree/a/b/file")" before "content, without $fds"
done

supervisor=$(status_pid supervisor_pid)
worker=$(status_pid worker_pid)
check "umount" umount_tree
check "supervisor has ended" wait_for 60 process_gone "$supervisor"
check "worker has ended" wait_for 60 process_gone "$worker"
equal "$(cat "$T/tree/new")" through "what was written through the mount"
check "directory" test -d "$T/tree/dir"
refuse "second umount" "$MIRRORFS" umount "$T/tree" 2>/dev/null
refuse "status without a mount" "$MIRRORFS" status "$T/tree" >/dev/null 2>&1
check "log without a mount" sh -c \
	"'$MIRRORFS' log --state-dir '$T/state' | grep -q /new"

# again, from another place, with a slash at the end, by another name
cd "$T" || exit 1
check "mount again" mount_at "$T/tree" "$T/state" --name "test-$$"
equal "$("$MIRRORFS" status --name "test-$$" --json | jq -r .root)" \
	"$T/tree" "found by name"
equal "$(cat tree/new)" through "content"
check "umount" umount_tree

# busy for a moment, by nobody who could be named: a descriptor on its way
if command -v python3 >/dev/null; then
	check "mount" mount_tree
	# (a slow machine may take longer than umount is patient: then once more)
	for _ in 1 2 3 4 5; do
		rm -f "$T/sent"
		background python3 -c "
import os, socket, time
a, b = socket.socketpair()
f = os.open('$T/tree/new', os.O_RDONLY)
socket.send_fds(a, [b'x'], [f])
os.close(f)
open('$T/sent', 'w').close()
time.sleep(0.5)"
		check "it is sent" wait_for 60 test -e "$T/sent"
		umount_tree && break
		wait "$BG"
	done
	refuse "umount while busy for a moment is in vain" mounted_at "$T/tree"
fi

MOUNTS+=("$T/tree")
(cd "$T" && "$MIRRORFS" mount tree/ --state-dir state) ||
	fail "mount of a relative path"
check "mounted" mounted_at "$T/tree"
check "umount of a relative path" "$MIRRORFS" umount tree/

# in the foreground, ended by SIGTERM
background "$MIRRORFS" mount "$T/tree" --state-dir "$T/state" --foreground \
	2>"$T/foreground.log"
LOGS+=("$T/foreground.log")
check "foreground" wait_for 60 mounted_at "$T/tree"
echo x >"$T/tree/fg"
kill "$BG"
check "ended" wait_for 60 process_gone "$BG"
refuse "unmounted" mounted_at "$T/tree"
wait "$BG"
equal $? 0 "exit status"
exit 0
