#!/bin/bash
# Below are no file handles: an object is known by its number, which a new file
# may get as soon as the old one is gone, and its name with it. What was sent of
# the old one tells nothing of the new one.
. "$(dirname "$0")/functions.sh"
expect_log "cannot reach|lost|connection|ended"

mkdir "$T/lower"
lay_below ext4 "$T/lower"
mkdir "$T/lower/"{below,upper,work}
echo one >"$T/lower/below/linked" && ln "$T/lower/below/linked" \
	"$T/lower/below/linked.2"
mount -t overlay -o "lowerdir=$T/lower/below,upperdir=$T/lower/upper,workdir=$T/lower/work,\
index=off,nfs_export=off" none "$T/tree" 2>/dev/null ||
	skip "no overlayfs without file handles here"
LOWERS+=("$T/tree")
ssh_replicas 1
mount_tree "${REPLICAS[@]}" 2>"$T/said" || fail "mount: $(cat "$T/said")"
echo start | tee "$T/tree/start" >"$T/tree/goes"
check "wait" synced
port=$SSHD_PORT
sshd_stop
check "offline" wait_for 60 state_is r1 offline

number() { stat -c %i "$T/tree/$1"; }
# another file has the name and the number of the first
again() {
	rm -f "$T/tree/file"
	sync -f "$T/tree" # the kernel lets go of the old one
	echo second >"$T/tree/file"
	[ "$(number file)" = "$first" ]
}
echo first >"$T/tree/file"
first=$(number file)
# more than a batch: it is planned when the second one is not known
: >"$T/tree/a"
perl -e 'my $a = shift; my $b = shift;
	for (1 .. 4200) { rename $a, $b or die; rename $b, $a or die }' \
	"$T/tree/a" "$T/tree/b" || fail "renames"
wait_for 60 again || skip "numbers are not used again here"
sshd_start "$T/sshd" "$port" || fail "sshd does not start again"
check "wait when it is back" synced
check "replica" same "$T/replica1"

# it comes back by a copy-up, of which no record tells
"$MIRRORFS" replica pause "$T/tree" r1
first=$(number goes)
rm "$T/tree/goes" && sync -f "$T/tree" && echo more >>"$T/tree/linked"
[ "$(number linked)" = "$first" ] || say "linked has another number"
"$MIRRORFS" replica resume "$T/tree" r1
check "wait" synced
# the other name has two links still, as overlayfs has it
same_bytes() { diff -r -x .mirrorfs "$T/tree" "$T/replica1"; }
check "replica after a copy-up" same_bytes

# what is said of one that was removed is not said of one that is being written
mkdir "$T/tree/d" && head -c 1000 /dev/urandom >"$T/tree/d/old"
check "wait" synced
first=$(number d/old)
rm "$T/tree/d/old" && sync -f "$T/tree"
exec 7>"$T/tree/d/new"
[ "$(number d/new)" = "$first" ] || say "new has another number"
head -c 500000 /dev/urandom >&7
check "reconcile" "$MIRRORFS" reconcile "$T/tree/d" >"$T/out"
for i in {1..20}; do
	refuse "half a file is served" test -e "$T/replica1/d/new"
	sleep 0.1
done
exec 7>&-
check "wait" synced
check "replica at the end" same_bytes

# nor does a new one get the names of one that was removed
echo public >"$T/tree/x" && ln "$T/tree/x" "$T/tree/z"
check "wait" synced
first=$(number x)
"$MIRRORFS" replica pause "$T/tree" r1
echo new >"$T/tree/newx"
rm "$T/tree/x" "$T/tree/z" && mv "$T/tree/newx" "$T/tree/x"
sync -f "$T/tree"
echo secret >"$T/tree/y"
[ "$(number y)" = "$first" ] || say "y has another number"
exec 7<>"$T/tree/x" # what is being written does not take its place
printf N >&7
"$MIRRORFS" replica resume "$T/tree" r1
check "y arrives" wait_for 60 cmp -s "$T/tree/y" "$T/replica1/y"
refuse "it is at another name" grep -q secret "$T/replica1/x"
exec 7>&-
check "wait" synced
check "replica at last" same_bytes
exit 0
