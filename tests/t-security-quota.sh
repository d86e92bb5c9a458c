#!/bin/bash
# A user's quota binds the user on the mount: for data, for files and folders,
# by every way to take up room; and root is not bound.
. "$(dirname "$0")/functions.sh"
need mkfs.ext4 losetup setquota quotaon

truncate -s 40M "$T/image" &&
	mkfs.ext4 -q -O quota -E quotatype=usrquota "$T/image" ||
	skip "no ext4 with quotas can be made"
mount -o loop,usrquota "$T/image" "$T/tree" 2>/dev/null ||
	skip "this kernel has no quotas on ext4"
MOUNTS+=("$T/tree")
trap 'r=$?; cd /; "$MIRRORFS" umount "$T/tree" >/dev/null 2>&1
	umount "$T/tree" || umount -l "$T/tree"; MOUNTS=(); end_test $r' EXIT
quotaon -u "$T/tree" 2>/dev/null
quotaon -pu "$T/tree" | grep -q 'is on' || skip "quotas cannot be turned on"
# 1 MiB and 20 files for nobody
setquota -u 65534 0 1024 0 20 "$T/tree" || skip "setquota fails"
chmod 777 "$T/tree"

# tries - how far somebody gets; the errors are part of the answer. Who has a file
# open last, when that is removed, may close it later: that is waited for
tries() {
	LC_ALL=C as_user bash -c '
	read -r blocks files < <(stat -fc "%f %d" .)
	away() {
		local f d end=$((SECONDS + 60))
		rm -rf "$@"
		until read -r f d < <(stat -fc "%f %d" .) &&
			[ $f -gt $((blocks - 16)) ] && [ $d -ge $files ]; do
			[ $SECONDS -lt $end ] || break
			sleep 0.05
		done
	}
	head -c 4M /dev/zero >f; stat -c %s f; away f
	for i in {1..40}; do fallocate -l 100K g || break
		mv g g$i; done; ls | wc -l; away g*
	for i in {1..40}; do : >e$i || break; done; ls | wc -l; away e*
	for i in {1..40}; do mkdir d$i || break; done; ls | wc -l; away d*
	for i in {1..40}; do ln -s x s$i || break; done; ls | wc -l; away s*
	: >t; truncate -s 4M t && head -c 4M /dev/zero | dd of=t conv=notrunc \
		bs=64k 2>&1 | grep -c exceeded; rm -f t' tries 2>&1 |
		sed 's/line [0-9]*/line/'
}

cd "$T/tree" || fail "cd"
rmdir lost+found
tries >"$T/below"
cd "$T" || fail "cd"
check "mount" mount_tree
cd "$T/tree" || fail "cd"
tries >"$T/above"
cat "$T/below"
check "quotas bind below" grep -q 'quota exceeded' "$T/below"
diff "$T/below" "$T/above" || fail "quotas are not as below"
check "root is free" sh -c 'head -c 4M /dev/zero >root'
exit 0
