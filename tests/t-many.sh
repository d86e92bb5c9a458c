#!/bin/bash
# Many more folders and files than descriptors, for mirrorfs and for its users:
# the ancestor of this program died there. Mounting does not walk. SOAK: 5,000
# folders and 50,000 files with 1,024 descriptors; else a tenth and 128.
. "$(dirname "$0")/functions.sh"
DIRS=500 FILES=6 LIMIT=128
[ -z "${SOAK:-}" ] || DIRS=5000 FILES=10 LIMIT=1024

# folders tell here when they were read last
lay_below tmpfs "$T/tree" strictatime
ulimit -n $LIMIT || skip "cannot set ulimit -n"
pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
worker=$(status_pid worker_pid)
for ((d = 0; d < DIRS; d++)); do
	mkdir -p "$T/tree/$((d / 100))/$d" || fail "mkdir $d"
	for ((f = 0; f < FILES; f++)); do
		echo "$d $f" >"$T/tree/$((d / 100))/$d/$f" || fail "file $d/$f"
	done
done
equal "$(find "$T/tree" -type f | wc -l)" $((DIRS * FILES)) "files"
du -s "$T/tree" >/dev/null || fail "du"
find "$T/tree" -type f -print0 | xargs -0 cat >"$T/all" || fail "cat"
equal "$(wc -l <"$T/all")" $((DIRS * FILES)) "lines"
few() { # of what is closed it is told later
	open=$(ls "/proc/$worker/fd" | wc -l)
	[ "$open" -lt $((LIMIT / 2)) ]
}
check "few descriptors" wait_for 60 few
say "the worker holds $open descriptors, $(awk '/VmRSS/ { print $2 }' \
	"/proc/$worker/status") kB"
check "wait" synced 250
check "same" same "$T/replica1"
check "umount" umount_tree

# mounted again: at once, with nothing in it yet but the root
read_last() { stat -c '%n %x' "$T"/tree/[1-4] "$T"/tree/0/{1..99}; }
ls "$T/tree" "$T/tree/0" >"$T/out"
was=$(read_last)
check "mount again" mount_tree "${REPLICAS[@]}"
touch "$T/tree/served"
check "wait" synced
equal "$(read_last)" "$was" "no walk at mount: when folders were read last"
find "$T/tree" -type d | wc -l
echo changed >"$T/tree/0/1/2"
rm -rf "$T/tree/3" || fail "rm -rf"
check "wait" synced
check "same" same "$T/replica1"
exit 0
