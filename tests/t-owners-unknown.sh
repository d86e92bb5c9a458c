#!/bin/bash
# owner = name, while nobody can tell what a group is called here: what is of it
# waits, and all else goes on. Nothing becomes another one's.
. "$(dirname "$0")/functions.sh"
need sshd unshare jq
expect_log "parked|owner"
SERVER=/usr/lib/openssh/sftp-server
[ -x $SERVER ] || skip "no $SERVER"

# a replica with another number for the same name
sed 's/:x:33:/:x:1033:/' /etc/group >"$T/group"
printf '#!/bin/sh\nexec unshare -m sh -c "%s && exec %s"\n' \
	"sh $TESTS/lib/alone.sh $T && mount --bind $T/group /etc/group" "$SERVER" >"$T/server"
chmod 755 "$T/server"
SSHD_SFTP="$T/server"
ssh_replicas 1
mkdir "$T/tree/theirs" || fail "mkdir"
check "mount" mount_with_faults "${REPLICAS[@]}" -o owner=name
check "wait" synced

plan group 1 1000000 5 group
echo x >"$T/tree/file" && chgrp 33 "$T/tree/file" || fail "chgrp"
chgrp 33 "$T/tree/theirs" || fail "chgrp"
echo y >"$T/tree/after"
held() {
	"$MIRRORFS" status "$T/tree" --parked --json |
		jq -e 'map(.path) | sort == ["file", "theirs"]' >/dev/null
}
check "they wait" wait_for 60 held
check "what is behind them does not" wait_for 60 test -s "$T/replica1/after"
refuse "another group's" [ -n "$(find "$T/replica1" -group 33)" ]

plan
check "retry" "$MIRRORFS" retry "$T/tree"
check "wait" synced
equal "$(stat -c %g "$T/replica1/file" "$T/replica1/theirs" | xargs)" \
	"1033 1033" "their group"
exit 0
