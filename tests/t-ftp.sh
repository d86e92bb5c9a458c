#!/bin/bash
# Uploads by vsftpd: new, over an old file, APPE, REST, STOU, rename after the
# upload, deletion. Each arrives whole, and the journal tells the FTP user and
# the client's address.
. "$(dirname "$0")/functions.sh"
need vsftpd lftp curl
FTPUSER=mfs-test-$$

ssh_replicas 2
check "mount" mount_tree "${REPLICAS[@]}"
ftpd_start "$T/ftpd" "$T/tree" "$FTPUSER" || fail "vsftpd does not start"
chown "$FTPUSER" "$T/tree"
URL=ftp://127.0.0.1:$FTPD_PORT
CURL=(curl -sS --max-time 60 --user "$FTPD_USER:$FTPD_PASS")

# both_have PATH FILE - both replicas serve FILE's bytes as PATH
both_have() {
	check "wait for $1" synced
	cmp "$T/tree/$1" "$2" || fail "master: $1"
	cmp "$T/replica1/$1" "$2" || fail "replica1: $1"
	cmp "$T/replica2/$1" "$2" || fail "replica2: $1"
}

# told PATH PATTERN OPTION... - the log says so, with user and address
told() {
	local path=$1 pattern=$2
	shift 2
	"$MIRRORFS" log "$T/tree" "$T/tree/$path" "$@" >"$T/log"
	grep -E "$pattern.*127\.0\.0\.1.*$FTPUSER" "$T/log" >/dev/null ||
		{ cat "$T/log"; fail "the log of $path lacks: $pattern"; }
}

head -c 300000 /dev/urandom >"$T/one"
head -c 100000 /dev/urandom >"$T/two"

# 1. a new file
"${CURL[@]}" -T "$T/one" "$URL/new.bin" || fail "STOR"
both_have new.bin "$T/one"
told new.bin "create|write"
equal "$(stat -c '%a %U' "$T/tree/new.bin")" "644 $FTPUSER" "mode and owner"

# 2. over an old one, and one that is shorter
"${CURL[@]}" -T "$T/two" "$URL/new.bin" || fail "STOR over it"
both_have new.bin "$T/two"
told new.bin write --op write

# 3. APPE
"${CURL[@]}" --append -T "$T/one" "$URL/new.bin" || fail "APPE"
cat "$T/two" "$T/one" >"$T/both"
both_have new.bin "$T/both"

# 4. REST: the second half of an upload that broke off
head -c 120000 "$T/one" >"$T/half"
"${CURL[@]}" -T "$T/half" "$URL/rest.bin" || fail "first half"
"${CURL[@]}" -C 120000 -T "$T/one" "$URL/rest.bin" || fail "second half"
both_have rest.bin "$T/one"
ftp_run "set ftp:rest-stor yes" "put -c '$T/both' -o lftp.bin" || fail "put -c"
both_have lftp.bin "$T/both"

# 5. under a temporary name, then renamed over the old file
ftp_run "put '$T/one' -o .in.new.bin" "mv .in.new.bin new.bin" ||
	fail "rename after upload"
both_have new.bin "$T/one"
told new.bin rename --op rename
refuse "temporary name on the replica" test -e "$T/replica1/.in.new.bin"

# STOU: the server chooses the name
{
	exec 3<>"/dev/tcp/127.0.0.1/$FTPD_PORT"
	for cmd in "USER $FTPD_USER" "PASS $FTPD_PASS" PASV; do
		read -r -t 60 line <&3
		printf '%s\r\n' "$cmd" >&3
	done
	read -r -t 60 line <&3 # 227 (h,h,h,h,p,p)
	IFS=',)' read -r _ _ _ _ hi lo _ <<<"$line"
	printf 'STOU\r\n' >&3
	exec 4<>"/dev/tcp/127.0.0.1/$((hi * 256 + lo))"
	read -r -t 60 line <&3
	say "STOU: $line"
	cat "$T/two" >&4
	exec 4>&-
	read -r -t 60 line <&3
	printf 'QUIT\r\n' >&3
	exec 3>&-
}
unique=$(find "$T/tree" -maxdepth 1 -name 'STOU*' -printf '%f\n' | head -n 1)
check "STOU made a file" test -n "$unique"
both_have "$unique" "$T/two"

# the rest of what FTP can do
ftp_run "mkdir -p dir/sub" "put '$T/two' -o dir/sub/f" "chmod 600 dir/sub/f" \
	"mv dir/sub dir/moved" "rm rest.bin" "rm -r dir/moved" "mkdir empty" \
	"put '$T/two' -o 'name with blanks'" "rmdir empty" || fail "commands"
check "wait" synced
told rest.bin unlink --op unlink
told dir/sub rename --op rename
check "replica 1" same "$T/replica1"
check "replica 2" same "$T/replica2"

# by FTP user and by number, and when it arrived
"$MIRRORFS" log "$T/tree" --user "$FTPUSER" --json >"$T/log" || fail "log"
check "records of the user" test "$(wc -l <"$T/log")" -gt 20
equal "$(jq -r 'select(.op == "write") | .replicas | length' "$T/log" |
	sort -u)" 2 "deliveries of each write"
equal "$("$MIRRORFS" log "$T/tree" --user nobody-at-all | wc -l)" 0 \
	"records of a user who is not there"
exit 0
