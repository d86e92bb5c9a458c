#!/bin/bash
# Who may read a file does not wait for its content: owner and mode arrive while
# an upload that would have brought them is given up, as the file is being written
# again, and while it goes on as that of a large one on a slow line. Not set-id
# bits, which are for the new content, nor times; nor what would open the old one.
. "$(dirname "$0")/functions.sh"

MB=$((1 << 20))
seen() { stat -c '%a %u %Y' "$T/replica1/$1"; }
is() { [ "$(seen "$1")" = "$2" ]; }
# passing COMMAND... - it succeeds; until then more may pass, as it is used up
passing() {
	"$@" && return
	read -r n <"$T/count" && [ "$n" -lt "$(cat "$T/credit")" ] ||
		printf '%-20d\n' $((n + MB / 4)) >"$T/credit"
	return 1
}
resume() { check "resume" "$MIRRORFS" replica resume "$T/tree" r1; }
# changed FILE MEGABYTES [MODE] - its content, then owner and mode, in one batch
changed() {
	check "pause" "$MIRRORFS" replica pause "$T/tree" r1
	head -c $(($2 * MB)) /dev/urandom >"$T/tree/$1"
	chown 77 "$T/tree/$1"
	chmod "${3:-4600}" "$T/tree/$1"
}

ssh_replicas 1
echo $((1 << 40)) >"$T/credit"
proxy_start --credit "$T/credit" --count "$T/count"
printf '[mount]\nroot = %s\nsettle-idle = never\n' "$T/tree" >"$T/conf"
check "mount" mount_tree --config "$T/conf" "${REPLICAS[@]}"
for f in busy large secret; do
	echo old >"$T/tree/$f"
	chmod 644 "$T/tree/$f"
	[ $f = secret ] && chmod 600 "$T/tree/$f"
	touch -d @1500000000 "$T/tree/$f"
done
check "wait" synced
equal "$(seen busy)" "644 0 1500000000" "before"

changed busy 1
exec 5<>"$T/tree/busy"
printf 'written anew' >&5
resume
check "busy: owner and mode" wait_for 60 is busy "600 77 1500000000"
equal "$(cat "$T/replica1/busy")" old "content"
exec 5>&-
check "wait" synced
check "same" same "$T/replica1"

changed secret 1 644
exec 5<>"$T/tree/secret"
printf 'written anew' >&5
resume
check "secret: owner" wait_for 60 is secret "600 77 1500000000"
exec 5>&-
check "wait" synced
check "same" same "$T/replica1"

changed large 16
cp "$T/count" "$T/credit" # nothing passes from here on
resume
check "large: owner and mode" \
	wait_for 60 passing is large "600 77 1500000000"
equal "$(cat "$T/replica1/large")" old "content"
kill -ALRM "$PROXY"
check "wait" synced
check "same" same "$T/replica1"
exit 0
