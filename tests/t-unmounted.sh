#!/bin/bash
# What is changed while nothing is mounted is noticed where the journal knows
# the place, contents included, and told; and a tree that was put there anew.
# Nothing is noticed when there is nothing.
. "$(dirname "$0")/functions.sh"

noticed() {
	"$MIRRORFS" status "$T/tree" --json | jq .noticed
}
looked() { # COUNT
	[ "$(noticed)" = "$1" ]
}
# looked_back - the child that looks for what was changed is done, and has told
looked_back() { [ "$(pgrep -cP "$(status_pid supervisor_pid)")" = 2 ]; }
arrived() {
	synced 5 >/dev/null 2>&1 && same "$T/replica1" >/dev/null && looked_back
}
# other content, and all that is seen by SFTP the same
change() {
	local was
	was=$(stat -c %y "$T/tree/$1")
	printf '%s' "$2" | dd of="$T/tree/$1" conv=notrunc status=none
	touch -d "$was" "$T/tree/$1"
}

pipe_replicas 1
mkdir "$T/tree/before"
check "mount" mount_tree "${REPLICAS[@]}"
mkdir -p "$T/tree/a/b/c" "$T/tree/gone"
for f in a/b/c/f a/b/c/g gone/f; do echo "old $f" >"$T/tree/$f"; done
mv "$T/tree/gone/f" "$T/tree/moved"
check "wait" synced
check "umount" umount_tree

check "mount" mount_tree
check "wait" synced
check "umount" umount_tree
refuse "noticed" grep -q "changed while it was not mounted" \
	"$T/state/mirrorfs.log"

change a/b/c/f new
chmod 600 "$T/tree/moved"
check "mount" mount_tree
check "all is noticed" wait_for 60 looked 2
check "it is told" wait_for 60 grep -q \
	"changed while it was not mounted: files=2" \
	"$T/state/mirrorfs.log"
"$MIRRORFS" status "$T/tree" >"$T/status"
check "by status, too" grep -q "past mirrorfs: 2 files" "$T/status"
check "all arrives" wait_for 60 arrived
check "umount" umount_tree

rmdir "$T/tree/gone"
mkdir -p "$T/tree/a/new/deep"
echo deep >"$T/tree/a/new/deep/f"
change a/b/c/f wen
check "mount" mount_tree
# the root, for what is gone, and a, for what is new
check "folders are noticed" wait_for 60 looked 2
check "it is told" wait_for 60 grep -q "folders were changed" \
	"$T/state/mirrorfs.log"
check "all arrives" wait_for 60 arrived

# what users do as soon as there is a mount was not done before it
told() { grep -c "folders were changed" "$T/state/mirrorfs.log"; }
early() {
	until mounted_at "$T/tree"; do :; done
	: >"$T/tree/a/$1"
	: >"$T/tree/$1"
}
before=$(told)
for n in 1 2 3; do
	check "umount" umount_tree
	early "early$n" &
	check "mount" mount_tree
	check "early" wait $!
	check "wait" synced
done
equal "$(told)" "$before" "what users did was taken for that"

# the first who looks is killed: the next does, or the one after that
check "umount" umount_tree
change a/b/c/g NEW
rm -r "$T/tree/a/new"
check "mount" mount_tree
check "umount at once" umount_tree
check "mount" mount_tree
check "all arrives" wait_for 60 arrived
check "umount" umount_tree

# umount(8) returns when mirrorfs is not done yet, which may take a while
mount_and_late() { # COMMAND...
	local pid sync
	check "mount" mount_tree
	check "wait" synced
	pid=$(status_pid supervisor_pid) sync=$(status_pid sync_pid)
	kill -STOP "$sync"
	check "umount" wait_for 60 umount "$T/tree"
	"$@"
	kill -CONT "$sync"
	check "it ends" wait_for 60 process_gone "$pid"
	check "mount" mount_tree
	check "all arrives: $*" wait_for 60 arrived
	check "umount" umount_tree
}
files() { grep -c "changed while it was not mounted: files=1," \
	"$T/state/mirrorfs.log"; }
# counted FILES FOLDERS - for wait_for: so often each was told
counted() { [ "$(files) $(told)" = "$1 $2" ]; }
n=$(files) before=$(told)
mount_and_late change a/b/c/f NEW
check "a late change of a file" wait_for 60 counted $((n + 1)) "$before"
mount_and_late touch "$T/tree/a/late"
mount_and_late touch "$T/tree/late"
check "late changes of folders" wait_for 60 counted $((n + 1)) $((before + 2))

# the same when it did not end well: what it was about then is marked, and what
# was changed later, by nobody who was seen, is looked at by itself
expect_log "ended|did not end well|cannot"
bad_end() {
	local pids
	pids=("$(status_pid supervisor_pid)" "$(status_pid worker_pid)"
		"$(status_pid sync_pid)")
	kill -9 "${pids[0]}"
	for pid in "${pids[@]}"; do
		check "all end" wait_for 60 process_gone "$pid"
	done
	check "umount" umount_tree
}
check "mount" mount_tree
mkdir "$T/tree/b"
echo x >"$T/tree/b/x"
check "all arrives" wait_for 60 arrived
bad_end
change a/b/c/f wen
touch "$T/tree/a/b/later"
check "mount" mount_tree
check "all arrives" wait_for 60 arrived
equal "$(told)" "$((before + 2))" "comparisons of everything"
check "it is told" wait_for 60 grep -q "behind what the journal knows" \
	"$T/state/mirrorfs.log"
before=$(grep -c "behind what" "$T/state/mirrorfs.log")
echo x >"$T/tree/b/x"
bad_end
check "mount" mount_tree
check "all arrives" wait_for 60 arrived
equal "$(grep -c "behind what" "$T/state/mirrorfs.log")" "$before" "nothing"
if [ -z "$SANITIZED" ]; then # of a slow disk, too
	echo y >"$T/tree/b/x"
	bad_end
	change a/b/c/f old
	export FAULTS=$T/plan
	plan handle 1 1 wait /tree/b/x mount
	LD_PRELOAD=$HELPERS/sysfault.so check "mount" mount_tree
	check "a lookup takes long" wait_for 60 test -e "$T/plan.hits"
	refuse "wait says yes" "$MIRRORFS" wait "$T/tree" --timeout 1 \
		2>"$T/err"
	check "it is looked for" grep -q "not known yet what was changed" \
		"$T/err"
	sleep 1.5
	plan
	check "all arrives" wait_for 60 arrived
fi
check "umount" umount_tree

cp -a "$T/tree" "$T/copy" && rm -r "$T/copy/a/b/c/g" &&
	rm -r "$T/tree" && mv "$T/copy" "$T/tree" || fail "another tree"
check "mount" mount_tree
check "all arrives" wait_for 60 arrived
check "it is told" wait_for 60 grep -q "put there anew" "$T/state/mirrorfs.log"
check "umount" umount_tree
exit 0
