#!/bin/bash
# A replica on which a folder and a file may not be changed, something of another
# kind is in the way, or the file system is read-only: what can be put right is,
# the rest is parked and told with its cause, others go on, and it arrives later.
. "$(dirname "$0")/functions.sh"
. "$TESTS/causes.sh"
need chattr
expect_log "parked|cannot"

mkdir "$T/disk"
lay_below ext4 "$T/disk"
causes_mount "$T/disk/r"
DENIED="permission denied on the replica"
GIVE="give the login the right.*chattr -i"

# ---- not permitted ----

mkdir -p fixed/sub moving/in && echo 1 >fixed/one && echo 2 >fixed/two &&
	echo 3 >moving/in/file && echo 4 >file && echo 5 >gone &&
	echo 6 >fixed/sub/file && echo 7 >mode || fail "tree"
check "wait" synced
chattr +i "$R/fixed" "$R/moving/in" "$R/file" "$R/gone" "$R/mode" ||
	fail "chattr"
echo new >fixed/new && rm fixed/one && mv fixed/two two && mv moving moved &&
	echo more >moved/in/file && echo more >file && rm gone &&
	chmod 600 mode && echo 8 >fixed/sub/file || fail "changes"
for path in fixed/new fixed/one file gone mode; do
	told not-permitted $path "$DENIED" "$GIVE"
done
not_held
equal "$(cat "$R/file" "$R/gone" "$R/fixed/one" "$R/fixed/sub/file" "$R/two" |
	xargs)" "4 5 1 8 2" "what may not be changed is not, what is in it is"
chattr -i "$R/fixed" "$R/file" "$R/gone" "$R/mode" || fail "chattr"
find "$R" -name in -exec chattr -i {} + || fail "chattr"
arrived "not permitted, by itself"

# ---- another kind is in the way ----

mkdir -p a/b c && echo 1 >a/file && echo 2 >a/b/file && ln -s x link &&
	echo 3 >c/file || fail "tree"
check "wait" synced
rm "$R/a/file" && mkdir "$R/a/file" && echo x >"$R/a/file/theirs" &&
	rm -r "$R/a/b" && echo theirs >"$R/a/b" && rm "$R/link" &&
	mkdir "$R/link" && rm -r "$R/c" && ln -s "$T/disk" "$R/c" &&
	echo theirs >"$R/a/dir" && mkdir -p "$R/a/new/below" || fail "theirs"
echo new >a/file && echo new >a/b/file && ln -sfn y link && echo new >c/new &&
	rm c/file && mkdir a/dir && echo new >a/dir/file && echo new >a/new ||
	fail "changes"
arrived "put right"

# what cannot be moved out of the way: fixed, or somebody's mount
mkdir "$R/a/kept" "$R/a/busy" && echo theirs >"$R/a/kept/file" &&
	echo theirs >"$R/a/tree" && chattr +i "$R/a/kept" "$R/a/tree" &&
	mount -t tmpfs none "$R/a/busy" && LOWERS+=("$R/a/busy") || fail "theirs"
echo ours >a/kept && mkdir a/tree && echo ours >a/tree/file &&
	echo ours >a/busy || fail "changes"
told not-permitted a/kept "$DENIED" "$GIVE"
for path in a/tree a/busy; do
	told wrong-type $path "something of another kind is in the way" \
		"move it away there, then: mirrorfs retry"
done
not_held
equal "$(cat "$R/a/kept/file" "$R/a/tree" | xargs)" "theirs theirs" "theirs"
chattr -i "$R/a/kept" "$R/a/tree" || fail "chattr"
take_below "$R/a/busy" || fail "umount"
retry
arrived "out of the way"

# ---- a file system that has become read-only ----

mkdir "$T/disk/r3" && mount -o remount,ro "$T/disk" || fail "remount"
echo more >file && mkdir -p new/below && echo new >new/below/file &&
	ln file name && mv a z && chmod 700 c && ln -sfn z link || fail "changes"
for path in file name z link; do
	told read-only $path "the file system of the replica is read-only" \
		"see why .dmesg there., mount it for writing"
done
not_held r2
"$MIRRORFS" replica add "$T/tree" "${REPLICAS[@]}" \
	"r3=$(sshd_url "$T/disk/r3")" >"$T/out" 2>&1 && fail "r3 was added"
check "a new replica is refused" grep -q "file system there is read-only" "$T/out"
mount -o remount,rw "$T/disk" || fail "remount"
not_held # what comes then does not wait for what is parked
retry
arrived "written again"
exit 0
