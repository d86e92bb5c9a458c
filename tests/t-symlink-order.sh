#!/bin/bash
# A server that has the arguments of SYMLINK as the draft has them, and one that makes
# no symbolic links any more. Links that are there stay, also where neither order can
# be tried as there is no room; none is ever made where another points to.
. "$(dirname "$0")/functions.sh"
server=/usr/lib/openssh/sftp-server
[ -x "$server" ] || skip "$server is not installed"
[ -z "$SANITIZED" ] || skip "cannot be preloaded beside a sanitizer"
expect_log "parked"

R=$T/replica1
mount -t tmpfs -o nr_inodes=200,mode=755 none "$R" ||
	skip "cannot mount a tmpfs"
LOWERS+=("$R")
cat >"$T/server" <<-CODE
	#!/bin/bash
	exec env LD_PRELOAD=$HELPERS/sysfault.so SYMLINK_SWAPPED=1 \
		$server \$(cat $T/flags)
CODE
chmod 755 "$T/server" && : >"$T/flags" || fail "server"
SSHD_SFTP=$T/server
ssh_replicas 1
mkdir "$T/trap" && ln -s "$T/trap/first" "$T/tree/link" &&
	ln -s wrong "$T/tree/changed" && touch "$T/tree/gone" || fail "tree"
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced
check "same" same "$R"
pause() {
	check "pause" "$MIRRORFS" replica pause "$T/tree" r1
	check "paused" wait_for 60 state_is r1 paused
}
resume() {
	check "resume" "$MIRRORFS" replica resume "$T/tree" r1
	check "connected" wait_for 60 state_is r1 synced
}
# compare STATUS - 1: some of it is held back
compare() {
	"$MIRRORFS" reconcile "$T/tree" --wait >"$T/out" 2>"$T/err"
	equal $? "$1" "compare"
}
untouched() {
	equal "$(readlink "$R/link")" "$T/trap/first" "$1: the link"
	equal "$(ls -A "$T/trap")" "" "$1: what links point to"
}

# 1. no inode left as the connection is made
pause
mkdir "$R/.mirrorfs/full"
full() {
	for i in {1..200}; do
		: >"$R/.mirrorfs/full/$1.$i" || break
	done 2>"$T/out"
}
full before
resume
full then
ln -s "$T/trap/second" "$T/tree/new" || fail "ln"
check "parked" wait_for 60 parked_as no-inodes new
full again
compare 1
refuse "offline for that" grep "offline" "$T/state/mirrorfs.log"
untouched "no inodes"
rm "$T/tree/gone"
check "what makes room" wait_for 60 test ! -e "$R/gone"
rm -r "$R/.mirrorfs/full"
check "retry" "$MIRRORFS" retry "$T/tree" >"$T/out"
check "wait" synced
check "same" same "$R"
untouched "no inodes"

# 2. the server makes none any more: what is right stays, what is wrong goes
pause
echo "-P symlink" >"$T/flags"
ln -sfn right "$T/tree/changed" && ln -s new "$T/tree/later" &&
	ln -sfn "$T/trap/first" "$T/tree/link" || fail "changes"
resume
check "wait" synced
untouched "the same link anew"
compare 0
untouched "without symlink"
equal "$(find "$R" -name .mirrorfs -prune -o -type l -printf '%f\n' |
	sort | paste -s)" "link	new" "links without symlink"
"$MIRRORFS" status "$T/tree" >"$T/out"
check "it is told" grep -q "not carried by SFTP: symlink" "$T/out"
pause
: >"$T/flags"
resume
check "wait" synced
check "same" same "$R"
exit 0
