#!/bin/bash
# Every change that can be made through a path, a descriptor or a mapping has
# its record: opdrive makes each once and says what the journal must tell. Once
# more with files that are passed, where there is passthrough.
. "$(dirname "$0")/functions.sh"

# quiet FOLDER - what the cases prepare is closed, and has been told of: each
# file that was created open has its record of a write.
quiet() {
	"$MIRRORFS" log "$T/tree" --json | jq -r --arg d "$1/" \
		'select(.path and (.path | startswith($d))) |
			[.op] + .flags | @tsv' >"$T/ops" || return 1
	[ "$(grep -c '^create.*open' "$T/ops")" = \
		"$(grep -c '^write' "$T/ops")" ]
}

# drive FOLDER OPTION... - opdrive in it, up to what must be and what is
drive() {
	local d=$1
	shift
	mkdir "$T/tree/$d"
	rm -f "$T/go"
	mkfifo "$T/go"
	exec 9<>"$T/go"
	"$HELPERS/opdrive" "$@" "$T/tree/$d" <"$T/go" >"$T/expected" \
		2>"$T/said" &
	CHILDREN+=($!)
	check "prepared" wait_for 60 grep -q '^prepared' "$T/said"
	wait_for 60 quiet "$d" ||
		fail "quiet: $(sort "$T/ops" | uniq -c | tr "\n\t" ", ")"
	echo >&9
	wait "${CHILDREN[-1]}" || { cat "$T/said"; fail "opdrive $d"; }
	grep -v '^prepared' "$T/said"
	# so that all that is open is closed, and told of
	check "umount" umount_tree
	"$MIRRORFS" log --state-dir "$T/state" --json >"$T/json" ||
		fail "log"
	# of each case what came behind its "mark", without its folder
	jq -r 'select(.path) | [.op, .path, .path2 // "-",
		(if .flags == [] then "-" else .flags | join(",") end)] | @tsv' \
		"$T/json" | awk -F '\t' -v OFS='\t' -v d="$d/" '
		!sub("^" d, "", $2) { next }
		{ sub("^" d, "", $3); name = $2; sub(/\/.*/, "", name) }
		$2 == name "/mark" { marked[name] = 1; next }
		!marked[name] { next }
		{ sub("^" name "/", "", $2); sub("^" name "/", "", $3)
		  print name, $1 " " $2 " " $3 " " $4 }' >"$T/got"
	# what the file system below refuses may be told of, though nothing
	# changed
	for name in $(sed -n 's/^left out: //p' "$T/said"); do
		sed -i "/^$name\t/d" "$T/got"
	done
}

# recorded FOLDER OPTION...
recorded() {
	local f
	drive "$@"
	# cases end in any order: their last close is told after it
	for f in expected got; do
		LC_ALL=C sort -s -t "$(printf '\t')" -k 1,1 "$T/$f" \
			>"$T/$f.sorted"
	done
	diff -u "$T/expected.sorted" "$T/got.sorted" >"$T/difference" || {
		cat "$T/difference"
		fail "the journal tells something else of $1"
	}
	check "there is something" test "$(wc -l <"$T/got")" -gt 80
	check "mount again" mount_tree "${REPLICAS[@]}"
	check "wait" synced
	check "same" same "$T/replica1"
}

pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
recorded plain
if [ "$("$MIRRORFS" status "$T/tree" --json | jq -r .passthrough)" = on ]; then
	recorded passed -P "$(status_pid worker_pid)"
fi
exit 0
