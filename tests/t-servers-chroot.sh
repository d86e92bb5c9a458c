#!/bin/bash
# internal-sftp in a chroot: the path of the replica is the one inside.
. "$(dirname "$0")/functions.sh"
need sshd
expect_log "refused"
# sshd wants each folder above to be root's and nobody else's, which /tmp is not
mkdir -p /run && JAIL=$(mktemp -d /run/mirrorfs-test.XXXXXX) || skip "no /run"
chmod 755 "$JAIL" && mkdir "$JAIL/www" && ln -s "$JAIL/www" "$T/www"
trap 'r=$?; end_children; rm -rf "$JAIL"; end_test $r' EXIT
SSHD_OPTIONS="ChrootDirectory $JAIL"
sshd_start "$T/sshd" || fail "sshd"
mkdir "$T/tree/d" && echo 1 >"$T/tree/d/1" && ln "$T/tree/d/1" "$T/tree/one" &&
	ln -s d/1 "$T/tree/link" && chown -h daemon:33 "$T/tree/link" &&
	chown 12345:6 "$T/tree/d" || fail "tree"
SSH=(--identity "$SSHD_KEY" --known-hosts "$SSHD_KNOWN_HOSTS")
check "mount" mount_tree "${SSH[@]}" --replica "r=$(sshd_url /www)"
check "wait" synced
check "first copy" same "$JAIL/www"
echo 2 >>"$T/tree/one" && mv "$T/tree/d" "$T/tree/e" &&
	touch -d 2020-01-01 "$T/tree/e" || fail "changes"
check "wait" synced
check "changes" same "$JAIL/www"
"$MIRRORFS" replica add "$T/tree" "x=$(sshd_url "$JAIL/www")" "${SSH[@]}" \
	>"$T/out" 2>&1 && fail "the path outside"
check "is not there" grep -q "does not exist on the replica" "$T/out"
exit 0
