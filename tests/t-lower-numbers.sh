#!/bin/bash
# Below are no file handles: an object is known by its number, which a new file
# may get as soon as the old one is gone, and its name with it. What was sent of
# the old one tells nothing of the new one.
. "$(dirname "$0")/functions.sh"
expect_log "cannot reach|lost|connection|ended"

mkdir "$T/lower"
lay_below ext4 "$T/lower"
mkdir "$T/lower/"{below,upper,work}
mount -t overlay -o "lowerdir=$T/lower/below,upperdir=$T/lower/upper,workdir=$T/lower/work,\
index=off,nfs_export=off" none "$T/tree" 2>/dev/null ||
	skip "no overlayfs without file handles here"
LOWERS+=("$T/tree")
ssh_replicas 1
mount_tree "${REPLICAS[@]}" 2>"$T/said" || fail "mount: $(cat "$T/said")"
echo start >"$T/tree/start"
check "wait" synced
port=$SSHD_PORT
sshd_stop
check "offline" wait_for 60 state_is r1 offline

number() { stat -c %i "$T/tree/file"; }
# another file has the name and the number of the first
again() {
	rm -f "$T/tree/file"
	sync -f "$T/tree" # the kernel lets go of the old one
	echo second >"$T/tree/file"
	[ "$(number)" = "$first" ]
}
echo first >"$T/tree/file"
first=$(number)
# more than a batch: it is planned when the second one is not known
: >"$T/tree/a"
perl -e 'my $a = shift; my $b = shift;
	for (1 .. 4200) { rename $a, $b or die; rename $b, $a or die }' \
	"$T/tree/a" "$T/tree/b" || fail "renames"
wait_for 10 again || skip "numbers are not used again here"
sshd_start "$T/sshd" "$port" || fail "sshd does not start again"
check "wait when it is back" synced 90
check "replica" same "$T/replica1"
exit 0
