#!/bin/bash
# Making a file: where there is one already, of which the kernel does not know,
# it is opened by those only who may; and one that cannot be opened, as too many
# are, is not left behind, nor anything that there is no room to know of.
. "$(dirname "$0")/functions.sh"
need python3
pipe_replicas 1
mkdir "$T/below" "$T/below/dir" && chmod 777 "$T/below/dir" &&
	mount --bind "$T/below" "$T/tree" && mount --make-private "$T/tree" ||
	skip "no bind mounts"
LOWERS+=("$T/tree")
BELOW=$T/below/dir DIR=$T/tree/dir

check "mount" mount_tree
# around NAME... - the kernel has been told that there are none, then there are
around() {
	local name
	for name; do
		refuse "nothing yet" as_user test -e "$DIR/$name"
		(umask 077 && echo secret >"$BELOW/$name") || fail "around"
	done
}
around append both cut only
refuse "appending" as_user sh -c "echo mine >>'$DIR/append'" 2>/dev/null
refuse "both" as_user sh -c "exec 3<>'$DIR/both' && cat <&3" 2>/dev/null
refuse "cutting" as_user sh -c "echo mine >'$DIR/cut'" 2>/dev/null
refuse "a new one only" as_user sh -c "set -C; echo mine >'$DIR/only'" \
	2>/dev/null
for name in append both cut only; do
	equal "$(cat "$BELOW/$name")" secret "$name"
done
around root
check "who may" sh -c "echo more >>'$DIR/root'"
equal "$(cat "$BELOW/root")" "secret
more" "what root wrote"
refuse "nothing yet" as_user test -e "$DIR/link"
ln -s append "$BELOW/link" || fail "ln"
refuse "through a link" as_user sh -c "echo mine >>'$DIR/link'" 2>/dev/null
equal "$(cat "$BELOW/append")" secret "behind the link"
check "umount" umount_tree
rm -rf "$T/state"

# more than can be open
(ulimit -n 600 && mount_tree "${REPLICAS[@]}") || fail "mount"
MOUNTS+=("$T/tree")
open=()
fill() {
	while exec {fd}>"$DIR/new${#open[@]}"; do
		open+=("$fd")
		[ ${#open[@]} -lt 600 ] || skip "a worker may have any number of them"
	done 2>/dev/null
	last=new${#open[@]}
}
fill
say "${#open[@]} are open"
[ ! -e "$BELOW/$last" ] || fail "it is left behind"
refuse "to the kernel" test -e "$DIR/$last"
# its folder has got another time all the same
same_time() { [ "$(stat -c %Y "$T/replica1/dir")" = "$(stat -c %Y "$BELOW")" ]; }
before=
until [ "${#open[@]}" = "$before" ]; do # the worker may have had more open itself
	touch -d 2020-02-02 "$DIR"
	check "the time is there" wait_for 60 same_time
	before=${#open[@]}
	fill
done
[ "$(stat -c %Y "$BELOW")" -gt 1600000000 ] || fail "the folder was not changed"
check "and the new one" wait_for 60 same_time
for fd in "${open[@]:0:50}"; do
	exec {fd}>&-
done
made() { (echo new >"$DIR/$last") 2>/dev/null; }
check "there is room again" wait_for 60 made
equal "$(cat "$BELOW/$last")" new "content"
# each try that was refused made and removed it
check "it is in the journal" "$MIRRORFS" wait "$T/tree" "$DIR/$last" --timeout 60
removed=$("$MIRRORFS" log "$T/tree" --op unlink "$DIR/$last" | wc -l)
[ "$removed" -gt 0 ] || fail "nothing was removed again"
equal "$("$MIRRORFS" log "$T/tree" --op create "$DIR/$last" | wc -l)" $((removed + 1)) made
for fd in "${open[@]:50}"; do
	exec {fd}>&-
done
check "wait" synced
check "same" same "$T/replica1"
check "umount" umount_tree

# more than can be pinned, where there are no file handles
expect_log "are refused \(ENFILE\)"
(ulimit -n 600 && WITHOUT=handles mount_tree "${REPLICAS[@]}" 2>"$T/said") ||
	fail "mount without handles: $(cat "$T/said")"
MOUNTS+=("$T/tree")
python3 - "$DIR" "$BELOW" <<'EOF' || fail "left behind"
import errno, os, stat, sys
here, below = sys.argv[1:]
held = []

def until_refused(what, make):
    for n in range(700):
        name = "%s/%s%d" % (here, what, n)
        try:
            make(name)
        except OSError as e:
            assert e.errno == errno.ENFILE, e
            assert not os.path.lexists(below + name[len(here):]), name
            return
        held.append(os.open(name, os.O_PATH | os.O_NOFOLLOW))
    raise SystemExit("a worker may know any number of them")

# (not many folders: the kernel is not asked to forget these)
until_refused("fifo", os.mkfifo)
until_refused("dir", os.mkdir)
until_refused("link", lambda name: os.symlink("to", name))
until_refused("node", lambda name: os.mknod(name, stat.S_IFREG | 0o644))
until_refused("file", lambda name: os.close(
    os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)))
EOF
check "there is room again" wait_for 60 mkdir -p "$DIR/again"
check "wait" synced
check "same" same "$T/replica1"
exit 0
