# The overlay beside the bare file system, the pass-through example that
# libfuse's package brings, and bindfs: rows of their own in bench. The works
# are those of tests/fsbench.c. All file systems take turns, a fresh mount
# each time; one round of all works is one run.
#
# Needs base.sh, bench-peers.sh (W, S, L), MIRRORFS and BUILD.
#
#   raw       the tree itself
#   example   passthrough_ll, with permissions checked by the kernel, as
#             somebody must; nothing is journalled
#   caching   the same with cache=always, which trusts the tree for a day
#   bindfs    as installed
#   least     tests/leastfs: what the kernel allows, for the few works that it
#             can serve
#   mirrorfs  journal on, no replica

OVERLAY_FS="raw example caching bindfs least mirrorfs"
LEAST_WORKS="stat-warm seq-write write-64k"
LEASTFS=$BUILD/tests/leastfs
EXAMPLE_SOURCE=/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c
FSBENCH=$BUILD/tests/fsbench
OVERLAY_TABLE=() MISSED= PASSED=

# work, the row's name, limits: example (times), raw (times); both ratios where
# there is none
OVERLAY_ROWS="
seq-read|sequential read 1 MiB, cached (GB/s)|example 1.0
random-read|random read 4 KiB, cached (k/s)|example 1.0
seq-write|sequential write 1 MiB (GB/s)|example 1.0
write-64k|write 64 KiB (GB/s)|raw 0.5
create|create + write 4 KiB + close (k/s)|example 1.5
open-read|open + read 4 KiB + close (k/s)|example 1.5
stat-cold|stat, first time (k/s)|example 1.0
stat-cold-2|the same, two clients (k/s)|example 1.0
stat-warm|stat, known to the kernel (k/s)|raw 0.9
rename|rename (k/s)|example 1.0
unlink|unlink (k/s)|example 1.0
seq-read-2|sequential read 1 MiB, two clients (GB/s)|none
random-read-2|random read 4 KiB, two clients (k/s)|none
seq-write-2|sequential write 1 MiB, two clients (GB/s)|none
seq-read-deep|sequential read 1 MiB, 16 at once, O_DIRECT (GB/s)|none
random-read-deep|random read 4 KiB, 16 at once, O_DIRECT (k/s)|none
seq-write-deep|sequential write 1 MiB, 16 at once, O_DIRECT (GB/s)|none
"

# with passthrough, beside raw: what is read goes past the worker
PASSED_ROWS="
seq-read|sequential read 1 MiB, cached (GB/s)|raw 0.9
random-read|random read 4 KiB, cached (k/s)|raw 0.6
"

