#!/bin/bash
# Symbolic links that somebody has laid on a replica. In place of a file whose
# attributes change, they lead nowhere, also where the server lacks the call that
# does not follow them. In place of a folder they are noticed after the first
# change below, and replaced by the folder, with all that is in it.
. "$(dirname "$0")/functions.sh"
SERVER=/usr/lib/openssh/sftp-server
[ -x $SERVER ] || skip "no $SERVER"

SSHD_SFTP="$SERVER -P lsetstat"
ssh_replicas 1
pipe_replica=$T/replica2
mkdir -p "$pipe_replica" "$T/tree/a/b/c" "$T/elsewhere" &&
	echo one >"$T/tree/file" && echo two >"$T/tree/a/b/two" &&
	echo three >"$T/tree/a/b/c/three" || fail "tree"
check "mount" mount_tree "${REPLICAS[@]}" --replica "r2=$pipe_replica"
check "wait" synced
both() { same "$T/replica1" && same "$pipe_replica"; }
check "both" both

# in place of a file
touch -d 2020-02-04 "$T/elsewhere/victim" && chmod 700 "$T/elsewhere/victim"
victim() { stat -c '%u %a %Y' "$T/elsewhere/victim"; }
before=$(victim)
for r in "$T/replica1" "$pipe_replica"; do
	ln -sfT "$T/elsewhere/victim" "$r/file" || fail "link"
done
chmod 666 "$T/tree/file" && touch -d 2021-03-05 "$T/tree/file" &&
	chown daemon "$T/tree/file" || fail "attributes"
check "wait" synced
equal "$(victim)" "$before" "what the link leads to"
check "the file is back" both
chmod 640 "$T/tree/file" && touch -d 2022-03-05 "$T/tree/file"
check "wait" synced
check "attributes of a file" both

# in place of a folder, and of one further up
for at in a/b/c a; do
	for r in "$T/replica1" "$pipe_replica"; do
		rm -r "${r:?}/$at" && ln -sT "$T/elsewhere" "$r/$at" ||
			fail "link"
		mkdir -p "$T/elsewhere/b/c"
	done
	echo "$at" >"$T/tree/a/b/c/new"
	check "wait" synced
	check "$at is a folder again" both
done
equal "$(status_get r1 parked)$(status_get r2 parked)" 00 "parked"
exit 0
