# Power cuts. Tree and journal lie on loop devices; while programs write, their
# images are copied, all at one moment, as the disks are when the power fails:
# what was only in memory is missing. Later each copy is mounted where the
# original was, mirrorfs mounts and recovers, and tree and replica must be
# equal. The replica is copied at the same moment: what it had then is what it
# has after the cut. Sourced by t-power*.
#
# The images lie on a file system that can copy a file at once (xfs, reflink).
# It does not model a disk that writes what is in its cache in another order.

expect_races

# power_begin TREE-FS JOURNAL-FS|same [CONFIG-LINE...] - the disks, and the mount.
power_begin() {
	local tree=$1 journal=$2
	shift 2
	mkdir -p "$T/host" "$T/fs1" "$T/fs2" "$T/raw"
	power_host
	mkdir -p "$T/host/replica"
	POWER_TREE=$tree POWER_JOURNAL=$journal POWER_CUTS=0
	power_make "$tree" "$T/host/tree.img" && power_mount_tree "" || return 1
	mkdir -p "$T/fs1/tree" "$T/fs1/state"
	POWER_STATE=$T/fs1/state
	if [ "$journal" != same ]; then
		power_make "$journal" "$T/host/journal.img" &&
			power_mount_journal "" || return 1
		mkdir -p "$T/fs2/state"
		POWER_STATE=$T/fs2/state
	fi
	POWER_ROOT=$T/fs1/tree
	printf '%s\n' '[mount]' "root = $POWER_ROOT" "$@" \
		'[replica r1]' "url = $T/replica1" >"$T/power.conf"
	# the tree past the overlay, for what the kernel does by itself
	mount --bind "$T/fs1" "$T/raw" && LOWERS+=("$T/raw") || return 1
	mount --make-private "$T/raw"
	power_up
}

# room for many cuts, of which only the differences take any
power_host() {
	local missing
	missing=$(lower_missing xfs)
	[ -z "$missing" ] || skip "$missing"
	lower_mount xfs "$T/host" "$T/host.img" 16G ||
		skip "no xfs can be mounted here"
	LOWERS+=("$T/host")
}

# power_make TYPE IMAGE
power_make() {
	local size=300M
	[ "$1" = ext4 ] && size=64M
	truncate -s $size "$2" || return 1
	case $1 in
	ext4) mkfs.ext4 -q -F "$2" ;;
	*) "mkfs.$1" -q -f "$2" ;;
	esac >/dev/null
}

power_mount_one() { # TYPE IMAGE FOLDER
	local options=loop
	[ "$1" != xfs ] || options+=,nouuid
	mount -t "$1" -o $options "$2" "$3" && LOWERS+=("$3")
}

power_mount_tree() { # SUFFIX of the image
	power_mount_one "$POWER_TREE" "$T/host/tree.img$1" "$T/fs1"
}

power_mount_journal() {
	[ "$POWER_JOURNAL" = same ] ||
		power_mount_one "$POWER_JOURNAL" "$T/host/journal.img$1" \
			"$T/fs2"
}

power_up() {
	mount_at "$POWER_ROOT" "$POWER_STATE" --config "$T/power.conf"
}

# power_settled - the replica has all, a new mount has begun, nothing is marked,
# and all is on the disk.
power_settled() {
	"$MIRRORFS" wait "$POWER_ROOT" --timeout 60 >"$T/wait.out" 2>&1 &&
		umount_at "$POWER_ROOT" && power_up &&
		wait_for 60 power_rests && sync -f "$T/raw"
}

# power_rests - the child that looks back is done.
power_rests() {
	power_pids && [ "$(pgrep -cP "${POWER_PIDS%% *}")" = 2 ]
}

# power_pids - of those that must stand still for a cut.
power_pids() {
	POWER_SYNC=$(status_pid sync_pid "$POWER_ROOT")
	POWER_PIDS="$(status_pid supervisor_pid "$POWER_ROOT") \
		$(status_pid worker_pid "$POWER_ROOT") $POWER_SYNC"
	case $POWER_PIDS in *null*) return 1 ;; esac
	[ "$(echo "$POWER_PIDS" | wc -w)" = 3 ]
}

# power_write SEED - programs that write, until power_rest.
power_write() {
	background "$HELPERS/scribble" --seed "$1" --raw "$T/raw/tree" \
		"$POWER_ROOT"
	POWER_WRITERS=("$BG")
	background "$HELPERS/scribble" --seed $(($1 + 1)) "$POWER_ROOT"
	POWER_WRITERS+=("$BG")
	mkdir -p "$POWER_ROOT/churn"
	power_churn "$1" &
	POWER_CHURN=$!
}

power_churn() {
	local seed=$1
	while [ ! -e "$T/rest" ] && "$HELPERS/churn" --seed $((seed++)) --ops 300 --procs 2 \
		"$POWER_ROOT/churn" >/dev/null; do
		:
	done
}

