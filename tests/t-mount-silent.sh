#!/bin/bash
# Many new replicas that take a connection and never answer: the mount does not
# wait for each of them, and those that were not asked are refused or served later.
. "$(dirname "$0")/functions.sh"
expect_log "cannot|no answer|does not"

pipe_replicas 1
silent_server
silent=()
for n in 1 2 3 4 5; do
	silent+=(--replica "s$n=sftp://root@127.0.0.1:$(cat "$T/port")/x$n")
done
mkdir "$T/replica2"
echo foreign >"$T/replica2/foreign"
check "mount" mount_tree "${silent[@]}" --accept-new "${REPLICAS[@]}" \
	--replica "r2=$T/replica2" 2>"$T/err"
check "the first was asked" grep -q "replica s1: .*; it is tried again" "$T/err"
check "the last was not" grep -q "replica s5: not asked" "$T/err"
echo x >"$T/tree/file"
check "one that answers" "$MIRRORFS" wait "$T/tree" --replica r1 --timeout 60
check "one that is foreign" wait_for 60 state_is r2 refused
check "nothing was changed there" [ "$(cat "$T/replica2/foreign")" = foreign ]
check "umount" umount_tree
exit 0
