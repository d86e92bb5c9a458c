#!/bin/bash
# Folders in which names do not differ by case: none is mounted, none is made
# through the mount, and what is in one is not used, so that no file has two
# names to the kernel and on the replica.
. "$(dirname "$0")/functions.sh"
need chattr
expect_log "names do not differ by case"

truncate -s 64M "$T/image" && mkfs.ext4 -q -F -O casefold "$T/image" \
	2>/dev/null && mount -o loop "$T/image" "$T/tree" 2>/dev/null ||
	skip "no ext4 with casefold here"
LOWERS+=("$T/tree")
mkdir "$T/tree/folded" "$T/tree/plain" && chattr +F "$T/tree/folded" ||
	skip "no folder can be made so"
echo text >"$T/tree/folded/name"

refuse "a root that ignores case" "$MIRRORFS" mount "$T/tree/folded" \
	--state-dir "$T/state" 2>"$T/said"
check "is told" grep -q "do not differ by case" "$T/said"
equal "$(wc -l <"$T/said")" 1 "lines"

pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
refuse "a name" cat "$T/tree/folded/name" 2>"$T/said"
check "is not supported" grep -q "not supported" "$T/said"
refuse "the name in capitals" touch "$T/tree/folded/NAME" 2>/dev/null
refuse "a new name" mkdir "$T/tree/folded/new" 2>/dev/null
equal "$(ls "$T/tree/folded" 2>/dev/null)" name "the list"
refuse "made so through the mount" chattr +F "$T/tree/plain" 2>/dev/null
check "and goes on" touch "$T/tree/plain/a" "$T/tree/plain/A"
check "wait" synced
equal "$(cat "$T/replica1/folded/name")" text "what was there before"
check "two files" test -e "$T/replica1/plain/a" -a -e "$T/replica1/plain/A"
exit 0
