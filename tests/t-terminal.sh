#!/bin/bash
# What is shown on a terminal while a copy goes on: it is drawn in place, also
# in a small window and in one that changes its size; an interruption leaves the
# terminal as it was, and the copy goes on. Elsewhere there are plain lines.
. "$(dirname "$0")/functions.sh"
need script stty
once
SLOW=16K # two megabytes take two minutes, unless the limit is lifted

# on_terminal COLUMNS ROWS COMMAND... - on a terminal of its own, TTY, in the
# background: what it draws is in $T/drawn, keys go to descriptor 9, and `status`
# is there when it has ended.
on_terminal() {
	local size="cols $1 rows $2" command
	shift 2
	rm -f "$T"/term.* "$T/drawn"
	mkfifo "$T/term.keys" && exec 9<>"$T/term.keys" || fail "fifo"
	printf -v command '%q ' "$@"
	cat >"$T/term.sh" <<-SH
	trap : INT
	stty $size && stty -g >term.before
	tty >term.new && mv term.new term.tty
	$command
	echo \$? >term.new
	stty -g >term.after && mv term.new term.status
	SH
	# in the background the key would be ignored
	TERM=${TERMINAL-xterm} SHELL=/bin/bash env --default-signal=INT \
		script -qefc "bash $T/term.sh" /dev/null \
		<"$T/term.keys" >"$T/drawn" &
	BG=$! CHILDREN+=("$!")
	wait_for 60 test -e "$T/term.tty" || fail "no terminal"
	TTY=$(cat "$T/term.tty")
}
# ended STATUS - so ends the command, and the terminal is as it was.
ended() {
	wait_for 60 test -e "$T/term.status" || fail "it does not end"
	equal "$(cat "$T/term.status")" "$1" "exit status"
	check "terminal" cmp -s "$T/term.before" "$T/term.after"
	wait_for 60 process_gone "$BG" || fail "script"
}
interrupt() {
	printf '\003' >&9
	ended 130
}
# seen COLUMNS ROWS - all that went over it and is not drawn over.
seen() {
	"$HELPERS/screen" "$1" "$2" <"$T/drawn"
}
# told TEXT - and nothing else, in lines of 20, at the end of which a blank is not
# seen.
told() {
	equal "$(seen 20 24 | tr -d '\n ')" "${1// /}" "the end"
}
# frames - each text that was drawn in place, a line each.
frames() {
	sed 's/\x1b\[K/\n/g; s/\r//g' "$T/drawn"
}
# drawn COUNT REGEX - so many different ones of that kind.
drawn() {
	[ "$(frames | grep -E "$2" | sort -u | wc -l)" -ge "$1" ]
}
# narrow FROM COLUMNS - no frame behind that byte takes a second line.
narrow() {
	tail -c "+$1" "$T/drawn" | sed 's/\x1b\[K/\n/g; s/\r//g' |
		awk -v c="$2" 'NR > 2 && length($0) > c - 1 { bad = 1 }
			END { exit bad || NR < 3 }'
}
# grown FROM - it goes on being drawn.
grown() {
	[ "$(stat -c %s "$T/drawn")" -gt $(($1 + 100)) ]
}
copying() {
	[ "$(status_get "$1" progress.sent)" -gt 0 ]
} 2>/dev/null
lift() {
	"$MIRRORFS" replica set "$T/tree" "$1" bwlimit=never || fail "lift"
}
add() { # COLUMNS NAME
	mkdir "$T/$2"
	on_terminal "$1" 24 "$MIRRORFS" replica add "$T/tree" "$2=$T/$2" \
		-o "bwlimit=$SLOW${DURABLE:+,durable=$DURABLE}" --wait
}

for i in 1 2; do
	"$HELPERS/blob" write "$T/tree/$i" $((SEED + i)) 1000000 || fail "write"
done
check "mount" mount_tree --replica "r1=$T/replica1"
check "wait" synced
LONG='of 3 entries, .* of 1.9M, .* sent, .*K/s, 0:[0-9:]* left$'

# ---- replica add --wait ----

add 100 r2
check "progress" wait_for 60 drawn 2 "^r2: . $LONG"
stty -F "$TTY" cols 20 || fail "stty"
at=$(stat -c %s "$T/drawn")
check "goes on" wait_for 60 grown $((at + 100))
check "in a window that was made narrow" narrow "$at" 20
lift r2
ended 0
equal "$(seen 100 24)" "r2: the first copy is complete" "the end"
check "same" same "$T/r2"

