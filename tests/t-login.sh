#!/bin/bash
# Logins that are not root: owners are not replicated, and status says so; all
# else is, also in folders that their owner may not write to or look into. Such
# a login keeps its rights on folders, or it could not go on there.
. "$(dirname "$0")/functions.sh"
need sshd
expect_log "parked /nothing/moved"

# such a user has no shell
SSHD_OPTIONS="ForceCommand internal-sftp"
sshd_start "$T/sshd" || fail "sshd does not start"
SSH=(--identity "$SSHD_KEY" --known-hosts "$SSHD_KNOWN_HOSTS")
chmod 711 "$T/sshd" && chmod 644 "$T/sshd/authorized_keys" || fail "keys"
for who in nobody daemon; do
	mkdir "$T/$who" && chown "$who": "$T/$who" || fail "chown"
done

cd "$T/tree" || fail "tree"
mkdir -p ro/sub/deep none/sub open && echo 1 >ro/file && echo 2 >ro/sub/file &&
	echo 3 >none/file && echo 4 >none/sub/file && echo 5 >hidden &&
	echo 6 >open/daemon && echo 7 >open/www && echo 8 >ro/gone &&
	echo 9 >ro/sub/deep/file && echo 10 >only.write || fail "files"
head -c 3000000 /dev/urandom >open/big
chown daemon: open/daemon && chown www-data:daemon open/www open &&
	chown daemon ro none || fail "owners"
ln -s ../ro/file open/link && chown -h daemon open/link &&
	ln ro/file open/ro.name && ln none/file none.name &&
	ln open/link open/link.name || fail "links"
install -o www-data -m 4755 /dev/null suid
install -g daemon -m 2755 /dev/null sgid
mkdir team && chgrp daemon team && chmod 2775 team && touch team/file
mkdir sticky && chmod 1777 sticky && touch sticky/file
touch -hd 2020-02-02 open/link && touch -d 2020-02-03 ro/sub/file ro/sub ro \
	none/file none open suid || fail "times"
chmod 400 ro/file && chmod 200 only.write && chmod 0 hidden none/sub/file \
	none/sub none && chmod 555 ro/sub/deep ro/sub ro || fail "modes"
cd "$T" || fail "cd"

url() { echo "$1=sftp://$1@127.0.0.1:$SSHD_PORT$T/$1"; }
check "mount" mount_tree "${SSH[@]}" --replica "$(url nobody)"
check "add" "$MIRRORFS" replica add "$T/tree" "${SSH[@]}" "$(url daemon)"

count() { status_get "$1" "uncarried[\"$2\"].count // 0"; }
# alike TEXT - equal, but for what cannot be, which is counted
alike() {
	check "wait, $1" synced
	rm -rf "$T/wanted" && cp -a "$T/tree" "$T/wanted" || fail "copy"
	find "$T/wanted" -type d -exec chmod u+rwx {} + -o \
		-type f -exec chmod ug-s {} + || fail "chmod"
	for who in nobody daemon; do
		equal "$(status_get $who parked)" 0 "parked, $who, $1"
		"$HELPERS/treecmp" --ignore-owner "$T/wanted" "$T/$who" ||
			fail "$1, $who"
		equal "$(find "$T/$who" ! -user $who)" "" "owners, $1, $who"
	done
}
alike "first copy"
"$MIRRORFS" status "$T/tree" >"$T/status"
for who in nobody daemon; do
	for kind in owner set-id folder-mode; do
		check "$kind of $who" [ "$(count $who $kind)" -ge 1 ]
		check "status" grep -q "$who: not carried.*: $kind," "$T/status"
	done
done

cd "$T/tree" || fail "tree"
echo 11 >ro/new && rm ro/gone && mv ro/file none/moved && echo 12 >>ro/sub/file &&
	mkdir -m 0 ro/sub/more && echo 13 >ro/sub/more/file &&
	ln hidden none/hidden && echo 14 >>hidden && echo 15 >>only.write &&
	mv none/sub ro/sub/deep/sub && mv ro/sub open/sub && mv none nothing &&
	rm open/sub/deep/file && rm none.name && mv sticky/file team/from &&
	chown games open/sub/more open/daemon suid && chmod 4711 suid &&
	chmod 2551 team && printf x | dd of=open/big bs=1 seek=9 conv=notrunc \
	status=none && chmod 0 open/big && touch -d 2021-01-01 open/sub ro ||
	fail "changes"
cd "$T" || fail "cd"
alike "changes"
printf y | dd of="$T/tree/open/big" bs=1 seek=99999 conv=notrunc status=none ||
	fail "patch"
rm -r "$T/tree/ro" "$T/tree/open/sub/deep" && mkdir "$T/tree/ro" &&
	mv -T "$T/tree/ro" "$T/tree/sticky" && rm "$T/tree/suid" || fail "removals"
alike "removals"

# nothing is different for a comparison; what others did in there is mended
touch "$T/stamp"
check "compare" "$MIRRORFS" reconcile "$T/tree"
alike "compared"
equal "$(find "$T/nobody" "$T/daemon" -path '*/.mirrorfs' -prune -o \
	-cnewer "$T/stamp" ! -type d -links 1 -print)" "" "what was changed by comparing"
for who in nobody daemon; do
	chmod 500 "$T/$who/nothing" && rm "$T/$who/nothing/moved" || fail "damage"
done
check "compare" "$MIRRORFS" reconcile "$T/tree"
alike "mended"

# what it may not look at is not taken for removed
parked() { [ "$(status_get nobody parked)" "$@" ]; }
chmod 0 "$T/nobody/nothing" && rm "$T/tree/nothing/moved" || fail "remove"
check "parked" wait_for 60 parked = 1
chmod 700 "$T/nobody/nothing" && "$MIRRORFS" retry "$T/tree" >"$T/out" ||
	fail "retry"
check "arrives" wait_for 60 parked = 0
alike "what was out of sight"
exit 0
