#!/bin/bash
# A first copy holds one folder's list at a time: of ten times as many files, in
# folders of the same size, sync has no more memory than before. Their paths are
# long, so that a list of them would show.
. "$(dirname "$0")/functions.sh"
[ -z "$SANITIZED" ] || skip "what is freed is kept there"
FOLDERS=20 # of 100 files
LONG=$(printf 'n%.0s' {1..200})/$(printf 'm%.0s' {1..200})

# most_kib FOLDERS - of sync in the first copy of so many
most_kib() {
	local root=$T/tree$1
	mkdir -p "$root/$LONG" "$T/copy$1"
	"$HELPERS/benchtool" files "$root/$LONG" "$1" 100 3 || fail "files"
	check "mount" mount_at "$root" "$T/state$1" --replica "r=$T/copy$1"
	check "first copy" "$MIRRORFS" wait "$root" --timeout 300 >"$T/out"
	MOST=$(awk '/^VmHWM:/ { print $2 }' \
		"/proc/$(status_pid sync_pid "$root")/status")
	equal "$(find "$T/copy$1/$LONG" -type f | wc -l)" $(($1 * 100)) "files"
	check "umount" umount_at "$root"
	say "$1 folders: $MOST KiB"
}
most_kib $FOLDERS
few=$MOST
most_kib $((FOLDERS * 10))
# 290 bytes for each further file: a path is longer. Two copies of the same differ
# by half of that on a busy machine.
check "$few KiB, then $MOST" test $((MOST - few)) -lt 5120
exit 0
