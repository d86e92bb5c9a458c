#!/bin/bash
# Another server: ProFTPD with mod_sftp, on loopback.
. "$(dirname "$0")/functions.sh"
need ssh-keygen
# ./check unpacks it there
UNPACKED=$(cd "$(dirname "$0")/.." && pwd)/build/unpacked
MODULES=$UNPACKED/usr/lib/proftpd
[ -f "$MODULES/mod_sftp.so" ] || skip "no ProFTPD with mod_sftp"
expect_log "refused"

mkdir -m 755 "$T/etc" "$T/replica" || fail "mkdir"
ssh-keygen -q -t ed25519 -N '' -f "$T/etc/host" || fail "host key"
ssh-keygen -q -t ed25519 -N '' -f "$T/etc/user" || fail "user key"
ssh-keygen -e -f "$T/etc/user.pub" >"$T/etc/keys" || fail "RFC 4716"
# of users it may take those that are told here only, with any number
hash=$(openssl passwd -6 x 2>/dev/null) || hash='*'
printf 'mirror:%s:0:0::%s:/bin/sh\n' "$hash" "$T/replica" >"$T/etc/passwd"
printf 'mirror:x:0:\n' >"$T/etc/group"
chmod 600 "$T"/etc/*
PORT=$(free_port)
# what Debian 12 has built in Debian 13 loads
load() {
	local module
	for module in xfer delay site rlimit cap wrap sftp; do
		[ ! -f "$MODULES/mod_$module.so" ] ||
			echo "LoadModule mod_$module.c"
	done
}
cat >"$T/etc/conf" <<END
ModulePath $MODULES
$(load)
ServerType standalone
ServerName test
DefaultAddress 127.0.0.1
Port $PORT
UseIPv6 off
User root
Group root
RootLogin on
RequireValidShell off
AuthOrder mod_auth_file.c
AuthUserFile $T/etc/passwd
AuthGroupFile $T/etc/group
PidFile $T/etc/pid
ScoreboardFile $T/etc/score
DelayEngine off
WtmpLog off
TransferLog none
SystemLog $T/etc/log
AllowOverwrite on
AllowStoreRestart on
Umask 022
SFTPEngine on
SFTPLog $T/etc/sftp.log
SFTPHostKey $T/etc/host
SFTPAuthMethods publickey
SFTPAuthorizedUserKeys file:$T/etc/keys
END
background "$UNPACKED/usr/sbin/proftpd" -n -c "$T/etc/conf" >"$T/etc/out" 2>&1
wait_for 60 port_open "$PORT" || { cat "$T/etc/out" "$T/etc/log"
	fail "proftpd does not start"; }
printf '[127.0.0.1]:%s %s\n' "$PORT" "$(cut -d' ' -f1,2 "$T/etc/host.pub")" \
	>"$T/etc/known"

mkdir -p "$T/tree/a/b" && echo one >"$T/tree/a/one" && echo 2 >"$T/tree/two" &&
	ln "$T/tree/a/one" "$T/tree/uno" && ln -s a/one "$T/tree/link" &&
	head -c 3000000 /dev/urandom >"$T/tree/big" && chmod 750 "$T/tree/a" &&
	chown daemon:www-data "$T/tree/two" "$T/tree/a/b" || fail "tree"
"$MIRRORFS" mount "$T/tree" --state-dir "$T/state" --identity "$T/etc/user" \
	--known-hosts "$T/etc/known" \
	--replica "r=sftp://mirror@127.0.0.1:$PORT$T/replica" || {
	tail -n 20 "$T/etc/sftp.log" "$T/etc/log"
	fail "mount"
}
MOUNTS+=("$T/tree") LOGS+=("$T/state/mirrorfs.log")
OPTIONS=(--ignore-owner --copies --bare-symlinks)
check "first copy" synced
same "$T/replica" "${OPTIONS[@]}" || fail "first copy"
"$MIRRORFS" replica list "$T/tree" --verbose >"$T/out" || fail "list"
check "what it cannot" grep -q "^r: no lsetstat: " "$T/out"
# its capabilities do not let it change what it has given away
equal "$(status_get r 'abilities["owner"]')" false "owners"
echo more >>"$T/tree/a/one"
for i in 1 2 3; do echo "$i" >"$T/tree/x" && mv "$T/tree/x" "$T/tree/two"; done
mv "$T/tree/a" "$T/tree/c" && chmod 700 "$T/tree/c/b" && rm "$T/tree/link" &&
	ln -s c "$T/tree/c/link" && mkdir "$T/tree/link" &&
	printf abc | dd of="$T/tree/big" bs=1 seek=1000 conv=notrunc \
		2>/dev/null || fail "changes"
check "changes" synced
same "$T/replica" "${OPTIONS[@]}" || fail "changes"
equal "$(status_get r parked)" 0 "parked"
exit 0
