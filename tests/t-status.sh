#!/bin/bash
# status: the documented layout of --json, the table, and what SFTP does not
# carry: counted and told once a kind, with an example.
. "$(dirname "$0")/functions.sh"
need setfattr

pipe_replicas 1
mkdir "$T/replica2"
check "mount" mount_tree "${REPLICAS[@]}" --replica "r2=$T/replica2"
check "the first copy" synced
echo x >"$T/tree/file"
mkfifo "$T/tree/fifo"
mknod "$T/tree/null" c 1 3
setfattr -n user.colour -v blue "$T/tree/file" 2>/dev/null && XATTR=1
setfattr -n user.taste -v sour "$T/tree/file" 2>/dev/null
check "wait" synced
for r in r1 r2; do
	check "state of $r" wait_for 60 state_is $r synced
done
"$MIRRORFS" status "$T/tree" --json >"$T/json" || fail "status --json"
cat "$T/json"
equal "$(jq -r '[.name, .root, .state_dir, .mounted, .supervisor_pid,
	.worker_pid, .sync_pid, .last_seq] | map(type) | join(" ")' \
	"$T/json")" \
	"string string string boolean number number number number" "members"
equal "$(jq -r '.replicas[0] | [.name, .url, .state, .lag_records, .lag_bytes,
	.lag_seconds, .parked, .error, .uncarried] | map(type) | join(" ")' \
	"$T/json")" \
	"string string string number number number number null object" "replica"
equal "$(jq -r '.replicas | map("\(.name) \(.state) \(.lag_records)") |
	join(", ")' "$T/json")" "r1 synced 0, r2 synced 0" "both"
equal "$(jq -r '.replicas[0].uncarried.fifo | "\(.count) \(.example)"' \
	"$T/json")" "1 fifo" "fifo"
equal "$(jq -r '.replicas[0].uncarried | keys | map(select(. == "device"))[0]' \
	"$T/json")" device "device"
if [ -n "${XATTR:-}" ]; then
	equal "$(jq -r '.replicas[0].uncarried.xattr | "\(.count) \(.example)"' \
		"$T/json")" "2 file" "xattr"
fi
refuse "the fifo is there" test -e "$T/replica1/fifo"
told() { grep -c "fifo" "$T/state/mirrorfs.log"; }
both_told() { [ "$(told)" -ge 2 ]; }
check "both are told" wait_for 60 both_told
equal "$(told)" 2 "told once a replica"
mkfifo "$T/tree/fifo2"
check "wait" synced
equal "$(told)" 2 "and never again"
for r in r1 r2; do
	check "state of $r" wait_for 60 state_is $r synced
done
"$MIRRORFS" status "$T/tree" >"$T/out" || fail "status"
cat "$T/out"
equal "$(grep -Ec "^r[12] +synced +0 " "$T/out")" 2 "one row a replica"

# a worker that has died is replaced
expect_log "the fs worker died"
old=$(status_pid worker_pid)
kill -9 "$old"
replaced() {
	local new
	new=$(status_pid worker_pid)
	[ "${new:-0}" != 0 ] && [ "$new" != "$old" ]
}
check "another one takes over" wait_for 60 replaced
check "and serves" ls "$T/tree" >/dev/null
check "status is well" "$MIRRORFS" status "$T/tree" >/dev/null
check "umount" umount_tree
check "mount again" mount_tree
check "wait" synced
check "same" same "$T/replica1"
exit 0
