#!/bin/bash
# Who opens with O_SYNC or O_DSYNC has written to the disk below when write(2)
# returns: the lower file is open in the same way, also for a new worker. So has
# who asks for it with a single write (pwritev2), whatever the file is open for.
. "$(dirname "$0")/functions.sh"
need python3
expect_log "fs worker died"

check "mount" mount_tree
echo text | tee "$T/tree/full" "$T/tree/data" "$T/tree/plain" \
	>"$T/tree/trunc" || fail "files"
mkfifo "$T/go" && : >"$T/said" || fail "mkfifo"
exec 9<>"$T/go"
python3 -c "
import errno, os, sys
os.chdir('$T/tree')
new = os.O_CREAT | os.O_EXCL
fds = [os.open(name, os.O_RDWR | flags, 0o644) for name, flags in (
    ('full', os.O_SYNC), ('data', os.O_DSYNC), ('plain', 0),
    ('trunc', os.O_SYNC | os.O_TRUNC),
    ('new-full', os.O_SYNC | new), ('new-data', os.O_DSYNC | new))]
wr = os.open('full', os.O_WRONLY | os.O_DSYNC)
try:
    fds.append(os.open('.', os.O_TMPFILE | os.O_RDWR | os.O_SYNC, 0o644))
    # (with a dir_fd it follows the link)
    os.link('/proc/self/fd/%d' % fds[-1], 'nameless', src_dir_fd=0)
except OSError as e:
    if e.errno != errno.EOPNOTSUPP:
        raise
print('open', flush=True)
for line in sys.stdin:
    for fd in fds + [wr]:
        os.write(fd, b'more')
    print('written', flush=True)" <"$T/go" >"$T/said" &
CHILDREN+=($!)
check "open" wait_for 60 grep -q '^open' "$T/said"

# list - inode and sync flags of what the worker has open below
list() {
	local fd flags
	WORKER=$(status_pid worker_pid)
	for fd in "/proc/$WORKER/fd"/*; do
		# (one that was made without a name never has it there)
		[[ $(readlink "$fd") == "$T/tree/"* ]] || continue
		flags=$(sed -n 's/^flags:\t*//p' "${fd/fd/fdinfo}")
		# (neither O_PATH nor for reading only)
		((8#$flags & 8#10000000 || !(8#$flags & 3))) && continue
		printf '%s %o\n' "$(stat -Lc %i "$fd")" $((8#$flags & 8#4010000))
	done | sort >"$T/list"
}

# below NAME - the sync flags
below() {
	awk -v ino="$(stat -c %i "$T/tree/$1")" -v ORS=' ' \
		'$1 == ino { print $2 }' "$T/list"
}

FULL="4010000 " DATA="10000 "
look_below() {
	list
	equal "$(below plain)" "0 " "neither, $1"
	equal "$(below full)" "$DATA$FULL" "O_SYNC and O_DSYNC of one file, $1"
	equal "$(below data)" "$DATA" "O_DSYNC, $1"
	equal "$(below trunc)" "$FULL" "cut by O_TRUNC, $1"
	equal "$(below new-full)" "$FULL" "created with O_SYNC, $1"
	equal "$(below new-data)" "$DATA" "created with O_DSYNC, $1"
	[ ! -e "$T/tree/nameless" ] ||
		equal "$(below nameless)" "$FULL" "O_TMPFILE, $1"
}
look_below "as opened"

OLD=$WORKER
kill -9 "$OLD"
echo >&9
check "written" wait_for 60 grep -q '^written' "$T/said"
refuse "a new worker" test "$(status_pid worker_pid)" = "$OLD"
look_below "anew"
kill "${CHILDREN[-1]}" && wait "${CHILDREN[-1]}" 2>/dev/null

# what is not synced is in memory, and not in the image that is the disk
check "umount" umount_tree
lay_below ext4 "$T/tree"
check "mount" mount_tree
python3 -c "
import os
os.chdir('$T/tree')
for name, flags in (
        ('direct', os.O_WRONLY), ('cached', os.O_RDWR),
        ('append', os.O_WRONLY | os.O_APPEND)):
    fd = os.open(name, flags | os.O_CREAT, 0o644)
    os.write(fd, b'.' * 20000)
    for how, sync, at in (('dsync', os.RWF_DSYNC, 100),
                          ('sync', os.RWF_SYNC, 16000)):
        text = b'synced/%s/%s.' % (name.encode(), how.encode())
        assert os.pwritev(fd, [text], at, sync) == len(text)
    os.close(fd)
" || fail "pwritev2"
IMAGE=$(losetup -nO BACK-FILE "$(findmnt -nro SOURCE -t ext4 "$T/tree")") ||
	fail "image"
grep -aoh 'synced/[a-z]*/[a-z]*' "$IMAGE" | sort -u >"$T/got"
printf 'synced/%s\n' append/{d,}sync cached/{d,}sync direct/{d,}sync \
	>"$T/wanted"
diff "$T/wanted" "$T/got" || fail "on the disk"
exit 0
