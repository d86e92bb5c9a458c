#!/bin/bash
# Owners by name: a large file that is aside when the connection is lost, and goes
# on over the next one, which is told of its owner by no record.
. "$(dirname "$0")/functions.sh"
expect_log "lost|connection|cannot reach|ended|refused|reset|closed"

MB=$((1 << 20))
SERVER=/usr/lib/openssh/sftp-server
[ -x $SERVER ] || skip "no $SERVER"
# a replica with another number for the same name
sed 's/:x:33:33:/:x:1033:1033:/' /etc/passwd >"$T/passwd"
sed 's/:x:33:/:x:1033:/' /etc/group >"$T/group"
printf '#!/bin/sh\nexec unshare -m sh -c "%s && %s && exec %s"\n' \
	"sh $TESTS/lib/alone.sh $T && mount --bind $T/passwd /etc/passwd" \
	"mount --bind $T/group /etc/group" "$SERVER" >"$T/server"
chmod 755 "$T/server"
SSHD_SFTP="$T/server"
ssh_replicas 1
CREDIT=0
grant() { printf '%-20d\n' $((CREDIT += MB / 4)) >"$T/credit"; }
grant
proxy_start --credit "$T/credit" --count "$T/count"
# there [FILE] - until then more may pass, as it is used up
there() {
	local n
	"$MIRRORFS" wait "$T/tree" ${1:+"$T/tree/$1"} --timeout 0 \
		>"$T/out" 2>&1 && return
	read -r n <"$T/count" && [ "$n" -lt $CREDIT ] || grant
	return 1
}

check "mount" mount_tree "${REPLICAS[@]}" -o owner=name,aside-above=0
check "wait" wait_for 60 there
head -c $((8 * MB)) /dev/urandom >"$T/large"
install -o www-data -g www-data -m 4755 "$T/large" "$T/tree/large"
echo small >"$T/tree/small"
check "what is behind it arrives" wait_for 60 there small
refuse "it is there" test -e "$T/replica1/large"
kill -USR1 "$PROXY"
check "offline" wait_for 60 state_is r1 offline
kill -USR2 "$PROXY"
kill -ALRM "$PROXY"
check "wait" synced
equal "$(stat -c '%u:%g %a' "$T/replica1/large")" "1033:1033 4755" "by name"
check "same content" cmp "$T/tree/large" "$T/replica1/large"
exit 0
