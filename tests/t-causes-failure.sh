#!/bin/bash
# A server says "failure" of an error of its disk, of a folder that takes no more
# folders, and of a symbolic link that it cannot make: nothing of that is told as
# a quota, as the login is root and its other things can be made. It says so of a
# quota that is used up as the connection is made, too: what needs nothing is sent.
. "$(dirname "$0")/functions.sh"
once # which skips where sysfault cannot be preloaded, too
. "$TESTS/causes.sh"
server=/usr/lib/openssh/sftp-server
[ -x "$server" ] || skip "$server is not installed"
expect_log "parked"
EIO=5 EMLINK=31 EDQUOT=122

plan
SSHD_SFTP="/usr/bin/env LD_PRELOAD=$HELPERS/sysfault.so FAULTS=$T/plan $server"
ssh_replicas 0
mkdir "$T/tree/few" "$T/tree/many"
causes_mount "$T/replica1" "$(sshd_url "$T/replica1")" -o 'exclude=/many/x*'
check "wait" synced
REFUSED="the server of the replica refuses it, and does not say why"
LOG="a disk that fails, .* See the server's log"

plan pwrite 1 1000000 $EIO /stage/
head -c 100000 /dev/urandom >data || fail "data"
told refused data "$REFUSED" "$LOG"
plan
not_held
retry
arrived "data"

plan symlink 1 1000000 $EDQUOT /stage/
ln -s target link || fail "ln"
told refused link "$REFUSED" "$LOG"
not_held
plan
retry
arrived "link"

echo old >old && mkdir empty || fail "tree"
check "wait" synced
"$MIRRORFS" replica pause "$T/tree" r1
check "paused" wait_for 60 state_is r1 paused
plan mkdir 1 1000000 $EDQUOT /
"$MIRRORFS" replica resume "$T/tree" r1
rm old && rmdir empty && mv data moved && mkdir later || fail "changes"
check "removed and moved" wait_for 60 test ! -e "$R/old" -a ! -e "$R/empty" \
	-a -e "$R/moved"
told refused later "$REFUSED" ".*"
not_held
plan
retry
arrived "later"

# a folder is full when it has as many here, be they excluded
perl -e 'mkdir("many/x$_") || die "$!" for 1 .. 30001' || fail "folders"
plan mkdir 1 1000000 $EMLINK 'few/new|many/new'
mkdir few/new many/new && echo x >many/new/file || fail "mkdir"
told refused few/new "$REFUSED" "$LOG"
told too-many-links many/new ".* or folders in one folder" "it has a lower limit"
plan
retry
check "they arrive" wait_for 120 test -e "$R/many/new/file" -a -e "$R/few/new"
exit 0
