#!/bin/bash
# An overlayfs below. Where it has file handles (nfs_export) it is as good as
# any other. Where it has none, objects are pinned by descriptors, which is
# told, and everything works: the cases, the records, the property; files that
# overlayfs copies up under its readers; its broken hard links; few descriptors.
. "$(dirname "$0")/functions.sh"
. "$TESTS/property.sh"

# laid LAYER OPTION
laid() {
	rm -rf "$T/upper" "$T/work"
	mkdir -p "$T/upper" "$T/work"
	mount -t overlay -o "lowerdir=$1,upperdir=$T/upper,workdir=$T/work,$2" \
		none "$T/tree" 2>/dev/null || skip "no overlayfs with $2 here"
	LOWERS+=("$T/tree")
}

pins() { "$MIRRORFS" status "$T/tree" --json | jq .pinned; }
few() { [ "$(pins)" -lt "$1" ]; }

# a device of its own: numbers change when a file is copied up
mkdir "$T/lower" "$T/empty"
lay_below tmpfs "$T/lower"
mkdir -p "$T/lower/folder/inner"
seq 1000 | tee "$T/lower/old" >"$T/lower/folder/inner/file"
echo one >"$T/lower/a" && ln "$T/lower/a" "$T/lower/b"
echo two >"$T/lower/link-me"
for ((i = 0; i < 300; i++)); do echo $i >"$T/lower/folder/$i"; done

laid "$T/lower" index=off,nfs_export=off
pipe_replicas 1
mount_tree "${REPLICAS[@]}" 2>"$T/said" || fail "mount: $(cat "$T/said")"
check "mount tells" grep -q "note: .*cannot name files by handle" "$T/said"
check "status tells" sh -c "'$MIRRORFS' status '$T/tree' |
	grep -q 'no file handles below: .* descriptors'"
equal "$("$MIRRORFS" status "$T/tree" --json | jq .handles)" false "handles"
check "wait" synced
check "same" same "$T/replica1"

# readers and a mapping of a file that is copied up go on with it
exec 8<"$T/tree/old"
read -r -u 8 line
ls -l "$T/tree" >"$T/listing"
echo more >>"$T/tree/old"
equal "$(tail -n 1 "$T/tree/old")" more "what was appended"
cat <&8 >"$T/rest" && exec 8<&-
equal "$(tail -n 1 "$T/rest")" more "what an old reader sees"
chmod 640 "$T/tree/folder/inner/file"
mv "$T/tree/folder/inner/file" "$T/tree/moved" || fail "mv"
ln "$T/tree/link-me" "$T/tree/linked" && echo more >>"$T/tree/linked"
equal "$(cat "$T/tree/link-me")" "$(cat "$T/tree/linked")" "a new hard link"
# two names in a lower layer are two files to be: as overlayfs has it
echo "of a" >>"$T/tree/a"
equal "$(cat "$T/tree/b")" one "the other name"
chmod 600 "$T/tree/b"
equal "$(stat -c %a "$T/tree/a")" 644 "the mode of the first"
check "wait" synced
check "same after copying up" same "$T/replica1"

# the same object, for all who look
touch "$T/tree/folder/7" && chmod 600 "$T/tree/folder/8"
for f in 7 8 9; do
	a=$(stat -c %i "$T/tree/folder/$f")
	ls -l "$T/tree/folder" >"$T/listing"
	equal "$(stat -c %i "$T/tree/folder/$f")" "$a" "number of $f"
done
property_rounds 1 2 "$(scaled 600)"
property_parked
check "umount" umount_tree
check "same without the mount" same "$T/replica1"

# what changes while nothing is mounted is found, as everything is compared
echo "by nobody" >"$T/tree/unseen"
check "mount again" mount_tree "${REPLICAS[@]}" 2>"$T/said"
check "wait" synced
check "same after the comparison" same "$T/replica1"

# no other worker can take over: a mount anew, and a comparison
expect_log "parked /[a-z]*/deeper-than-path-max"
expect_log "fs worker died"
expect_log "without file handles no other fs worker"
pid=$(status_pid worker_pid)
refuse "upgrade" "$MIRRORFS" upgrade "$T/tree" 2>"$T/err"
check "says why" grep -q "without file handles below" "$T/err"
equal "$(status_pid worker_pid)" "$pid" "the worker that was to go"
echo "before the end" >"$T/tree/last"
kill -9 "$(status_pid worker_pid)"
check "served again" wait_for 60 touch "$T/tree/afterwards"
check "wait" synced
check "same after another worker" same "$T/replica1"
equal "$(cat "$T/replica1/last")" "before the end" "the last words"
check "umount" umount_tree

# few descriptors: the kernel forgets files when there are many
(ulimit -n 600 && mount_tree "${REPLICAS[@]}" 2>"$T/said") ||
	fail "mount with few descriptors"
MOUNTS+=("$T/tree")
mkdir "$T/tree/many"
for ((i = 0; i < 500; i++)); do
	echo $i >"$T/tree/many/$i" || fail "file $i"
done
find "$T/tree" -type f -exec cat {} + >"$T/all" || fail "find"
check "made room" wait_for 60 few 220
check "wait" synced
check "same with few descriptors" same "$T/replica1"
check "umount" umount_tree

TMPDIR=$T/tree SEED=$SEED bash "$TESTS/t-recorded.sh" || fail "t-recorded"
take_below "$T/tree" || fail "umount overlayfs"

# with several devices overlayfs tells other numbers of "." than stat(2) does
laid "$T/empty" index=off,nfs_export=off
rm -rf "$T/state" "$T/replica1"
pipe_replicas 1
mkdir "$T/tree/raw" && "$HELPERS/fscheck" "$T/tree/raw" >"$T/below" ||
	{ cat "$T/below"; fail "the cases on overlayfs itself"; }
rm -rf "$T/tree/raw"
check "mount" mount_tree "${REPLICAS[@]}" 2>"$T/said"
chmod 755 "$T/tree"
mkdir "$T/tree/root" && mkdir -m 777 "$T/tree/user" || fail "mkdir"
"$HELPERS/fscheck" "$T/tree/root" >"$T/out" ||
	{ cat "$T/out"; fail "the cases as root"; }
kernel_has 6.2 && no_fewer "$T/below" "$T/out"
as_user "$HELPERS/fscheck" "$T/tree/user" >"$T/out" ||
	{ cat "$T/out"; fail "the cases as another user"; }
check "wait" synced
check "same after the cases" same "$T/replica1"
property_parked
check "umount" umount_tree
take_below "$T/tree" || fail "umount overlayfs"

laid "$T/lower" index=on,nfs_export=on
rm -rf "$T/state" "$T/replica1"
pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}" 2>"$T/said"
refuse "told for no reason" grep -q handle "$T/said"
echo more >>"$T/tree/old" # copied up
ln "$T/tree/old" "$T/tree/name"
check "wait" synced
check "same after copying up" same "$T/replica1"
property_rounds 1 2 "$(scaled 1000)"
property_parked
exit 0
