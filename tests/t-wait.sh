#!/bin/bash
# mirrorfs wait: everything, a path, one replica, a time-out.
. "$(dirname "$0")/functions.sh"

pipe_replicas 2
check "mount" mount_tree "${REPLICAS[@]}"
check "nothing to wait for" "$MIRRORFS" wait "$T/tree" --timeout 60
for i in $(seq 1 50); do
	echo "$i" >"$T/tree/f$i"
	"$MIRRORFS" wait "$T/tree" --timeout 60 || fail "wait $i"
	equal "$(cat "$T/replica1/f$i") $(cat "$T/replica2/f$i")" "$i $i" \
		"after wait $i"
done
"$MIRRORFS" replica pause "$T/tree" r2 || fail "pause"
mkdir "$T/tree/a"
echo x >"$T/tree/a/b"
check "the living one" "$MIRRORFS" wait "$T/tree" --replica r1 --timeout 60
check "a path on it" "$MIRRORFS" wait "$T/tree" "$T/tree/a/b" --replica r1 \
	--timeout 60
timeout 60 "$MIRRORFS" wait "$T/tree" --timeout 1 >"$T/out" 2>&1
equal $? 1 "time-out"
check "it says who" grep -q r2 "$T/out"
"$MIRRORFS" wait "$T/tree" "$T/tree/a" --timeout 1 >/dev/null 2>&1
equal $? 1 "a folder with something new"
check "a path that has arrived" "$MIRRORFS" wait "$T/tree" "$T/tree/f1" \
	--timeout 60
"$MIRRORFS" wait "$T/tree" --replica nobody --timeout 1 2>"$T/err"
check "a replica that is not there" test $? -gt 0 -a -s "$T/err"
"$MIRRORFS" wait "$T/tree" /elsewhere --timeout 1 2>"$T/err"
check "a path elsewhere" test $? -gt 0 -a -s "$T/err"
"$MIRRORFS" wait "$T/tree" --timeout soon 2>/dev/null
equal $? 2 "wrong usage"
"$MIRRORFS" replica resume "$T/tree" r2 || fail "resume"
(cd "$T/tree" && "$MIRRORFS" wait "$T/tree" a --timeout 60) ||
	fail "a relative path"
equal "$(cat "$T/replica2/a/b")" x "after resume"

# symbolic links: by any way to it, also out of the tree and back
mkdir -p "$T/tree/releases/5" "$T/tree/deep"
ln -s ../newest "$T/tree/deep/current" && ln -s releases/5 "$T/tree/newest"
ln -s "$T/tree/newest/x" "$T/tree/file" && ln -s "$T/tree" "$T/way"
ln -s loop "$T/tree/loop"
check "wait" synced
"$MIRRORFS" replica pause "$T/tree" r2 || fail "pause"
echo x >"$T/tree/deep/current/x"
for p in newest/x newest newest/ deep/current/x deep/current file \
	../way/newest/x deep/current/../5/x; do
	"$MIRRORFS" wait "$T/tree" "$T/tree/$p" --timeout 1 >/dev/null 2>&1
	equal $? 1 "through a link: $p"
done
mkdir "$T/outside" && ln -s "$T/outside" "$T/tree/out"
ln -s elsewhere "$T/outside/link"
for p in out/ out/x out/link; do
	"$MIRRORFS" wait "$T/tree" "$T/tree/$p" --replica r1 --timeout 60 \
		2>"$T/err"
	equal $? 1 "out of the tree: $p"
	check "it says so" grep -q "leads out of" "$T/err"
done
check "the link itself" "$MIRRORFS" wait "$T/tree" "$T/tree/out" --replica r1 \
	--timeout 60
for p in f1 loop loop/x deep/no/f1; do
	check "what has arrived: $p" "$MIRRORFS" wait "$T/tree" "$T/tree/$p" \
		--timeout 60
done
"$MIRRORFS" replica resume "$T/tree" r2 || fail "resume"
check "after resume" "$MIRRORFS" wait "$T/tree" "$T/tree/deep/current/x" \
	--timeout 60
"$MIRRORFS" replica pause "$T/tree" r2 || fail "pause"
ln -sfn releases/4 "$T/tree/newest"
"$MIRRORFS" wait "$T/tree" "$T/tree/deep/current/x" --timeout 1 \
	>/dev/null 2>&1
equal $? 1 "a link on the way that was changed"
"$MIRRORFS" replica resume "$T/tree" r2 || fail "resume"

# who waits is told of a hostile name, and its terminal is not driven by it
exec 7>"$T/tree/"$'esc\033[31m' && echo x >&7
refuse "it is being written" "$MIRRORFS" wait "$T/tree" --timeout 1 2>"$T/err"
check "its name" grep -qF 'timed out: /esc\x1b[31m is still' "$T/err"
exec 7>&-

# it ends with the mount
"$MIRRORFS" replica pause "$T/tree" r2 || fail "pause"
echo x >"$T/tree/last"
"$MIRRORFS" wait "$T/tree" >"$T/out" 2>&1 &
WAITS=$!
CHILDREN+=($WAITS)
check "wait" "$MIRRORFS" wait "$T/tree" --replica r1 --timeout 60
check "umount" umount_tree
timeout 60 tail --pid=$WAITS -f /dev/null || fail "it waits for ever"
wait $WAITS
equal $? 1 "the mount has ended"
check "it says so" grep -q "is not mounted, and replica r2" "$T/out"
exit 0
