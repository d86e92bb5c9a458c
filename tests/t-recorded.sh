#!/bin/bash
# Every change that can be made through a path, a descriptor or a mapping has
# its record: opdrive makes each once and says what the journal must tell. Once
# more with files that are passed, where there is passthrough. What can be made
# below can be made on the mount.
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
		(if .flags == [] then "-" else .flags | join(",") end),
		.mode, .owner_uid, .owner_gid, .size] | @tsv' \
		"$T/json" | awk -F '\t' -v OFS='\t' -v d="$d/" '
		!sub("^" d, "", $2) { next }
		{ sub("^" d, "", $3); name = $2; sub(/\/.*/, "", name) }
		$2 == name "/mark" { marked[name] = 1; next }
		!marked[name] { next }
		{ sub("^" name "/", "", $2); sub("^" name "/", "", $3)
		  size = $5 >= 32768 && $5 < 36864 ? $8 : "-" # a file
		  print name, $1 " " $2 " " $3 " " $4,
			sprintf("%o %d:%d %s", $5, $6, $7, size) }' >"$T/whole"
	cut -f 1,2 "$T/whole" >"$T/got"
	# what the file system below refuses may be told of, though nothing
	# changed
	for name in $(sed -n 's/^left out: //p' "$T/said"); do
		sed -i "/^$name\t/d" "$T/got"
	done
}

# alike WANTED TOLD WHAT - whatever their order: cases end in any, and their last close
# is told after it
alike() {
	local f
	for f in "$1" "$2"; do
		LC_ALL=C sort -s -t "$(printf '\t')" -k 1,1 "$T/$f" \
			>"$T/$f.sorted"
	done
	diff -u "$T/$1.sorted" "$T/$2.sorted" >"$T/difference" || {
		cat "$T/difference"
		fail "the journal tells $3"
	}
}

# tells_values BYTES - of some cases, what the object is after the change: mode,
# owner, size. A file that was there before has so many bytes.
tells_values() {
	local n=$1
	sed 's/, */\t/g' >"$T/values" <<-EOF
	mkdir, mkdir e - -, 40700 0:0 -
	mkfifo, mknod p - -, 10600 0:0 -
	mknod, mknod null - -, 20600 0:0 -
	mknod, create file - -, 100600 0:0 0
	symlink, symlink l to/where -, 120777 0:0 -
	chmod, setattr f - mode, 100600 0:0 $n
	chmod, setattr f - mode, 100640 0:0 $n
	chmod, setattr f - mode, 100644 0:0 $n
	chown, setattr f - owner, 100644 1:2 $n
	chown, setattr l - owner, 120777 3:4 -
	chown, setattr f - owner, 100644 5:6 $n
	chown, setattr f - owner, 100644 5:7 $n
	create, create new - open, 100644 0:0 0
	create, create reader - -, 100644 0:0 0
	create, write new - -, 100644 0:0 0
	o-trunc, write f - -, 100644 0:0 0
	append, write f - -, 100644 0:0 $((n + 3))
	truncate, truncate f - -, 100644 0:0 10
	truncate, truncate f - -, 100644 0:0 1000
	ftruncate, write f - -, 100644 0:0 10
	keep-size, write f - -, 100644 0:0 $n
	splice, write f - -, 100644 0:0 $n
	mmap, write f - -, 100644 0:0 $n
	EOF
	awk -F '\t' 'NR == FNR { wanted[$1 "\t" $2] = 1; next }
		($1 "\t" $2) in wanted' "$T/values" "$T/whole" >"$T/told"
	alike values told "other modes, owners or sizes"
}

# recorded BYTES FOLDER OPTION...
recorded() {
	local bytes=$1
	shift
	drive "$@"
	alike expected got "something else of $1"
	tells_values "$bytes"
	no_fewer "$T/said.below" "$T/said" ${ADMITTED[@]+"${ADMITTED[@]}"}
	check "mount again" mount_tree "${REPLICAS[@]}"
	check "wait" synced
	check "same" same "$T/replica1"
}

pipe_replicas 1
# the kernel does not forward these, and O_TMPFILE since 6.2 only
ADMITTED=(collapse insert)
kernel_has 6.2 || ADMITTED+=(tmpfile tmpfile-unnamed)
mkdir "$T/below"
echo | "$HELPERS/opdrive" "$T/below" >"$T/out" 2>"$T/said.below" ||
	{ cat "$T/said.below"; fail "opdrive without the mount"; }
check "mount" mount_tree "${REPLICAS[@]}"
recorded 100 plain
if [ "$("$MIRRORFS" status "$T/tree" --json | jq -r .passthrough)" = on ]; then
	recorded $((2 << 20)) passed -P "$(status_pid worker_pid)"
fi
exit 0
