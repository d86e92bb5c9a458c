#!/bin/bash
# Whose things are on the replica: the option owner.
. "$(dirname "$0")/functions.sh"
need sshd unshare sqlite3
expect_log "refused|owner"
SERVER=/usr/lib/openssh/sftp-server
[ -x $SERVER ] || skip "no $SERVER"

# a replica with other numbers for the same names
sed 's/:x:33:33:/:x:1033:1033:/; s/:x:1:1:/:x:3001:3001:/; /^games:/d' \
	/etc/passwd >"$T/passwd"
sed 's/:x:33:/:x:1033:/; s/:x:1:/:x:3001:/; /^games:/d' /etc/group >"$T/group"
>"$T/flags"
printf '#!/bin/sh\nexec unshare -m sh -c "%s && %s && exec %s $(cat %s)"\n' \
	"sh $TESTS/lib/alone.sh $T && mount --bind $T/passwd /etc/passwd" \
	"mount --bind $T/group /etc/group" "$SERVER" "$T/flags" >"$T/server"
chmod 755 "$T/server"
www=$(id -u www-data) daemon=$(id -u daemon) games=$(id -u games)
equal "$www $daemon $games" "33 1 5" "the numbers of Debian"
SSHD_SFTP="$T/server" sshd_start "$T/sshd" || fail "sshd"
for r in name map forced www ignore user; do mkdir "$T/$r"; done
printf '# here there\nuser www-data 2033\ngroup 33 2034\ngroup * 77\n' \
	>"$T/map.txt"
SSH=(--identity "$SSHD_KEY" --known-hosts "$SSHD_KNOWN_HOSTS")

for who in www-data daemon games root; do
	echo $who >"$T/tree/$who" && chown $who: "$T/tree/$who" || fail chown
done
# nobody has that number: neither here nor there
echo x >"$T/tree/none" && chown 54321:54321 "$T/tree/none" || fail chown
install -o www-data -m 4755 /dev/null "$T/tree/suid"
# the number of games is nobody's there yet, and not to be lent; nor a group's
# that stands for all
install -o games -g www-data -m 6755 /dev/null "$T/tree/lent"
mkdir "$T/tree/dir" && ln -s x "$T/tree/dir/link" || fail "dir"
chown -hR www-data:daemon "$T/tree/dir" && chmod 2775 "$T/tree/dir" || fail dir
touch -hd 2020-02-02 "$T/tree/dir/link" && touch -d 2020-02-03 "$T/tree/dir"
check "mount" mount_tree "${SSH[@]}" --replica "name=$(sshd_url "$T/name")" \
	-o owner=name
add() { # NAME OWNER [URL]
	"$MIRRORFS" replica add "$T/tree" "$1=${3:-$T/$1}" "${SSH[@]}" \
		-o "owner=$2"
}
check "map" add map "map:$T/map.txt"
check "numbers" add forced 44:45
check "names" add www www-data "$(sshd_url "$T/www")"
check "ignore" add ignore ignore
check "wait" synced

owners() { # REPLICA - "name uid:gid mode" of what is interesting
	(cd "$T/$1" && stat -c '%n %u:%g %a' www-data daemon games root none \
		suid lent dir dir/link)
}
expect() {
	owners "$1" >"$T/out"
	diff "$T/out" - >"$T/diff" || { cat "$T/diff"; fail "owners of $1"; }
}
all_owners() {
	expect name <<-END
	www-data 1033:1033 $1
	daemon 3001:3001 644
	games $games:60 644
	root 0:0 644
	none 54321:54321 644
	suid 1033:0 4755
	lent $games:1033 2755
	dir 1033:3001 2775
	dir/link 1033:3001 777
	END
	expect map <<-END
	www-data 2033:2034 $1
	daemon 1:77 644
	games $games:77 644
	root 0:77 644
	none 54321:77 644
	suid 2033:77 4755
	lent $games:2034 2755
	dir 2033:77 2775
	dir/link 2033:77 777
	END
	expect forced <<-END
	www-data 44:45 $1
	daemon 44:45 644
	games 44:45 644
	root 44:45 644
	none 44:45 644
	suid 44:45 755
	lent 44:45 755
	dir 44:45 2775
	dir/link 44:45 777
	END
	equal "$(owners www | cut -d' ' -f2 | sort -u)" 1033:1033 "names"
	equal "$(owners ignore | cut -d' ' -f2 | sort -u)" 0:0 "ignored"
	equal "$(stat -c %a "$T/ignore/suid")" 755 "set-id without the owner"
}
times() {
	equal "$(stat -c %Y "$T/$1/dir" "$T/$1/dir/link" | xargs)" \
		"$(stat -c %Y "$T/tree/dir" "$T/tree/dir/link" | xargs)" \
		"times on $1"
}
all_owners 644
for r in name map forced www ignore; do times $r; done
count() { "$MIRRORFS" status "$T/tree" --json | jq --arg r "$1" --arg k "$2" \
	'.replicas[] | select(.name == $r) | .uncarried[$k].count // 0'; }
