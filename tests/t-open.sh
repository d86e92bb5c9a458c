#!/bin/bash
# A file that stays open is not published before it is closed, or idle for as
# long as the configuration says; unlink and rename of open files.
. "$(dirname "$0")/functions.sh"

pipe_replicas 1
cat >"$T/test.conf" <<-CONF
[mount]
root = $T/tree
state-dir = $T/state
settle-idle = 1s
[replica r1]
url = $T/replica1
CONF
MOUNTS+=("$T/tree") LOGS+=("$T/state/mirrorfs.log")
check "mount" "$MIRRORFS" mount --config "$T/test.conf"

exec 5>"$T/tree/open"
printf 'half' >&5
echo other >"$T/tree/closed"
check "the closed one" "$MIRRORFS" wait "$T/tree" "$T/tree/closed" --timeout 60
check "closed" test -s "$T/replica1/closed"
check "after settle-idle" wait_for 60 test -s "$T/replica1/open"
equal "$(cat "$T/replica1/open")" half "what was written so far"
printf ' and half' >&5
exec 5>&-
check "wait" synced
equal "$(cat "$T/replica1/open")" "half and half" "after close"

# without settle-idle it waits for close
check "umount" umount_at "$T/tree"
sed -i 's/1s/never/' "$T/test.conf"
MOUNTS+=("$T/tree")
check "mount" "$MIRRORFS" mount --config "$T/test.conf"
exec 5>"$T/tree/first" 6>"$T/tree/second" 7>"$T/tree/third"
printf one >&5; printf two >&6; printf three >&7
mv "$T/tree/first" "$T/tree/renamed"
rm "$T/tree/second"
echo x >"$T/tree/fence"
check "fence" "$MIRRORFS" wait "$T/tree" "$T/tree/fence" --timeout 60
for name in first renamed second third; do
	refuse "$name is open" test -s "$T/replica1/$name"
done
"$MIRRORFS" wait "$T/tree" "$T/tree/third" --timeout 1 >"$T/out" 2>&1
equal $? 1 "wait for an open file"
check "it is named" grep -q third "$T/out"
printf ' more' >&5; printf ' more' >&6
exec 5>&- 6>&- 7>&-
check "wait" synced
equal "$(cat "$T/replica1/renamed")" "one more" "renamed while open"
equal "$(cat "$T/replica1/third")" three "closed"
refuse "unlinked while open" test -e "$T/replica1/second"
check "same" same "$T/replica1"

# a mapping that outlives its descriptor is caught by the property test; here:
# attributes of an open file arrive with it
exec 5>"$T/tree/attr"
chmod 600 "$T/tree/attr"
chown 55:66 "$T/tree/attr"
printf x >&5
exec 5>&-
check "wait" synced
equal "$(stat -c '%a %u %g' "$T/replica1/attr")" "600 55 66" "attributes"
check "same" same "$T/replica1"
exit 0
