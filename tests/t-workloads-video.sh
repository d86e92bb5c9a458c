#!/bin/bash
# A video comes by slow FTP, is cut off, and is gone on with, while pictures come
# beside it, under temporary names: they do not wait for it, and of the video the
# replicas have what the master had when nobody had it open. SOAK: it has 4 GB, or a
# sixth of what is free, as it is there three times, and for a while in part again.
. "$(dirname "$0")/functions.sh"
expect_races
need vsftpd lftp curl
MB=$((1 << 20))
SIZE=$(($(scaled 24) * MB)) SPEED=20M
# room - in MB; what a tmpfs says it has there may be no memory for
room() {
	{
		df --output=avail -B1M "$T" | tail -n 1
		[ "$(stat -f -c %T "$T")" != tmpfs ] ||
			awk '/^MemAvailable:/ { print int($2 / 1024) }' \
				/proc/meminfo
	} | sort -n | head -n 1
}
if [ -n "${SOAK:-}" ]; then
	SIZE=$(($(room) / 6)) SPEED=30M
	SIZE=$(((SIZE < 4096 ? SIZE : 4096) * MB))
	say "a video of $((SIZE / MB)) MB"
fi

ssh_replicas 1
mkdir "$T/replica2"
check "mount" mount_tree "${REPLICAS[@]}" --replica "r2=$T/replica2"
W=$T/tree/ftp
mkdir "$W"
ftpd_start "$T/ftpd" "$W" "mfs-video-$$" || fail "vsftpd does not start"
chown "$FTPD_USER" "$W"

# video FROM - from that byte on; each place of it is different
video() {
	seq $((100000000 + $1 / 10)) 999999999 | tail -c "+$(($1 % 10 + 1))"
}
# upload FROM HALT [OPTION...] - all of it, but not past HALT before there is
# $T/go; the client is BG.
upload() {
	local from=$1 halt=$2
	shift 2
	rm -f "$T/go" "$T/fed"
	mkfifo "$T/fed" || fail "fifo"
	video "$from" 2>"$T/err" | {
		head -c $((halt - from))
		wait_for 600 test -e "$T/go"
		head -c $((SIZE - halt))
	} >"$T/fed" &
	CHILDREN+=("$!")
	background curl -sS --max-time 1200 --limit-rate $SPEED "$@" \
		-T "$T/fed" --user "$FTPD_USER:$FTPD_PASS" \
		"ftp://127.0.0.1:$FTPD_PORT/video"
}
# come BYTES - the master has so much of it; the client and the server keep some
come() {
	[ "$(stat -c %s "$W/video" 2>/dev/null || echo 0)" -ge $(($1 - MB)) ]
}
n=0
# pictures - some come, and are on the replicas; the video does not end meanwhile
pictures() {
	local i r commands=() paths=()
	for i in 1 2 3; do
		n=$((n + 1))
		"$HELPERS/blob" write "$T/picture$n" "$n" $((n * 7000)) ||
			fail "blob"
		commands+=("put $T/picture$n -o .in.$n.part"
			"mv .in.$n.part $n.blob")
		paths+=("$W/$n.blob")
	done
	ftp_run "${commands[@]}" || fail "ftp"
	"$MIRRORFS" wait "${paths[@]}" --timeout 120 || fail "pictures wait"
	for r in 1 2; do
		"$HELPERS/blob" check "${paths[@]/#"$W"/"$T/replica$r/ftp"}" ||
			fail "a picture on replica $r"
	done
}
# videos - on the replicas: of that size, or none
videos() {
	local r got=
	for r in 1 2; do
		got+="$(stat -c %s "$T/replica$r/ftp/video" 2>/dev/null) "
	done
	echo "$got"
}

upload 0 $((SIZE / 4))
check "it comes" wait_for 600 come $((SIZE / 4))
for i in 1 2 3; do
	pictures
	equal "$(videos)" "  " "of the video"
done
end_process "$BG" # the line is cut
check "wait" synced 600
had=$(stat -c %s "$W/video")
equal "$(videos)" "$had $had " "of what is there"

upload "$had" $((SIZE / 2)) --append
check "it goes on" wait_for 600 come $((SIZE / 2))
for i in 1 2 3; do
	pictures
	equal "$(videos)" "$had $had " "of the video"
done
touch "$T/go"
while ! process_gone "$BG"; do
	pictures
done
wait "$BG" || fail "curl"
pictures
check "wait" synced 600
equal "$(videos)" "$SIZE $SIZE " "of the video"
cmp <(video 0 2>"$T/err" | head -c "$SIZE") "$W/video" || fail "video"
check "replica 1" same "$T/replica1"
check "replica 2" same "$T/replica2"
equal "$("$MIRRORFS" status "$T/tree" --json |
	jq '[.replicas[].parked] | add')" 0 "parked paths"
exit 0
