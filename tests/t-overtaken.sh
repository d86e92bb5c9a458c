#!/bin/bash
# A large file that is appended to again while what was appended before is on its
# way: that upload is given up, and the next one brings what is missing, not all
# of the file. In the stage, and in place.
. "$(dirname "$0")/functions.sh"
expect_log "."
need sqlite3

MB=$((1 << 20))
ssh_replicas 1
echo $((1 << 40)) >"$T/credit"
proxy_start --credit "$T/credit" --count "$T/count"
sent() { read -r n <"$T/count" && echo "$n"; }
more() { [ "$(sent)" -ge "$1" ]; }
looked() {
	[ "$(sqlite3 "$T/state/journal.db" "SELECT count(*) FROM stamp")" = 0 ]
} 2>/dev/null
written() { # that the journal has so many records of it
	[ "$("$MIRRORFS" log "$T/tree/log" --op write --limit 1000 | wc -l)" -ge "$1" ]
}
append() { # BLOCKS
	head -c $(($1 * MB)) /dev/urandom >&8
}

# overtaken NAME OPTION... - what was sent for two pieces of a MiB and 2 MiB
overtaken() {
	local before name=$1 n
	shift
	printf '[mount]\nroot = %s\nsettle-idle = 50ms\ndelta-above = 1M\n' \
		"$T/tree" >"$T/log.conf"
	check "$name: mount" mount_tree --config "$T/log.conf" \
		"${REPLICAS[@]}" "$@"
	check "$name: looked" wait_for 60 looked
	rm -f "$T/tree/log"
	head -c $((32 * MB)) /dev/urandom >"$T/tree/log"
	check "$name: wait" synced
	exec 8>>"$T/tree/log"
	append 1
	check "$name: wait" synced
	n=$("$MIRRORFS" log "$T/tree/log" --op write --limit 1000 | wc -l)
	before=$(sent)
	echo $((before + MB / 2)) >"$T/credit"
	append 1
	check "$name: it is under way" wait_for 60 more $((before + MB / 2))
	append 2
	check "$name: seen" wait_for 60 written $((n + 1))
	sleep 0.2
	echo $((1 << 40)) >"$T/credit"
	check "$name: wait" synced
	exec 8>&-
	check "$name: wait" synced
	check "$name: same" same "$T/replica1"
	echo "$name: $((($(sent) - before) / 1024)) KiB"
	SENT=$(($(sent) - before))
	check "$name: umount" umount_tree
}
# each a few times, as it settles while it is read; the 32 MiB before it not at all
little() { [ "$SENT" -lt $((12 * MB)) ]; }

overtaken stage -o update=atomic
check "little was sent" little
overtaken append -o update=append,inplace-above=1M
check "little was sent" little
overtaken "in place" -o update=inplace,inplace-above=1M
check "little was sent" little
exit 0
