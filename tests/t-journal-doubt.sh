#!/bin/bash
# A file is being written while the journal forgets what is, as its database is
# lost. It stays away from the replica, `wait` waits for it, and when all is killed
# later, nothing of it is missing. That a GAP is the same doubt: test-history.
. "$(dirname "$0")/functions.sh"
expect_log "journal|lost|sync process ended|did not end well"

pipe_replicas 1
printf "[mount]\nroot = %s\nactivity-lift = 500ms\n" "$T/tree" >"$T/conf"
check "mount" mount_tree --config "$T/conf" "${REPLICAS[@]}"
echo x >"$T/tree/x"
check "wait" synced
exec 5>"$T/tree/F"
echo half >&5
sleep 1
rm "$T/state/journal.db"
touch "$T/tree/other"
check "what comes later arrives" wait_for 60 test -e "$T/replica1/other"
sleep 2
refuse "half of it is published" test -e "$T/replica1/F"
refuse "all is there, says wait" "$MIRRORFS" wait "$T/tree" --timeout 1
echo second >&5
sync "$T/tree/F"
sleep 2 # marks are lifted
kill_all
exec 5>&-
check "mount" mount_tree --config "$T/conf"
check "wait" synced
check "same" same "$T/replica1"
exit 0
