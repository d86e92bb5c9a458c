#!/bin/bash
# Servers that can do less: each extension and each request that there is a way
# without is refused in turn, and all of them together. The trees are equal, or
# what differs is counted; what there is no way without is refused clearly.
. "$(dirname "$0")/functions.sh"
. "$TESTS/property.sh"
need sshd
expect_log "refused|read-only"
SERVER=/usr/lib/openssh/sftp-server
[ -x $SERVER ] || skip "no $SERVER"

# one sshd; the user's part of a replica is in the file that its name selects
printf '#!/bin/sh\nexec %s $(cat %s/flags)\n' "$SERVER" "$T" >"$T/server"
chmod 755 "$T/server" && : >"$T/flags"
SSHD_SFTP="$T/server" sshd_start "$T/sshd" || fail "sshd"
SSH=(--identity "$SSHD_KEY" --known-hosts "$SSHD_KNOWN_HOSTS")
# of small files, too, only what changed travels, where the server can
check "mount" mount_above 0 "${SSH[@]}"

# with FLAGS - a replica "r" of a server that was started with them
with() {
	printf '%s\n' "$*" >"$T/flags"
	rm -rf "$T/r" && mkdir "$T/r"
	check "add, $*" "$MIRRORFS" replica add "$T/tree" \
		"r=$(sshd_url "$T/r")" "${SSH[@]}"
	check "first copy, $*" synced
}
without() {
	check "remove" "$MIRRORFS" replica remove "$T/tree" r
}
row() { # WHAT - of the replica, as it was at the end of a play
	jq -r ".replicas[0]$1" "$T/row"
}
lacks() { # ABILITY
	equal "$(row ".abilities[\"$1\"]")" false "ability $1"
}
count() { row ".uncarried[\"$1\"].count // 0"; }

