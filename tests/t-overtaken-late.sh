#!/bin/bash
# A file is written anew while its upload is on its way, and the journal hangs, so
# that nobody can ask it: what there is of the new content is not published.
. "$(dirname "$0")/functions.sh"
[ -z "$SANITIZED" ] || skip "cannot be preloaded into a sanitized program"
expect_log "journal|connection|lost"

ssh_replicas 1
echo $((1 << 40)) >"$T/credit"
proxy_start --credit "$T/credit" --count "$T/count"
export FAULTS=$T/plan
plan
trap 'r=$?; plan; end_test $r' EXIT
LD_PRELOAD=$HELPERS/sysfault.so mount_tree "${REPLICAS[@]}" || fail "mount"
echo first >"$T/tree/other"
check "wait" synced
read -r n <"$T/count"
echo $((n + 200000)) >"$T/credit"
head -c 400000 /dev/urandom >"$T/tree/file"
on_its_way() { [ -n "$(find "$T/replica1/.mirrorfs/stage" -size +100k)" ]; }
check "it is on its way" wait_for 60 on_its_way
plan pwrite 1 100000 wait /journal.db-wal fs-worker
exec 5>"$T/tree/file" # cut
head -c 1000 /dev/urandom >&5
kill -ALRM $PROXY
check "the journal hangs" wait_for 60 test -e "$T/plan.hits"
sleep 7 # twice as long as it is waited for the journal
[ ! -e "$T/replica1/file" ] ||
	equal "$(stat -c %s "$T/replica1/file")" 400000 "what is published"
echo more >&5
exec 5>&-
plan
check "wait" synced
check "same" same "$T/replica1"
exit 0