# example_build - the package's own file, in the bench's temporary folder
example_build() {
	local source=$EXAMPLE_SOURCE
	EXAMPLE=$S/passthrough_ll
	mkdir "$S/example"
	cp "${source%/*}"/passthrough_helpers.h* "$S/example" || return 1
	cp "$source"* "$S/example" || return 1
	gunzip -q "$S"/example/*.gz 2>/dev/null
	# shellcheck disable=SC2046
	gcc -O2 -w -o "$EXAMPLE" "$S/example/passthrough_ll.c" \
		$(pkg-config --cflags --libs fuse3)
}

# example_run [,OPTION]
example_run() {
	"$EXAMPLE" -o "source=$L,allow_other,default_permissions${1:-}" \
		"$S/peer"
}

overlay_up() {
	case $1 in
	raw) ;;
	example) example_run ;;
	caching) example_run ,cache=always ;;
	bindfs) bindfs "$L" "$S/peer" ;;
	least) "$LEASTFS" "$L" "$S/peer" ;;
	mirrorfs) mirrorfs_alone ;;
	esac
}

mirrorfs_alone() {
	rm -rf "$S/state"
	"$MIRRORFS" mount "$L" --state-dir "$S/state" >/dev/null || return 1
	! "$MIRRORFS" status "$L" | grep -q "^passthrough: on" || PASSED=1
}

overlay_tree() {
	case $1 in
	raw | mirrorfs) echo "$L" ;;
	*) echo "$S/peer" ;;
	esac
}

overlay_down() {
	case $1 in
	raw) ;;
	mirrorfs) mirrorfs_stop ;;
	*) umount "$S/peer" ;;
	esac >/dev/null
}

# overlay_works FS - one round; prints lines "WORK VALUE UNIT"
overlay_works() {
	local tree work
	tree=$(overlay_tree "$1")
	if [ "$1" != least ]; then
		"$FSBENCH" run "$tree" $((100 / SCALE))
		return
	fi
	for work in $LEAST_WORKS; do
		"$FSBENCH" only "$work" "$tree" $((100 / SCALE)) || return 1
	done
}

# others_idle - were the processors idle for 0.4 s, but for a tenth?
others_idle() {
	local a b
	[ -n "$ALONE" ] || return 0
	read -r -a a </proc/stat
	sleep 0.4
	read -r -a b </proc/stat
	((b[4] - a[4] > 36 * $(nproc)))
}

# overlay_round FS - into $S/round
overlay_round() {
	until others_idle; do :; done
	overlay_up "$1" || die "cannot mount $1"
	overlay_works "$1" >"$S/round" || die "fsbench on $1"
	overlay_down "$1" || die "cannot unmount $1"
	others_idle
}

# overlay_measure - $S/overlay gets lines "FS WORK VALUE UNIT"
overlay_measure() {
	local i fs
	mkdir -p "$S/peer"
	for ((i = 0; i < OVERLAY_RUNS; i++)); do
		for fs in $OVERLAY_FS; do
			until overlay_round "$fs"; do :; done
			sed "s/^/$fs /" "$S/round" >>"$S/overlay"
		done
	done
}

# overlay_value FS WORK - the median
overlay_value() {
	median $(awk -v f="$1" -v w="$2" '$1 == f && $2 == w { print $3 }' \
		"$S/overlay")
}

# overlay_judge MIRRORFS OTHER LIMIT - prints "ratio (target: met)"
overlay_judge() {
	awk -v a="$1" -v b="$2" -v want="$3" 'BEGIN {
		printf "%.2f | %s %s", a / b, want,
			(a / b >= want ? "met" : "missed") }'
}

# overlay_ratio WORK FS
overlay_ratio() {
	awk -v a="$(overlay_value mirrorfs "$1")" \
		-v b="$(overlay_value "$2" "$1")" -v than="$2" \
		'BEGIN { printf "%.2f × %s", a / b, than }'
}

overlay_row() {
	local work=$1 text=$2 than=${3% *} want=${3#* } fs cells= v ours
	for fs in $OVERLAY_FS; do
		v=$(overlay_value "$fs" "$work")
		cells+=" ${v:--} |"
	done
	ours=$v
	if [ "$than" = none ]; then
		v="$(overlay_ratio "$work" example), $(overlay_ratio "$work" raw)"
		OVERLAY_TABLE+=("| $text |$cells $v | none |")
		return
	fi
	v=$(overlay_judge "$ours" "$(overlay_value "$than" "$work")" "$want")
	OVERLAY_TABLE+=("| $text |$cells ${v% | *} × $than | ≥ ${v#*| } |")
	case $v in *missed) MISSED+=" $work" ;; esac
}

# overlay_kill FS - whoever serves it
overlay_kill() {
	local pid
	case $1 in
	example) pid=$(pgrep -f "^$EXAMPLE ") ;;
	mirrorfs) pid=$(worker_pid) ;;
	esac
	[ "${pid:-0}" -gt 0 ] && kill -9 "$pid"
}

# overlay_killed FS - $LONGEST is the longest call of a writer (ms) while who serves
# it is killed each half second, $KILLS times; "fails" when a call fails
overlay_killed() {
	local writer
	overlay_up "$1" || die "cannot mount $1"
	"$BUILD/tests/acked" run 1 $((30 / SCALE)) "$(overlay_tree "$1")/killed" \
		"$S/model" >"$S/killed" 2>/dev/null &
	writer=$!
	KILLS=0
	while sleep 0.5 && kill -0 "$writer" 2>/dev/null; do
		! overlay_kill "$1" || KILLS=$((KILLS + 1))
	done
	LONGEST=fails
	! wait "$writer" || LONGEST=$(sed -n \
		's/.* longest \([0-9.]*\) ms.*/\1/p' "$S/killed")
	overlay_down "$1" || die "cannot unmount $1"
	rm -rf "$L/killed"
}

