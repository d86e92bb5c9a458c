#!/bin/bash
# mirrorfs log: what, who, where, when it arrived; filters; --follow; without
# a mount.
. "$(dirname "$0")/functions.sh"

pipe_replicas 2
check "mount" mount_tree "${REPLICAS[@]}"
mkdir -m 777 "$T/tree/dir"
chmod 755 "$T/tree"
echo one >"$T/tree/dir/root-file"
as_user sh -c "echo two >'$T/tree/dir/user file'"
as_user chmod 600 "$T/tree/dir/user file"
as_user mv "$T/tree/dir/user file" "$T/tree/dir/moved"
ln "$T/tree/dir/moved" "$T/tree/linked"
ln -s target "$T/tree/symlink"
truncate -s 1 "$T/tree/dir/root-file"
rm "$T/tree/dir/root-file"
printf 'x' >"$T/tree/$(printf 'odd\033name')"
check "wait" synced

L=("$MIRRORFS" log "$T/tree")
"${L[@]}" >"$T/log" || fail "log"
cat "$T/log"
for op in mount create write mkdir setattr rename link symlink \
	unlink; do
	check "$op is in the log" grep -q " $op " "$T/log"
	equal "$("${L[@]}" --op "$op" | grep -vc " $op ")" 0 "--op $op"
done
check "newest last" sh -c "cut -c1-23 '$T/log' | LC_ALL=C sort -c"
refuse "a control character" grep -q "$(printf '\033')" "$T/log"
equal "$("${L[@]}" --limit 3)" "$(tail -n 3 "$T/log")" "--limit"
equal "$("${L[@]}" --user nobody --op rename | wc -l)" 1 "--user name"
equal "$("${L[@]}" --user 65534 --op rename | wc -l)" 1 "--user number"
equal "$("${L[@]}" --user root --op rename | wc -l)" 0 "the other user"
equal "$("${L[@]}" "$T/tree/linked" | grep -c ' link ')" 1 "PATH"
equal "$("${L[@]}" "$T/tree/linked" | grep -c symlink)" 0 "another path"
check "below PATH" test "$("${L[@]}" "$T/tree/dir" | wc -l)" -ge 5
(cd "$T/tree" && "$MIRRORFS" log "$T/tree" linked | grep -q link) ||
	fail "relative path"
ln -s dir "$T/tree/way"
check "wait" synced
equal "$("${L[@]}" "$T/tree/way/moved")" "$("${L[@]}" "$T/tree/dir/moved")" \
	"PATH through a link"
equal "$("${L[@]}" "$T/tree/way/root-file")" \
	"$("${L[@]}" "$T/tree/dir/root-file")" "of what was removed"
equal "$("${L[@]}" "$T/tree/way/")" "$("${L[@]}" "$T/tree/dir")" "a slash behind"
equal "$("${L[@]}" "$T/tree/way" | grep -c .)" 1 "the link itself"
"${L[@]}" >"$T/log" || fail "log"
equal "$("${L[@]}" --since 1h | wc -l)" "$(wc -l <"$T/log")" "--since"
equal "$("${L[@]}" --until 1h | wc -l)" 0 "--until"
check "program" grep -Eq "nobody +mv +rename" "$T/log"
"${L[@]}" --op renam 2>"$T/err"
equal $? 2 "a wrong operation"
check "the right one is named" grep -q rename "$T/err"
"${L[@]}" --since someday 2>/dev/null
equal $? 2 "a wrong time"

# JSON: one object a line; each write reached both replicas, in order of time
"${L[@]}" --json >"$T/json" || fail "--json"
equal "$(wc -l <"$T/json")" "$(wc -l <"$T/log")" "lines of --json"
jq -e . "$T/json" >/dev/null || fail "not JSON"
equal "$(jq -r 'select(.op == "write") | .replicas | to_entries[]
	| .value.time != null' "$T/json" | sort -u)" true "deliveries"
