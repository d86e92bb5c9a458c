#!/bin/bash
# Below is a file system in a process (FUSE; here another mirrorfs). It gives
# handles, which hold only as long as the kernel knows the file, so they are not
# used: what it has forgotten is found, and replicated.
. "$(dirname "$0")/functions.sh"
expect_log "mounted inside"

ROOT=$T/tree/folder
mkdir "$ROOT" && echo old >"$ROOT/file"
check "mount below" mount_tree
mount_at "$ROOT" "$T/state.above" --replica "r1=$T/replica1" 2>"$T/said" ||
	fail "mount: $(cat "$T/said")"
check "mount tells" grep -q "note: .*cannot name files by handle" "$T/said"
equal "$("$MIRRORFS" status "$ROOT" --json | jq .handles)" false "handles"
check "status tells" grep -q 'no file handles below' \
	<("$MIRRORFS" status "$ROOT")
arrived() { "$MIRRORFS" wait "$ROOT" --timeout 60 >"$T/out"; }
check "wait" arrived

check "pause" "$MIRRORFS" replica pause "$ROOT" r1
mkdir "$ROOT/new" && echo changed >"$ROOT/file" &&
	echo deep >"$ROOT/new/file" || fail "write"
exec 7<"$ROOT/file"
echo 2 >/proc/sys/vm/drop_caches # what nobody holds
equal "$(cat "$ROOT/new/file")" deep "what was made"
equal "$(cat <&7)" changed "what is open"
exec 7<&-
check "resume" "$MIRRORFS" replica resume "$ROOT" r1
check "wait" arrived
check "same" "$HELPERS/treecmp" "$ROOT" "$T/replica1"
check "umount" umount_at "$ROOT"
exit 0