# things of all kinds, then changes of all kinds, links not least
fresh_tree() {
	rm -rf "${T:?}"/tree/* && cd "$T/tree" || fail "tree"
	mkdir -p a/b c && echo one >a/one && ln a/one a/b/uno && ln a/one eins
	echo two >a/two && ln -s two a/link && ln -sf ../a/two c/link
	truncate -s 300000 hole && echo x >ends && truncate -s 200001 ends
	head -c 300000 /dev/urandom >big && chown daemon:www-data big a/two c
	chown -h daemon a/link && chmod 750 c && install -m 4755 /dev/null suid
	cd "$T" || fail "cd"
}
changes() {
	cd "$T/tree" || fail "tree"
	for i in 1 2 3; do echo "$i" >new && mv new a/two; done # replaced
	echo more >>a/one                                      # linked
	ln a/one c/another && chmod 600 eins && mv a/b/uno c/uno
	echo x >y && mv y eins                    # over one of several names
	mv a d && mv d/two d/three && mv big d/big # folders
	printf new | dd of=d/big bs=1 seek=100000 conv=notrunc status=none
	echo appended >>d/big
	ln -sfn elsewhere d/link && rm c/link && mkdir c/link && touch c/link/f
	rmdir d/b && echo file >d/b                # of another kind
	touch -d 2021-01-01 d/three c && chown www-data d/three && chmod 700 c
	echo 1 >p && echo 2 >q && mv -T p q
	cd "$T" || fail "cd"
}
# play FLAGS -- TREECMP-OPTIONS
play() {
	local flags=()
	while [ "$1" != -- ]; do
		flags+=("$1")
		shift
	done
	shift
	fresh_tree
	with "${flags[@]}"
	same "$T/r" "$@" || fail "first copy, ${flags[*]}"
	changes
	check "changes, ${flags[*]}" synced
	same "$T/r" "$@" || fail "changes, ${flags[*]}"
	"$MIRRORFS" status "$T/tree" --json >"$T/row"
	equal "$(row .parked)" 0 "parked, ${flags[*]}"
}

play -P posix-rename --
lacks posix-rename
without
play -P fsync,limits,statvfs,users-groups-by-id,expand-path,fsetstat --
for what in fsync limits statvfs users-groups-by-id fsetstat; do
	lacks $what
done
"$MIRRORFS" replica list "$T/tree" --verbose >"$T/out" || fail "list"
check "what it can is shown" grep -q "^r: its server can posix-rename " "$T/out"
check "and what that means" grep -q "^r: no statvfs: a full disk" "$T/out"
without
play -P hardlink,copy-data -- --copies
lacks hardlink
lacks copy-data
check "copies are counted" [ "$(count hard-link)" -ge 3 ]
without
play -P lsetstat -- --bare-symlinks
lacks lsetstat
check "links without owner are counted" [ "$(count link-attributes)" -ge 1 ]
without
play -P symlink -- --no-symlinks
lacks symlink
check "symbolic links are counted" [ "$(count symlink)" -ge 1 ]
equal "$(find "$T/r" -name .mirrorfs -prune -o -type l -print)" "" "links"
without
play -P "posix-rename,hardlink,fsync,lsetstat,limits,copy-data,statvfs,\
users-groups-by-id,expand-path" -- --copies --bare-symlinks
without
# play_bare FLAGS - content arrives, attributes do not, and that is told
play_bare() {
	fresh_tree
	with "$@"
	changes
	check "without attributes" synced
	"$MIRRORFS" status "$T/tree" --json >"$T/row"
	check "content" diff -r --no-dereference -x .mirrorfs "$T/tree" "$T/r"
	check "attributes are counted" [ "$(count attributes)" -ge 1 ]
}
play_bare -P setstat,fsetstat
without

# a server that can do more than it could: what was left out comes
fresh_tree
with -P symlink,hardlink
: >"$T/flags"
check "pause" "$MIRRORFS" replica pause "$T/tree" r
check "resume" "$MIRRORFS" replica resume "$T/tree" r
check "what was left out comes" wait_for 60 test -L "$T/r/a/link"
check "with another server" synced
same "$T/r" || fail "with another server"
without

# alone REQUEST PLAY [TREECMP-OPTION...] - refused clearly, or equal
alone() {
	local what=$1 play=$2
	shift 2
	printf -- '-P %s\n' "$what" >"$T/flags"
	rm -rf "$T/r" && mkdir "$T/r"
	if "$MIRRORFS" replica add "$T/tree" "r=$(sshd_url "$T/r")" \
		"${SSH[@]}" >"$T/out" 2>&1; then
		without
		$play -P "$what" "$@"
		without
		say "without $what: equal"
	else
		equal "$(wc -l <"$T/out")" 1 "lines without $what"
		check "which one" grep -Eq "refuses .*$what|-R\)" "$T/out"
		say "without $what: refused"
	fi
}
# each with SOAK; else one, drawn from the seed, of those that have no turn of their
# own here
mapfile -t requests < <("$SERVER" -Q requests)
check "requests" [ ${#requests[@]} -gt 20 ]
if [ -z "${SOAK:-}" ]; then
	mapfile -t requests < <(printf '%s\n' "${requests[@]}" | grep -Evx \
		"posix-rename|lsetstat|symlink|mkdir|rmdir|remove|read|write|lstat|opendir")
	RANDOM=$SEED
	requests=("${requests[RANDOM % ${#requests[@]}]}")
fi
for what in "${requests[@]}"; do
	case $what in
	hardlink) alone "$what" play -- --copies ;;
	lsetstat) alone "$what" play -- --bare-symlinks ;;
	setstat) alone "$what" play_bare ;;
	readlink | symlink) alone "$what" play -- --no-symlinks ;;
	*) alone "$what" play -- ;;
	esac
done

# what there is no way without, one line that says so
for what in mkdir rmdir remove read write rename,posix-rename lstat opendir; do
	printf -- '-P %s\n' $what >"$T/flags"
	rm -rf "$T/r" && mkdir "$T/r"
	"$MIRRORFS" replica add "$T/tree" "r=$(sshd_url "$T/r")" "${SSH[@]}" \
		>"$T/out" 2>&1 && fail "accepted without $what"
	equal "$(wc -l <"$T/out")" 1 "lines without $what: $(cat "$T/out")"
done
echo -R >"$T/flags"
"$MIRRORFS" replica add "$T/tree" "r=$(sshd_url "$T/r")" "${SSH[@]}" \
	>"$T/out" 2>&1 && fail "accepted a read-only server"
check "read-only" grep -q "read-only server" "$T/out"
echo -P rmdir >"$T/flags"
"$MIRRORFS" replica add "$T/tree" "r=$(sshd_url "$T/r")" "${SSH[@]}" \
	>"$T/out" 2>&1
check "which one" grep -q 'refuses "rmdir"' "$T/out"
exit 0