equal "$(jq -r 'select(.op == "rename") | "\(.path) \(.path2) \(.uid)
	\(.program)"' "$T/json" | tr -d '\n\t')" \
	"dir/user file dir/moved 65534mv" "who renamed what"
equal "$(jq -s '[.[].seq] == ([.[].seq] | sort)' "$T/json")" true "order"
equal "$("${L[@]}" --replica r1 --json | jq -r '.replicas | keys | join(" ")' |
	sort -u)" r1 "--replica"

# --follow shows what comes
background "${L[@]}" --follow --limit 1 >"$T/follow"
follow=$BG
check "follow begins" wait_for 60 test -s "$T/follow"
echo news >"$T/tree/news"
check "follow goes on" wait_for 60 grep -q "/news" "$T/follow"
end_process "$follow"

# one that is paused has not got it
"$MIRRORFS" replica pause "$T/tree" r2
echo x >"$T/tree/only-r1"
check "wait" "$MIRRORFS" wait "$T/tree" --replica r1 --timeout 60
equal "$("${L[@]}" "$T/tree/only-r1" --op write --json |
	jq -c '[.replicas.r1.time != null, .replicas.r2.time]')" \
	"[true,null]" "not yet on r2"

# on another day: midnight is where it arrived
sleep 1
"$MIRRORFS" replica resume "$T/tree" r2
check "wait" synced
at=$("${L[@]}" "$T/tree/only-r1" --op write --json |
	jq '.replicas.r2.time | floor % 86400')
printf -v zone 'XXX%d:%d:%d' $((at / 3600)) $((at / 60 % 60)) $((at % 60))
TZ=$zone "${L[@]}" "$T/tree/only-r1" --op write >"$T/out"
cat "$T/out"
day='[0-9]{4}(-[0-9]{2}){2} '
check "its day" grep -Eq "  r1 23:59:[0-9.]+  r2 ${day}00:00:00[.]" "$T/out"

# output that cannot be written is no success
for command in "log $T/tree" "log $T/tree --json" "log $T/tree --follow" \
	"status $T/tree" "status $T/tree --watch" "replica list $T/tree" \
	--help; do
	# shellcheck disable=SC2086
	timeout 60 "$MIRRORFS" $command >/dev/full 2>"$T/err"
	equal $? 1 "full: $command"
	equal "$(cut -d: -f 1-2 "$T/err")" \
		"mirrorfs: cannot write the output" "why: $command"
done
(
	trap '' PIPE
	exec 8> >(:)
	wait $!
	"${L[@]}" >&8 2>"$T/err"
	equal $? 1 "nobody reads"
	equal "$(cat "$T/err")" "" "and nobody is told"
) || exit 1

# what is not in the database yet is waited for; not for ever, and that is told
coproc { exec sqlite3 "$T/state/journal.db" 2>&1; }
CHILDREN+=("$COPROC_PID")
echo "BEGIN IMMEDIATE; SELECT 'locked';" >&"${COPROC[1]}"
read -r line <&"${COPROC[0]}" && [ "$line" = locked ] || fail "lock: $line"
echo late >"$T/tree/late"
"${L[@]}" "$T/tree/late" >"$T/out" 2>"$T/err" || fail "log of a locked journal"
equal "$(wc -c <"$T/out")" 0 "what is not there"
equal "$(cut -d: -f 1-2 "$T/err")" "mirrorfs: warning" "told"
end_process "$COPROC_PID"
complete() {
	"${L[@]}" "$T/tree/late" >"$T/out" 2>"$T/err" && [ ! -s "$T/err" ]
}
check "no warning" wait_for 60 complete
check "it is there" grep -q "create .*late" "$T/out"

check "umount" umount_tree
check "without a mount" sh -c \
	"'$MIRRORFS' log --state-dir '$T/state' --op umount | grep -q umount"
equal "$("$MIRRORFS" log --state-dir "$T/state" --op rename | wc -l)" 1 \
	"without a mount"
exit 0
