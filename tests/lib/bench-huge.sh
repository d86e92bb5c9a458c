# What is too much for each run: 100,000 tiny files, and one of 10 GiB. Needs
# bench-wire.sh, and compare, timed and first_copy of bench.

HUGE_GIB=10
HUGE_ROOM=30 # GiB on the disk: it is there twice, and what goes on beside

bench_huge() {
	huge_tiny
	huge_file
}

huge_tiny() {
	local DIRS=100 FILES=$((1000 / SCALE)) N SIZE=100 text
	N=$((DIRS * FILES))
	text="first copy of $N files of $SIZE bytes in $DIRS folders"
	bench_tiny
	far tiny
}
bench_tiny() {
	compare "$text" first_copy rsync
}

# Tree and replica on the disk, as they are more than the memory. Without the
# room for it a file of 4 GiB has to do; the row has its size.
huge_file() {
	local BIG gib=$HUGE_GIB
	[ "$(huge_room)" -ge $HUGE_ROOM ] || gib=4
	BIG=$(((gib << 30) / SCALE))
	# not local: who ends the bench early looks for the mount
	mkdir "$S/disk"
	L=$S/disk/tree M=$S/disk/tree R=$S/disk/replica
	compare "upload of $((BIG >> 20)) MiB, on the disk" huge_upload rsync
	fresh
	mirrorfs_start && mirrorfs_quiet
	beside_large "on the disk: " $BIG
	mirrorfs_stop
	rm -rf "$S/disk"
	L=$W/tree M=$W/tree R=$W/replica
}

huge_room() {
	df -k --output=avail "$S" | awk 'NR == 2 { print int($1 / 1048576) }'
}

# What is written takes long enough to be sent meanwhile: the replica pauses, as
# rsync begins when all is there, too.
huge_upload() {
	mkdir "$L/big"
	if [ "$1" = mirrorfs ]; then
		mirrorfs_start && mirrorfs_quiet
		"$MIRRORFS" replica pause "$L" r
	fi
	head -c $BIG /dev/zero | tr '\0' 'x' >"$M/big/file"
	sync "$M/big/file"
	timed huge_work "$1"
}
huge_work() {
	if [ "$1" = mirrorfs ]; then
		"$MIRRORFS" replica resume "$L" r
	else
		"${1}_start"
	fi
	"$TOOL" until "$R/big" 1 $BIG
}