check "names that are not there are told" [ "$(count name owner-name)" -ge 1 ]
equal "$(count map owner-name)" 6 "users without a line in the map"
check "set-id bits that are dropped are told" \
	[ "$(count forced set-id)" -ge 1 ]

# as operations, not only by the first copy
mv "$T/tree/dir" "$T/tree/d2" && mv "$T/tree/d2" "$T/tree/dir" &&
	chown daemon "$T/tree/www-data" && chmod 600 "$T/tree/www-data" &&
	chown www-data "$T/tree/www-data" || fail "changes"
rm "$T/tree/suid" && install -o www-data -m 4755 /dev/null "$T/tree/suid"
rm "$T/tree/dir/link" && ln -s y "$T/tree/dir/link" &&
	chown -h www-data:daemon "$T/tree/dir/link" &&
	touch -hd 2020-02-02 "$T/tree/dir/link" &&
	touch -d 2020-02-03 "$T/tree/dir" || fail "link"
check "wait" synced
all_owners 600
for r in name map forced www ignore; do times $r; done

# an owner that was not met before, given in the same batch as all else
for r in name map; do
	check "pause" "$MIRRORFS" replica pause "$T/tree" $r
done
cp /bin/true "$T/tree/given" && chown backup:man "$T/tree/given" &&
	chmod 4755 "$T/tree/given" || fail "given"
for r in name map; do
	check "resume" "$MIRRORFS" replica resume "$T/tree" $r
done
check "wait" synced
equal "$(stat -c '%u:%g %a' "$T/name/given")" "34:12 4755" "by name"
equal "$(stat -c '%u:%g %a' "$T/map/given")" "34:77 755" "by map"
rm "$T/tree/given"
check "wait" synced

# a map that says something else
sed -i 's/2033/3033/; s/user www/# edited\nuser www/' "$T/map.txt"
owned() { [ "$(stat -c %u "$T/map/www-data")" = "$1" ]; }
check "pause" "$MIRRORFS" replica pause "$T/tree" map
check "resume" "$MIRRORFS" replica resume "$T/tree" map
check "as the map is now" wait_for 60 owned 3033
sed -i 's/3033/2033/' "$T/map.txt"
check "pause" "$MIRRORFS" replica pause "$T/tree" map
check "resume" "$MIRRORFS" replica resume "$T/tree" map
check "as it was" wait_for 60 owned 2033
check "wait" synced

# a link that somebody has laid there leads the attributes nowhere
mkdir "$T/victims" "$T/victims/dir" && touch -d 2020-02-04 "$T/victims/"{file,dir} &&
	chmod 700 "$T/victims/"{file,dir} || fail "victims"
victims() { stat -c '%n %u %a %Y' "$T/victims/file" "$T/victims/dir"; }
victims >"$T/before"
for r in name map www; do
	mv "$T/$r/www-data" "$T/$r/.mirrorfs/was" &&
		mv "$T/$r/dir" "$T/$r/.mirrorfs/was.dir" &&
		ln -s "$T/victims/file" "$T/$r/www-data" &&
		ln -s "$T/victims/dir" "$T/$r/dir" || fail "links on $r"
done
chmod 666 "$T/tree/www-data" && chown daemon "$T/tree/www-data" &&
	chown www-data "$T/tree/www-data" && chmod 2775 "$T/tree/dir" ||
	fail "changes"
check "wait" synced
victims | diff "$T/before" - || fail "what the links lead to was changed"
all_owners 666

# nothing differs, so a comparison of everything changes nothing
touch "$T/stamp"
check "remove" "$MIRRORFS" replica remove "$T/tree" name
check "again" "$MIRRORFS" replica add "$T/tree" "name=$(sshd_url "$T/name")" \
	"${SSH[@]}" --adopt -o owner=name
check "wait" synced
equal "$(cd "$T/name" && find . -path ./.mirrorfs -prune -o -cnewer "$T/stamp" \
	! -type d -print)" "" "what was changed by comparing"

# what cannot be had is refused, with what to do instead
add_refused() {
	add user "$@" || fail "add"
	check "refused" wait_for 60 state_is user refused
	status_get user error >"$T/out"
	check "remove" "$MIRRORFS" replica remove "$T/tree" user
}
echo "-P users-groups-by-id" >"$T/flags"
add_refused name "$(sshd_url "$T/user")"
check "no names there" grep -q "use owner = map:FILE" "$T/out"
: >"$T/flags"
add_refused nosuchuser "$(sshd_url "$T/user")"
check "no such user" grep -q "has no user nosuchuser" "$T/out"
printf 'user www-data\n' >"$T/bad"
add_refused "map:$T/bad"
check "the line" grep -q "bad, line 1:" "$T/out"
exit 0