# power_promise - a program that keeps a list of what fsync has promised it,
# beside all that, until power_rest: of a log that it appends to, and of files
# that it publishes by a rename. Numbers, of which the newest counts.
power_promise() {
	mkdir -p "$POWER_ROOT/promised" && : >"$T/promised" || return 1
	power_promises &
	POWER_PROMISE=$!
}

power_promises() {
	local n=0 in=$POWER_ROOT/promised
	while [ ! -e "$T/rest" ]; do
		echo $((++n)) >>"$in/log" && sync "$in/log" &&
			echo $n >"$in/new" && sync "$in/new" &&
			mv "$in/new" "$in/$n" && sync "$in" || return 1
		echo $n >>"$T/promised"
		rm -f "$in/$((n - 20))"
	done
}

# power_promised N - is it kept, on both, after the Nth cut?
power_promised() {
	local n in
	n=$(tail -n 1 "$T/host/promised.$1")
	for in in "$POWER_ROOT" "$T/replica1"; do
		in=$in/promised
		[ -n "$n" ] || continue
		[ "$(cat "$in/$n")" = "$n" ] && grep -qx "$n" "$in/log" &&
			continue
		POWER_BROKEN=$((${POWER_BROKEN:-0} + 1))
		say "cut $1 of seed $SEED: $n was promised, but is not in $in"
	done
}

power_rest() {
	local p
	touch "$T/rest"
	for p in "${POWER_WRITERS[@]}"; do
		end_process "$p"
	done
	wait "$POWER_CHURN"
	[ -z "${POWER_PROMISE:-}" ] || wait "$POWER_PROMISE" || return 1
	rm "$T/rest"
}

# power_cut - a copy of all disks. Nobody of ours runs meanwhile, so that they
# are of one moment; what the kernel writes by itself it may write.
power_cut() {
	local n=$((POWER_CUTS + 1)) pids
	# what was promised before
	[ -z "${POWER_PROMISE:-}" ] ||
		cp "$T/promised" "$T/host/promised.$n" || return 1
	# the replica's server is a child of sync
	pids="$POWER_PIDS $(pgrep -P "$POWER_SYNC")"
	# shellcheck disable=SC2086
	kill -STOP $pids || return 1
	cp --reflink=always "$T/host/tree.img" "$T/host/tree.img.$n" &&
		{ [ "$POWER_JOURNAL" = same ] ||
			cp --reflink=always "$T/host/journal.img" \
				"$T/host/journal.img.$n"; } &&
		cp -a --reflink=auto "$T/replica1" "$T/host/replica/$n"
	local r=$?
	# shellcheck disable=SC2086
	kill -CONT $pids
	[ $r = 0 ] && POWER_CUTS=$n
}

# power_off - unmount, with the disks.
power_off() {
	umount_at "$POWER_ROOT" || return 1
	power_disks_off
}

power_disks_off() {
	[ "$POWER_JOURNAL" = same ] || take_below "$T/fs2" || return 1
	take_below "$T/fs1"
}

# power_check N - what comes of the Nth cut. In POWER_MISSED, how many differ;
# in POWER_MARKS, how many records said "look".
power_check() {
	rm -rf "$T/replica1"
	mv "$T/host/replica/$1" "$T/replica1" || return 1
	power_mount_tree ".$1" && power_mount_journal ".$1" && power_up ||
		return 1
	"$MIRRORFS" wait "$POWER_ROOT" --timeout 120 >"$T/wait.out" 2>&1 ||
		{ cat "$T/wait.out"; return 1; }
	POWER_MARKS=$("$MIRRORFS" log "$POWER_ROOT" --op unsure | wc -l)
	POWER_GAPS=$("$MIRRORFS" log "$POWER_ROOT" --op gap | wc -l)
	if ! "$HELPERS/treecmp" --ignore-special "$POWER_ROOT" "$T/replica1" \
		>"$T/treecmp.out" 2>&1; then
		POWER_MISSED=$((${POWER_MISSED:-0} + 1))
		say "cut $1 of seed $SEED: $(head -n 1 "$T/treecmp.out")"
	fi
	[ -z "${POWER_PROMISE:-}" ] || power_promised "$1"
	power_off || return 1
	rm -f "$T/host/tree.img.$1" "$T/host/journal.img.$1"
}

# power_cuts N - so many, while the writers write.
power_cuts() {
	local i
	check "who runs" wait_for 60 power_pids
	power_write "$SEED"
	[ -z "${POWER_PROMISES:-}" ] || check "promises" power_promise
	for ((i = 0; i < $1; i++)); do
		# from some ms to half a second: any moment will do
		sleep "0.$(printf '%03d' $((RANDOM % 450 + 30)))"
		power_cut || fail "copying the disks"
	done
	check "writers end" power_rest
	power_off || fail "the disks stay"
	take_below "$T/raw" && rm -f "$T/host/tree.img" "$T/host/journal.img"
	for ((i = 1; i <= $1; i++)); do
		power_check "$i" || fail "recovering from cut $i, seed $SEED"
	done
}
