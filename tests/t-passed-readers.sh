#!/bin/bash
# A file that is passed through and was open for reading and writing is done with
# when nobody can write to it any more, whoever reads it still. Until then each of
# its `write` records is of all of it, also when some of it was written to as usual.
. "$(dirname "$0")/functions.sh"

pipe_replicas 1
cat >"$T/conf" <<-CONF
[mount]
root = $T/tree
settle-idle = 1s
CONF
check "mount" mount_tree --config "$T/conf" "${REPLICAS[@]}"
passthrough=$("$MIRRORFS" status "$T/tree" --json | jq -r .passthrough)
[ "$passthrough" = on ] || skip "passthrough is $passthrough"
truncate -s 2M "$T/tree/file"
truncate -s 2M "$T/tree/other"
check "wait" synced

mkfifo "$T/fifo"
"$HELPERS/mapper" -r "$T/tree/file" <"$T/fifo" >"$T/mapper.out" &
MAPPER=$!
exec 7>"$T/fifo"
check "it is mapped" wait_for 60 grep -q mapped "$T/mapper.out"
sleep 1 # the kernel tells of the close in its own time
exec 9<>"$T/tree/file"
exec 5<"$T/tree/file"
printf written >&9
exec 9>&- 7>&-
check "unmapped" wait $MAPPER
check "nobody writes to it, somebody reads it" synced
# looked at after each settle-idle, else it would be open for ten seconds again
for n in 1 2 3; do
	sleep 1
	check "nor later ($n)" synced 6
done
check "same" same "$T/replica1"
exec 5<&-

exec 5<"$T/tree/other" 9<>"$T/tree/other"
exec 5<&-
printf first >&9
has() { [ "$(head -c "${#1}" "$T/replica1/other" | tr "\0" -)" = "$1" ]; }
check "it settles" wait_for 60 has first
printf second >&9
printf 123456789 | dd of="$T/tree/other" bs=1 seek=1M conv=notrunc 2>/dev/null ||
	fail "dd"
check "it settles again" wait_for 60 has firstsecond
exec 9>&-
check "wait" synced
part=$("$MIRRORFS" log "$T/tree" "$T/tree/other" --op write --json |
	jq 'select(.written == 9)' | wc -l)
equal "$part" 0 "records of a part of it"
check "same" same "$T/replica1"
check "umount" umount_tree
exit 0
