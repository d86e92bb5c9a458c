#!/bin/bash
# Names of any bytes in what log and status tell; a directory of 100,000
# entries.
. "$(dirname "$0")/functions.sh"
N=$(scaled 100000)

mkdir "$T/tree/large"
(cd "$T/tree/large" && seq -f 'entry%.0f' "$N" | xargs touch) || fail "touch"
check "mount" mount_tree
hex() { od -An -v -tx1 | tr -d ' \n'; }
L=("$MIRRORFS" log "$T/tree")

# every name once, in plain listings and in those with attributes
equal "$(ls -f "$T/tree/large" | grep -c entry)" "$N" "entries"
equal "$(find "$T/tree/large" -type f | LC_ALL=C sort -u | wc -l)" "$N" "find"
check "the last one" test -f "$T/tree/large/entry$N"
refuse "one more" test -e "$T/tree/large/entry$((N + 1))"
mv "$T/tree/large/entry1" "$T/tree/large/moved"
rm "$T/tree/large/entry2" && touch "$T/tree/large/made"
equal "$(ls -f "$T/tree/large" | grep -c .)" $((N + 2)) "after changes"

# a newline, an escape, UTF-8, no UTF-8, a control character of 8 bits
cd "$T/tree" || fail "cd"
bad=$(printf 'no-utf8-\377\376')
control=$(printf 'c1-\302\233-raw-\233')
touch -- $'new\nline' $'esc\033[31m' 'größe-€' "$bad" "$control" 'back\slash' \
	'-rf' ' '
long=$(printf '%0255d' 0 | tr 0 '\377')
touch -- "$long"
cd "$T" || fail "cd"
settled() {
	"${L[@]}" --json | jq -es --arg h "$(printf %s "$long" | hex)" \
		'any(.op == "create" and .path_hex == $h)' >/dev/null
}
check "settled" wait_for 60 settled
"${L[@]}" >"$T/log" || fail "log"
equal "$(LC_ALL=C grep -c "$(printf '[\001-\010\013-\037\177]')" "$T/log")" 0 \
	"control characters"
equal "$(LC_ALL=C grep -c "$(printf '[\233\376\377]')" "$T/log")" 0 \
	"bytes that are not UTF-8"
for text in '/new\x0aline' '/esc\x1b[31m' '/größe-€' '/no-utf8-\xff\xfe' \
	'/c1-\xc2\x9b-raw-\x9b' '/back\x5cslash' '/-rf'; do
	check "$text" grep -qF -- "$text" "$T/log"
done

# JSON: exact where a string can be, else in hexadecimal beside it
"${L[@]}" --json >"$T/json" || fail "--json"
check "JSON" jq -e . "$T/json" >/dev/null
for name in "$bad" "$control" "$long"; do
	check "path_hex of $(printf %s "$name" | hex)" jq -es --arg h \
		"$(printf %s "$name" | hex)" \
		'any(.op == "create" and .path_hex == $h)' "$T/json" >/dev/null
done
equal "$(jq -r 'select(.op == "create" and .path_hex == null) | .path' \
	"$T/json" | grep -c größe-€)" 1 "no path_hex for UTF-8"
check "newline" jq -es 'any(.path == "new\nline")' "$T/json" >/dev/null
equal "$("${L[@]}" "$T/tree/$bad" --op create --json | jq -r .path_hex)" \
	"$(printf %s "$bad" | hex)" "log of such a PATH"
# a kind that a replica does not carry has such a name for its example
check "umount" umount_tree
mv "$T/tree/large" "$T/large"
check "mount" mount_tree
mkfifo "$T/tree/"$'fifo-\377\n'
pipe_replicas 1
check "replica" "$MIRRORFS" replica add "$T/tree" "r1=$T/replica1"
check "wait" synced
"$MIRRORFS" status "$T/tree" >"$T/status" || fail "status"
check "status" grep -qF 'fifo-\xff\x0a' "$T/status"
"$MIRRORFS" status "$T/tree" --json >"$T/status.json" || fail "status"
equal "$(jq -r '.. | .fifo? // empty | .example_hex' "$T/status.json")" \
	"$(printf 'fifo-\377\n' | hex)" "example_hex"
check "same" same "$T/replica1"
exit 0
