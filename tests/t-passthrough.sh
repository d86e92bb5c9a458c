#!/bin/bash
# Files opened, mapped and closed in every mixture: whoever reads sees what
# whoever writes did, with passthrough (where there is any) and without; each
# change is recorded and reaches the replica, also a store into a mapping that
# has outlived its descriptor.
. "$(dirname "$0")/functions.sh"
expect_log "fs worker died"
expect_races

passthrough() {
	"$MIRRORFS" status "$T/tree" --json | jq -r .passthrough
}

# as_it_should - it is on, or there is a reason that can be seen from here
as_it_should() {
	case $(passthrough) in
	on) ;;
	"off: built with "*) ! pkg-config --atleast-version=3.17 fuse3 ;;
	"off: the kernel has none"*)
		printf '%s\n' 6.9 "$(uname -r)" | sort -VC && return 1
		true ;;
	"off: overlayfs "*) [ "$(stat -f -c %T "$T/plain")" = overlayfs ] ;;
	"off: switched off"*) [[ ${WITHOUT-} == *passthrough* ]] ;;
	*) false ;;
	esac
}

writes_of() {
	"$MIRRORFS" log "$T/tree" --json |
		jq -r --arg p "$1" 'select(.op == "write" and .path == $p) | .op' |
		wc -l
}

# held HOW - a mapping that its process stores into, long after close
held() {
	local n file=$T/tree/held-$1
	truncate -s 2M "$file"
	check "wait" synced
	mkfifo "$T/go-$1"
	exec 8<>"$T/go-$1"
	"$HELPERS/passprobe" hold "$file" "$1" <"$T/go-$1" >"$T/said-$1" &
	CHILDREN+=($!)
	check "ready" wait_for 60 grep -q ready "$T/said-$1"
	cat "$file" >"$T/copy" || fail "reading"
	equal "$(head -c 3 "$T/copy")" aaa "a reader sees the first store"
	echo >&8
	check "stored" wait_for 60 grep -q stored "$T/said-$1"
	equal "$(tail -c +4097 "$file" | head -c 3)" bbb "and the second"
	mv "$file" "$file.moved"
	n=$(writes_of "held-$1.moved")
	echo >&8
	wait "${CHILDREN[-1]}" 2>/dev/null
	exec 8>&-
	check "a record after the last store" \
		wait_for 60 eval '[ "$(writes_of "held-'"$1"'.moved")" -gt '"$n"' ]'
	check "wait" synced
	equal "$(tail -c +8193 "$T/replica1/held-$1.moved" | head -c 3)" ccc \
		"the last store"
	check "same" same "$T/replica1"
}

# rows - each row of the table of who is served by what
rows() {
	local on=off
	[ "$(passthrough)" != on ] || on=on
	mkdir -p "$T/tree/rows"
	check "each row, passthrough $on" "$HELPERS/passrows" rows \
		"$T/tree/rows" "$(status_pid worker_pid)" $on
}

# replaced - files are open and mapped, and the worker is another one
replaced() {
	local file=$T/tree/again pid
	mkfifo "$T/go-again"
	exec 8<>"$T/go-again"
	"$HELPERS/passrows" again "$file" <"$T/go-again" >"$T/said-again" &
	CHILDREN+=($!)
	check "ready" wait_for 60 grep -q ready "$T/said-again"
	pid=$(status_pid worker_pid)
	kill -9 "$pid"
	check "a new worker" wait_for 60 worker_after "$pid"
	echo >&8
	wait "${CHILDREN[-1]}" || fail "files that were open before"
	exec 8>&-
}

# set_id - bits that a file gets while it is passed go when another writes
set_id() {
	local file=$T/tree/set-id mode
	for mode in 6777 2767; do
		mknod "$file" p && rm "$file"
		truncate -s 2M "$T/large" && mv "$T/large" "$file"
		exec 9<"$file"
		chmod 0777 "$file" && chown 1:1 "$file" && chmod $mode "$file"
		as_user bash -c 'printf x 1<>"$1"' set_id "$file" || fail "write"
		exec 9<&-
		equal "$(stat -c %a "$file")" "${mode/#?/}" "mode $mode"
		rm "$file"
	done
}

all_ways() {
	check "mount" mount_tree "${REPLICAS[@]}"
	say "passthrough $(passthrough)"
	check "as it should be" as_it_should
	rm -rf "$T/tree/mixed" && mkdir "$T/tree/mixed"
	check "every mixture" "$HELPERS/passprobe" "$T/tree/mixed" "$SEED" \
		"$(scaled 40)"
	check "wait" synced
	check "same" same "$T/replica1"
	held exit
	held kill
	rows
	set_id
	replaced
	check "wait" synced
	check "same" same "$T/replica1"
	check "plain status" grep -q '^passthrough: o' \
		<("$MIRRORFS" status "$T/tree")
	check "umount" umount_tree
	rm -f "$T"/go-* "$T"/said-*
}

pipe_replicas 1
mkdir "$T/plain"
check "the test itself" "$HELPERS/passprobe" "$T/plain" "$SEED" 20

all_ways
WITHOUT=passthrough all_ways
WITHOUT=passthrough,direct-writes all_ways

# what is said of it
check "mount" mount_tree "${REPLICAS[@]}" --without passthrough
case $(passthrough) in
"off: switched off (without)" | "off: built with "*) ;;
*) fail "said: $(passthrough)" ;;
esac
check "umount" umount_tree
refuse "no such feature" "$MIRRORFS" mount "$T/tree" --state-dir "$T/state" \
	--without speed 2>"$T/said"
check "it is named" grep -q '"speed"' "$T/said"
exit 0
