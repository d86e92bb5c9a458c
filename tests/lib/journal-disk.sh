# For tests in which the journal has a disk of its own, $T/disk, that goes bad.
# Needs functions.sh.

# change FILE TEXT - in the tree: other content, and all that is seen by SFTP
# the same
change() {
	local was
	was=$(stat -c %y "$T/tree/$1")
	printf '%s' "$2" | dd of="$T/tree/$1" conv=notrunc status=none
	touch -d "$was" "$T/tree/$1"
}
# owed, not_owed - does the tree say that a comparison is owed?
owed() {
	getfattr -n trusted.mirrorfs.owed "$T/tree" >"$T/attr" 2>&1
}
not_owed() {
	! owed
}
read_only() {
	# who has unmounted may still have its log open
	check "read-only" wait_for 60 mount -o remount,ro "$T/disk" 2>"$T/err"
}
writable() {
	check "writable" mount -o remount,rw "$T/disk"
}