add 20 r3
check "progress" wait_for 60 drawn 2 '^r3: .*%, 0:'
check "in a narrow window" narrow 1 20
interrupt
told "mirrorfs: interrupted; the first copy of r3 goes on: see mirrorfs status"
check "the copy goes on" wait_for 60 copying r3
lift r3
check "wait" synced
check "same" same "$T/r3"

# plain: no terminal, or one that cannot
mkdir "$T/r4"
"$MIRRORFS" replica add "$T/tree" "r4=$T/r4" --wait \
	${DURABLE:+-o "durable=$DURABLE"} >"$T/out" 2>&1 </dev/null || fail "add"
equal "$(cat "$T/out")" "r4: the first copy is complete" "plain"
TERMINAL=dumb add 80 r5
check "it is under way" wait_for 60 copying r5
lift r5
ended 0
equal "$(cat "$T/drawn")" $'r5: the first copy is complete\r' "dumb"

# it is taken away meanwhile
add 80 r6
check "progress" wait_for 60 drawn 2 '^r6: '
"$MIRRORFS" replica remove "$T/tree" r6 || fail "remove"
ended 1
equal "$(seen 80 24)" "mirrorfs: replica r6 was removed" "removed"

# ---- reconcile --wait ----

for r in r3 r4 r5; do
	"$MIRRORFS" replica remove "$T/tree" $r || fail "remove"
done
different() {
	"$MIRRORFS" replica set "$T/tree" r2 "bwlimit=$SLOW" || fail "limit"
	check "wait" synced
	truncate -s 0 "$T/r2/1" "$T/r2/2"
}
different
on_terminal 100 24 "$MIRRORFS" reconcile "$T/tree" --replica r2 --wait
check "progress" wait_for 60 drawn 2 "^r2: . $LONG"
lift r2
ended 0
# though the limit was lifted by another connection
equal "$(seen 100 24)" "r2: 3 entries compared, 2 differed" "the end"
different
on_terminal 20 24 "$MIRRORFS" reconcile "$T/tree" --replica r2 --wait
check "progress" wait_for 60 drawn 2 '^r2: .*%, 0:'
check "in a narrow window" narrow 1 20
interrupt
told "mirrorfs: interrupted; the comparison goes on: see mirrorfs status"

# ---- status --watch ----

check "it goes on" wait_for 60 copying r2
on_terminal 100 24 env NO_COLOR=1 "$MIRRORFS" status "$T/tree" --watch
shown() { # SCREENS REGEX
	[ "$(grep -cE "$2" "$T/drawn")" -ge "$1" ]
}
check "progress" wait_for 60 shown 3 "^r2: copying: . of 3 entries"
at=$(stat -c %s "$T/drawn")
check "made narrow" stty -F "$TTY" cols 20 rows 6
check "goes on" wait_for 60 grown "$at"
check "made wide" stty -F "$TTY" cols 100 rows 24
at=$(stat -c %s "$T/drawn")
check "goes on" wait_for 60 grown $((at + 1000))
interrupt
seen 100 24 >"$T/screen" || fail "what it draws"
equal "$(grep -cE '^r2: copying: . of 3 entries, .*K/s, 0:' "$T/screen")" 1 \
	"drawn in place"
equal "$(head -n 1 "$T/screen")" "$T/tree: mounted" "the top"

on_terminal 20 6 "$MIRRORFS" status "$T/tree" --watch
check "goes on" wait_for 60 grown 1000
interrupt
seen 20 6 >"$T/screen" || fail "what it draws"
equal "$(wc -l <"$T/screen")" 6 "lines in a small window"

background "$MIRRORFS" status "$T/tree" --watch >"$T/drawn"
check "progress" wait_for 60 shown 3 "^r2: copying: . of 3 entries"
refuse "sequences in a file" grep -q $'[\033\r]' "$T/drawn"
end_process "$BG"
TERMINAL=dumb on_terminal 80 24 "$MIRRORFS" status "$T/tree" --watch
check "progress" wait_for 60 shown 3 "^r2: copying: . of 3 entries"
interrupt
refuse "sequences for one that cannot" grep -q $'\033' "$T/drawn"

lift r2
check "wait" synced
check "same" same "$T/r2"
exit 0