overlay_killed_row() {
	local raw example verdict=missed
	overlay_killed raw
	raw=$LONGEST
	overlay_killed example
	example=$LONGEST
	overlay_killed mirrorfs
	[ "$LONGEST" = fails ] || verdict=$(within "$LONGEST" 100)
	[ "$verdict" = met ] || MISSED+=" killed"
	OVERLAY_TABLE+=("| the process killed $KILLS times under load: longest call (ms) | $raw | $example | - | - | - | $LONGEST | - | ≤ 100 $verdict |")
}

bench_overlay() {
	local work text target
	OVERLAY_RUNS=$((SCALE > 1 ? RUNS : RUNS + 4))
	example_build || die "cannot build libfuse's example"
	fresh
	"$FSBENCH" prepare "$L" || die "fsbench prepare"
	overlay_measure
	while IFS='|' read -r work text target; do
		[ -z "$work" ] || overlay_row "$work" "$text" "$target"
	done <<<"$OVERLAY_ROWS${PASSED:+$PASSED_ROWS}"
	overlay_killed_row
}

overlay_table() {
	echo "| work | raw | example | caching | bindfs | least | mirrorfs | ratio | target |"
	echo "|---|---|---|---|---|---|---|---|---|"
	printf '%s\n' "${OVERLAY_TABLE[@]}"
}

# ---- a large tree ----

# worker_kib FIELD - of the worker's memory, KiB
worker_kib() {
	awk -v f="$1:" '$1 == f { print $2 }' "/proc/$(worker_pid)/status"
}

worker_pid() {
	"$MIRRORFS" status "$L" --json |
		sed -n 's/.*"worker_pid": *\([0-9]*\).*/\1/p'
}

seconds() {
	awk -v n="$1" 'BEGIN { printf "%.2f", n }'
}

scale_row() {
	local verdict=missed
	awk -v a="$2" -v b="$4" 'BEGIN { exit !(a < b) }' && verdict=met
	[ $verdict = met ] || MISSED+=" '$1'"
	SCALE_TABLE+=("| $1 | $2 $3 | < $4 $3 $verdict |")
}

# The limits are those of whoever logs in, for the mount, too: 1,024
# descriptors.
scale_limited() {
	(ulimit -n 1024 && "$@") >/dev/null
}

bench_scale() {
	local dirs=$((100000 / SCALE)) n before after tree
	OVERLAY_RUNS=1 # once is enough
	SCALE_TABLE=()
	fresh
	"$FSBENCH" many "$L" $dirs 10 || die "fsbench many"
	n=$((dirs * 11 + dirs / 100))
	tree="$((dirs * 10)) files in $dirs folders"
	timed scale_limited mirrorfs_alone
	scale_row "$tree: mount" "$(seconds "$TIME")" s 1
	before=$(worker_kib VmRSS)
	timed scale_limited find "$L" -size +1
	SCALE_TABLE+=("| find -size (each is looked at) | $(seconds "$TIME") s | completes |")
	after=$(worker_kib VmRSS)
	scale_row "memory for each known inode" \
		$(((after - before) * 1024 / n)) B 400
	timed scale_limited du -s "$L"
	SCALE_TABLE+=("| du | $(seconds "$TIME") s | completes |")
	timed scale_limited rsync -an "$L/" "$S/empty/"
	SCALE_TABLE+=("| rsync -n | $(seconds "$TIME") s | completes |")
	echo 2 >/proc/sys/vm/drop_caches
	wait_for 20 scale_forgotten "$before" "$after"
	after=$(worker_kib VmRSS)
	scale_row "memory kept when the kernel forgot them" \
		$(((after - before) * 1024 / n)) B 40
	mirrorfs_stop >/dev/null
}

scale_forgotten() {
	[ "$(worker_kib VmRSS)" -lt $(($1 + ($2 - $1) / 10)) ]
}

scale_table() {
	echo "| a large tree | mirrorfs | target |"
	echo "|---|---|---|"
	printf '%s\n' "${SCALE_TABLE[@]}"
}
