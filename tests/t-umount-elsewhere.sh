#!/bin/bash
# mirrorfs unmounts its own mount and nothing else: neither what somebody has
# mounted over it, or over a folder above, nor does it cut off what shows the tree
# elsewhere. It says what is in the way, and nothing has changed.
. "$(dirname "$0")/functions.sh"
expect_log "is mounted over $T"

# one more folder, so that something can be mounted above the root
ROOT=$T/above/tree
mkdir -p "$ROOT/site" "$T/bob" "$T/aside" || fail "mkdir"
NAME=${ROOT#/} NAME=${NAME//-/\\x2d} NAME=${NAME//\//-}
mount_root() { mount_at "$ROOT" "$T/state" "$@"; }
# on_top TYPE - of what is at the root
on_top() { [ "$(findmnt -rno FSTYPE -M "$ROOT" | tail -n 1)" = "$1" ]; }
# lay FOLDER - a tmpfs, with a file
lay() {
	lay_below tmpfs "$1"
	echo theirs >"$1/theirs"
}
# refused WORDS... - each is in the one line that says why
refused() {
	local word
	refuse "umount" "$MIRRORFS" umount "$ROOT" 2>"$T/err"
	equal "$(wc -l <"$T/err")" 1 "lines"
	for word; do
		grep -qF -- "$word" "$T/err" || fail "'$word' is not in $(<"$T/err")"
	done
}
# served - by those that served it before
served() {
	equal "$(status_pid supervisor_pid "$ROOT")" "$SUPERVISOR" "supervisor"
	kill -0 "$SUPERVISOR" && kill -0 "$WORKER"
}
in_log() { grep -q "$1" "$T/state/mirrorfs.log"; }

check "mount" mount_root
SUPERVISOR=$(status_pid supervisor_pid "$ROOT")
WORKER=$(status_pid worker_pid "$ROOT")
exec 5>"$ROOT/open"

# over the root: it stays, and so does ours
lay "$ROOT"
check "warned" wait_for 60 in_log "warning.*tmpfs is mounted over $ROOT:"
refuse "taken for an umount -l" in_log "unmounted lazily"
refused "tmpfs is mounted over it, at $ROOT:"
equal "$(cat "$ROOT/theirs")" theirs "what was mounted over it"
check "served" served
echo still >&5 || fail "what is open"
"$MIRRORFS" status "$ROOT" >"$T/status"
check "status" grep -q "mounted over it: tmpfs" "$T/status"
refuse "another mount" "$MIRRORFS" mount "$ROOT" --state-dir "$T/state" \
	2>"$T/err"
check "it says why" grep -q "tmpfs is mounted over $ROOT" "$T/err"
# nor by a signal, until it is gone
kill "$SUPERVISOR"
check "logged" wait_for 60 in_log "cannot unmount yet: tmpfs is mounted over it"
check "served" served
exec 5>&-
equal "$(cat "$ROOT/theirs")" theirs "what was mounted over it"
check "the end of it" take_below "$ROOT"
check "then it ends" wait_for 60 process_gone "$SUPERVISOR"
refuse "mounted" mounted_at "$ROOT"
refuse "what was open has changed" [ "$(cat "$ROOT/open")" != still ]
check "no lazy umount" sh -c "! grep -q 'unmounted lazily' '$T/state/mirrorfs.log'"

# over a folder above
check "mount" mount_root
SUPERVISOR=$(status_pid supervisor_pid "$ROOT")
WORKER=$(status_pid worker_pid "$ROOT")
for folder in "" tree; do # without what is hidden, and with a folder like it
	lay "$T/above"
	[ -z "$folder" ] || mkdir "$T/above/$folder"
	refuse "umount by name" "$MIRRORFS" umount --name "$NAME" 2>"$T/err"
	check "why" grep -q "is mounted over" "$T/err"
	check "served" served
	check "the end of it" take_below "$T/above"
done
check "mounted" mounted_at "$ROOT"

# a mount that is older than ours, moved over it: the order of the table says
# nothing. And ours, moved away.
check "umount" umount_at "$ROOT"
lay "$T/aside"
check "mount" mount_root
SUPERVISOR=$(status_pid supervisor_pid "$ROOT")
WORKER=$(status_pid worker_pid "$ROOT")
if mount --move "$T/aside" "$ROOT" 2>/dev/null; then
	refused "tmpfs is mounted over it"
	equal "$("$MIRRORFS" status "$ROOT" --json | jq -r .mounted_over)" \
		tmpfs "status"
	equal "$(cat "$ROOT/theirs")" theirs "what was moved over it"
	mount --move "$ROOT" "$T/aside" || fail "move it back"
fi
check "served" served

# elsewhere: a part, all, and over itself
mount --bind "$ROOT/site" "$T/bob" || fail "bind"
LOWERS+=("$T/bob")
refused "bind mounted elsewhere" "$T/bob"
check "served" served
echo bob >"$T/bob/file" || fail "it was cut off"
equal "$(cat "$ROOT/site/file")" bob "the tree"
check "the end of it" take_below "$T/bob"
mount --bind "$ROOT" "$ROOT" || fail "bind over itself"
LOWERS+=("$ROOT")
refused "fuse.mirrorfs is mounted over it"
check "served" served
check "the end of it" take_below "$ROOT"
check "mounted" on_top fuse.mirrorfs
# inside
mkdir "$ROOT/inner"
expect_log "mounted inside"
lay "$ROOT/inner"
refused "mounted inside: $ROOT/inner"
check "the end of it" take_below "$ROOT/inner"
check "umount" umount_at "$ROOT"

# over one that is dead: it is not a tree to be mounted over
check "mount" mount_root
SUPERVISOR=$(status_pid supervisor_pid "$ROOT")
WORKER=$(status_pid worker_pid "$ROOT")
lay "$ROOT"
kill -9 "$SUPERVISOR"
check "all end" wait_for 60 process_gone "$WORKER"
refuse "mount" "$MIRRORFS" mount "$ROOT" --state-dir "$T/state" 2>"$T/err"
check "it says why" grep -q "tmpfs is mounted over $ROOT" "$T/err"
refused "tmpfs is mounted over it"
equal "$(cat "$ROOT/theirs")" theirs "what is over it"
check "the end of it" take_below "$ROOT"
check "mount again" mount_root
check "umount" umount_at "$ROOT"

# a connection that is cut while something lies over the mount
check "mount" mount_root
SUPERVISOR=$(status_pid supervisor_pid "$ROOT")
expect_log "somebody has cut|cannot mount again|out of service"
dev=$(findmnt -rno MAJ:MIN -M "$ROOT")
lay "$ROOT"
mkdir "$T/control"
if mount -t fusectl none "$T/control" 2>/dev/null; then
	LOWERS+=("$T/control")
	echo 1 >"$T/control/${dev#*:}/abort" || fail "abort"
	check "the end of it" take_below "$T/control"
	check "it says so" wait_for 60 in_log \
		"cannot mount again: tmpfs is mounted over it"
fi
equal "$(cat "$ROOT/theirs")" theirs "what is over it"
check "the end of it" take_below "$ROOT"
check "umount" umount_at "$ROOT"
refuse "mounted" mounted_at "$ROOT"

# what is mounted along, at the same place of a peer, goes along
mkdir "$T/shared" "$T/peer" "$T/slave" "$T/second" || fail "mkdir"
lay_below tmpfs "$T/shared"
mkdir -p "$T/shared/tree"
along() { # YES-OR-NO PEER...
	local peer verdict=$1
	shift
	for peer in "$@"; do
		"$verdict" "along at $peer" mounted_at "$T/$peer/tree"
	done
}
if mount --make-shared "$T/shared" && mount --bind "$T/shared" "$T/peer"; then
	LOWERS+=("$T/peer" "$T/slave" "$T/second")
	# a slave, to others a master, as a container has it; and one of that
	{ mount --bind "$T/shared" "$T/slave" &&
		mount --make-slave "$T/slave" && mount --make-shared "$T/slave" &&
		mount --bind "$T/slave" "$T/second" &&
		mount --make-slave "$T/second"; } || fail "slaves"
	check "mount" mount_at "$T/shared/tree" "$T/state2"
	along check peer slave second
	check "umount" umount_at "$T/shared/tree"
	along refuse peer slave second
fi
exit 0
