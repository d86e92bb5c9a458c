#!/bin/bash
# A login, not root, whose quota on a replica is used up, or nearly: what does not
# fit is parked with that cause, what fits goes on, and all arrives when there is
# more. By ext4 where the kernel can, else by a qgroup of btrfs.
. "$(dirname "$0")/functions.sh"
. "$TESTS/causes.sh"
expect_log "parked"
mkdir "$T/disk"

quota_ext4() {
	command -v setquota quotaon >"$T/out" || return
	truncate -s 300M "$T/image" && mkfs.ext4 -q -O quota \
		-E quotatype=usrquota "$T/image" || return
	mount -o loop,usrquota "$T/image" "$T/disk" || return
	LOWERS+=("$T/disk")
	quotaon -u "$T/disk"
	quotaon -pu "$T/disk" | grep -q 'is on' || skip "quotas stay off"
	mkdir "$T/disk/home"
	# limit MIB
	limit() {
		setquota -u nobody 0 $(($1 * 1024)) 0 0 "$T/disk" ||
			fail "setquota"
	}
}
quota_btrfs() {
	lay_below btrfs "$T/disk"
	btrfs quota enable "$T/disk" 2>"$T/out" || skip "$(cat "$T/out")"
	btrfs -q subvolume create "$T/disk/home" || fail "subvolume"
	GROUP=0/$(btrfs inspect-internal rootid "$T/disk/home")
	# from outside: from within it would count, too
	limit() {
		sync -f "$T/disk"
		btrfs qgroup limit "${1}M" "$GROUP" "$T/disk" || fail "limit"
	}
}
quota_ext4 2>"$T/out" || quota_btrfs

SSHD_OPTIONS="ForceCommand internal-sftp" # nobody has no shell
ssh_replicas 0
chmod 711 "$T/sshd" && chmod 644 "$T/sshd/authorized_keys" || fail "keys"
mkdir "$T/disk/home/r" && chown nobody: "$T/disk/home/r" || fail "home"
limit 30
causes_mount "$T/disk/home/r" \
	"sftp://nobody@127.0.0.1:$SSHD_PORT$T/disk/home/r"
alike() { arrived "$1" --ignore-owner; }
QUOTA="writing is refused although space is left: a quota"
REMEDY="look at the quota of the login there"

echo 1 >one && mkdir dir && echo 2 >dir/two || fail "tree"
alike "what fits"
# too large: what was sent of it does not stay in the way of others
head -c 60000000 /dev/urandom >huge || fail "huge"
told quota huge "$QUOTA" "$REMEDY"
not_held
head -c 15000000 /dev/urandom >large || fail "large"
check "what fits" "$MIRRORFS" wait "$T/tree" "$T/tree/large" --timeout 120
told quota huge "$QUOTA" "$REMEDY"
check "the stage is empty" wait_for 60 eval '[ -z "$(find "$R/.mirrorfs/stage" \
	-type f -size +1M)" ]'
mv huge dir/moved && echo more >>dir/moved || fail "mv"
told quota dir/moved "$QUOTA" "$REMEDY"
limit 200
alike "there is more, by itself"

# used up, by many
limit 90
mkdir many && head -c 40000000 /dev/urandom |
	split -a 3 -b 100000 - many/ || fail "many"
check "some are parked" wait_for 60 eval '[ "$(status_get r1 parked)" -gt 0 ]'
not_held r2
rm -r many/a[a-g]* dir/moved || fail "rm"
check "what is removed makes room" wait_for 120 n_parked 0
alike "all fits"

# not a file: more than the login has is in use (ext4 counts no block for a short
# link)
limit 1
ln -s "$(printf '%0200d' 0)" link && mkdir folder || fail "link"
for path in link folder; do
	told quota $path "$QUOTA" "$REMEDY"
done
limit 200
alike "links and folders"
exit 0
