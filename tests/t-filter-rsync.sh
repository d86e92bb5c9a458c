#!/bin/bash
# Random rules mean to us what they mean to rsync.
. "$(dirname "$0")/functions.sh"
need rsync
RANDOM=$((SEED % 32768))

for a in a b ab .h; do
	for b in a b x.o; do
		mkdir -p "$T/tree/$a/$b/c/a"
		: >"$T/tree/$a/$b/x.o"
		: >"$T/tree/$a/$b/c/ab"
		: >"$T/tree/$a/$b/c/a/b"
	done
	: >"$T/tree/$a/1"
done
(cd "$T/tree" && find . -mindepth 1 \( -type d -printf '%P/\n' -o \
	-printf '%P\n' \)) | sort >"$T/paths"
PARTS=(a b ab x.o c '*' '**' '?' '[ab]' '[!a]' / / '*.o' '.h' '***' 'a*' '\a'
	'\*')
pattern() {
	local n=$((RANDOM % 4 + 1)) text=
	while ((n-- > 0)); do
		text+=${PARTS[RANDOM % ${#PARTS[@]}]}
	done
	case $text in *[!/]*) echo "$text" ;; *) echo x ;; esac
}
for ((round = 0; round < $(scaled 40); round++)); do
	for ((n = RANDOM % 4; n >= 0; n--)); do
		((RANDOM % 3)) && printf '%s' '- ' || printf '%s' '+ '
		pattern
	done | tr -s / >"$T/rules"
	"$HELPERS/filterlist" "$T/rules" <"$T/paths" | sort >"$T/ours"
	rsync -nr --links --out-format=%n --filter="merge $T/rules" \
		"$T/tree/" "$T/nowhere/" 2>"$T/err" | grep -vxF ./ |
		grep -v '^created directory' | sort >"$T/theirs"
	cmp -s "$T/ours" "$T/theirs" && continue
	cat "$T/rules"
	diff "$T/ours" "$T/theirs" | head -n 5
	cat "$T/err"
	fail "not as rsync does (< ours, > rsync's)"
done
exit 0
