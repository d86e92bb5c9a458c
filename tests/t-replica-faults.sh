#!/bin/bash
# A replica that is not what it was: restored from an old backup, emptied,
# tampered with, its state file garbage. Each is noticed when mirrorfs connects
# again, or when the next change meets it, and made equal without help.
. "$(dirname "$0")/functions.sh"
expect_log "lost|connection|ended|parked|cannot"

R=$T/replica1
# the session ends, as when the machine of the replica was started anew
drop() {
	kill_children "$(status_pid sync_pid)"
}
# one at least, whatever churn was refused: without any, nobody connects
change() {
	echo "$SEED" >"$T/tree/changed" || fail "a change"
	"$HELPERS/churn" --seed $((SEED += 3)) --ops "$(scaled 100)" \
		--procs 2 "$T/tree" || fail "churn"
}
equal_again() {
	change
	check "wait: $1" synced
	check "$1" same "$R"
}
# logged TEXT - how often
logged() { grep -c "$1" "$T/state/mirrorfs.log"; }
more_than() { [ "$(logged "$2")" -gt "$1" ]; }
# told REASON - why all is compared, once more
declare -A TOLD=()
told() {
	check "the log about: $1" wait_for 60 \
		more_than "${TOLD[$1]:-0}" "comparing everything: $1"
	TOLD[$1]=$(logged "comparing everything: $1")
}
# COMMAND... changes the replica, which is idle, and the session ends
meanwhile() {
	"$@" || fail "$*"
	wait_for 60 drop || fail "no session to drop"
}
empty() {
	find "$R" -mindepth 1 -delete
}
restore() {
	empty && cp -a "$T/backup/." "$R"
}
# state KIND - and a file that only a comparison of everything finds
state() {
	local was
	was=$(cat "$R/.mirrorfs/state")
	rm -rf "$R/.mirrorfs/state"
	echo "spoilt while it was $1" >"$R/keep/6"
	case $1 in
	missing) ;;
	empty) : >"$R/.mirrorfs/state" ;;
	flipped) # one bit of what names the journal
		tr 0-9a-f 1032547698badcfe <<<"${was:5:1}" | tr -d '\n' |
			cat <(echo -n uuid=) - <(echo "${was:6}") \
			>"$R/.mirrorfs/state" ;;
	garbage) head -c 300 /dev/urandom >"$R/.mirrorfs/state" ;;
	huge) head -c 200000 /dev/zero >"$R/.mirrorfs/state" ;;
	cut) printf 'uuid=12345678-1234\nseq=' >"$R/.mirrorfs/state" ;;
	foreign) printf 'uuid=%s\nseq=1\n' "${UUID//[0-9]/a}" \
		>"$R/.mirrorfs/state" ;;
	folder) mkdir "$R/.mirrorfs/state" ;;
	ahead) printf 'uuid=%s\nseq=%s\n' "$UUID" $((1 << 60)) \
		>"$R/.mirrorfs/state" ;;
	esac
}

pipe_replicas 1
mkdir -p "$T/tree/keep/below"
for i in 1 2 3 4 5 6; do
	echo $i >"$T/tree/keep/$i"
	echo $i >"$T/tree/keep/below/$i"
done
# of versions of the same size and time
alike() {
	printf '%s' "$1" >"$T/tree/keep/alike"
	touch -d 2020-01-01 "$T/tree/keep/alike"
}
check "mount" mount_tree "${REPLICAS[@]}"
alike old
change
check "wait" synced
check "before" same "$R"
UUID=$(sed -n 's/^uuid=//p' "$R/.mirrorfs/state")
cp -a "$R" "$T/backup"
alike new
change
check "wait" synced

# not found because what comes next is recorded within the slack of ctimes
settled() {
	[ $(($(date +%s) - $(stat -c %Z "$T/tree/keep/alike"))) -gt 3 ]
}
check "some seconds pass" wait_for 60 settled
meanwhile restore
equal_again "restored from an old backup"
told "it is older than it was"

# and while it is connected, over what is there
RESTORED="the state that it keeps is not"
change
check "wait" synced
cp -a "$T/backup/." "$R"
equal_again "restored while connected"
check "it is noticed" wait_for 60 more_than 0 "$RESTORED"
# a server that tells another time of the same state is asked once more, not
# again and again
n=$(logged "$RESTORED")
for year in 2001 2002 2003; do
	touch -d $year-01-01 "$R/.mirrorfs/state"
	equal_again "another time, $year"
done
check "one is given up" wait_for 60 more_than "$n" "$RESTORED"
equal "$(logged "$RESTORED")" $((n + 1)) "connections that were given up"

meanwhile empty
equal_again "an empty disk"
told "its state file is gone"
kinds="flipped ahead"
[ -z "${SOAK:-}" ] || kinds="missing empty garbage flipped huge cut folder ahead"
for kind in $kinds; do
	meanwhile state $kind
	equal_again "state file: $kind"
	[ $kind != ahead ] || told "it is ahead of the journal"
	[ $kind = ahead ] || told "its state file is gone"
	check "it is written anew" grep -qx "uuid=$UUID" "$R/.mirrorfs/state"
done

# it is ours, too, where nothing that it got is sure to be on its disk
command -v sqlite3 >/dev/null && {
	sqlite3 "$T/state/journal.db" ".timeout 10000" "INSERT OR REPLACE
		INTO unsafe SELECT id, 0 FROM replica" || fail "sqlite3"
	meanwhile state cut
	equal_again "state file: cut, and all in doubt"
	sqlite3 "$T/state/journal.db" ".timeout 10000" "DELETE FROM unsafe"
}

# it belongs to another journal: nothing is done until somebody has looked
meanwhile state foreign
check "refused" wait_for 60 state_is r1 refused
check "and what to do" grep -q "another journal.*remove .mirrorfs there" \
	<<<"$(status_get r1 error)"
echo later >"$T/tree/later"
rm -r "$R/.mirrorfs" || fail "rm"
"$MIRRORFS" retry "$T/tree" >"$T/out" || fail "retry"
equal_again "not of another journal any more"

# tampered with, and met by the next change
rm "$R/keep/1"
rm "$R/keep/2" && mkdir "$R/keep/2" && echo x >"$R/keep/2/x"
rm "$R/keep/3" && ln -s /etc/passwd "$R/keep/3"
rm -r "$R/keep/below" && echo x >"$R/keep/below"
echo "somebody else" >"$R/keep/4"
for i in 1 2 3 4; do
	echo "new $i" >"$T/tree/keep/$i"
done
for i in 1 2 3 4 5 6; do
	echo "new $i" >"$T/tree/keep/below/$i"
done
mv "$T/tree/keep/5" "$T/tree/keep/moved"
check "wait: tampered" synced
check "tampered with, and met" same "$R"
equal "$(grep -c ^root /etc/passwd)" 1 "nothing was written through the link"

# tampered with, and not met: found when all is compared
rm "$R/keep/6"
echo "longer than before" >"$R/keep/moved"
mkdir "$R/nobody" && echo x >"$R/nobody/knows"
meanwhile state missing
equal_again "tampered with, and compared"
told "its state file is gone"

# the session is killed again and again
background "$HELPERS/churn" --seed "$SEED" --ops "$(scaled 1000)" "$T/tree"
kills=0
until process_gone "$BG"; do
	drop && kills=$((kills + 1))
	sleep 0.1
done
wait "$BG" || fail "churn"
say "killed $kills times"
check "wait: killed" synced
check "killed" same "$R"
exit 0
