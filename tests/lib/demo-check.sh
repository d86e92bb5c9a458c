# quickstart --check: the whole way by a real FTP client. Needs demo.sh.

# demo_check [DIR] - exits 0 only when both replicas equal the master.
demo_check() {
	local temporary=
	if [ -z "$1" ]; then
		temporary=$(mktemp -d /tmp/mirrorfs-quickstart.XXXXXX) ||
			die "no temporary folder"
		chmod 755 "$temporary"
	fi
	DEMO_TEMPORARY=$temporary
	DEMO_USER=mirrorfs-check
	demo_begin "${temporary:-$1}"
	trap 'demo_check_end' EXIT
	demo_source "$DEMO_PRIVATE/source"
	demo_upload "$DEMO_PRIVATE/source"
	demo_local_links
	demo_compare
	demo_report
	say "ok: both replicas equal the master"
}

demo_check_end() {
	local r=$?
	if [ $r != 0 ] && [ -f "$DEMO_PRIVATE/state/mirrorfs.log" ]; then
		say "--- end of the log of mirrorfs"
		tail -n 20 "$DEMO_PRIVATE/state/mirrorfs.log"
	fi
	(exit $r)
	(demo_end) || r=$?
	trap - EXIT
	[ -z "$DEMO_TEMPORARY" ] || mounted_at "$DEMO_ROOT" ||
		rm -rf --one-file-system "$DEMO_TEMPORARY"
	exit $r
}

# 330 files in 22 folders, empty ones, odd names, one of 8 MB.
demo_source() {
	local dir=$1 i
	say "making 330 files"
	for ((i = 0; i < 327; i++)); do
		if [ $((i % 15)) = 0 ]; then
			mkdir -p "$dir/site$((i / 75))/part$((i / 15))"
		fi
		head -c $((i * i % 40000)) /dev/urandom \
			>"$dir/site$((i / 75))/part$((i / 15))/file$i.html"
	done
	head -c 8000000 /dev/urandom >"$dir/big.bin"
	printf 'x' >"$dir/name with blanks.txt"
	: >"$dir/empty"
}

demo_upload() {
	local dir=$1 part
	part="site0/part0"
	say "uploading them by FTP as $FTPD_USER"
	ftp_run "mirror -R --no-perms --no-umask --parallel=3 '$dir' upload" ||
		die "the upload failed"
	say "overwriting, appending, renaming, deleting, making directories"
	printf 'second version\n' >"$DEMO_PRIVATE/second"
	cp "$dir/$part/file5.html" "$DEMO_PRIVATE/longer"
	head -c 50000 /dev/urandom >>"$DEMO_PRIVATE/longer"
	cp "$dir/$part/file6.html" "$DEMO_PRIVATE/resumed"
	head -c 30000 /dev/urandom >>"$DEMO_PRIVATE/resumed"
	ftp_run "cd upload" \
		"put '$DEMO_PRIVATE/second' -o $part/file1.html" \
		"put '$DEMO_PRIVATE/second' -o $part/file2.html" \
		"put '$DEMO_PRIVATE/second' -o big.bin" \
		"set ftp:rest-stor no" \
		"put -c '$DEMO_PRIVATE/longer' -o $part/file5.html" \
		"set ftp:rest-stor yes" \
		"put -c '$DEMO_PRIVATE/resumed' -o $part/file6.html" \
		"mv $part/file7.html $part/renamed.html" \
		"mv $part/file8.html site1/moved.html" \
		"mv site2 site2-renamed" \
		"rm $part/file9.html" "rm -r site3/part16" \
		"mkdir -p new/folder/below" "mkdir empty-folder" \
		"put '$DEMO_PRIVATE/second' -o new/folder/below/last.txt" \
		"chmod 600 $part/file3.html" "chmod 750 new" \
		"rmdir empty-folder" || die "an FTP command failed"
	cmp -s "$DEMO_PRIVATE/longer" "$DEMO_ROOT/upload/$part/file5.html" ||
		die "APPE did not arrive on the master"
	cmp -s "$DEMO_PRIVATE/resumed" "$DEMO_ROOT/upload/$part/file6.html" ||
		die "REST did not arrive on the master"
}

# What FTP cannot make: links, another owner, old times.
demo_local_links() {
	local w=$DEMO_ROOT/upload/site1
	ln "$w/moved.html" "$w/hard-link.html" &&
		ln -s part5 "$w/symlink" &&
		ln -s /nowhere "$w/dangling" &&
		chown 12345:54321 "$w/moved.html" &&
		touch -d '2001-03-01 12:00:00' "$w/moved.html" "$w" ||
		die "a local change failed"
}

demo_compare() {
	local i
	say "waiting for the replicas"
	"$MIRRORFS" wait "$DEMO_ROOT" --timeout 120 ||
		{ "$MIRRORFS" status "$DEMO_ROOT"
		  die "the replicas did not get everything in 120 s"; }
	for i in 1 2; do
		say "comparing replica$i"
		"$TOP/build/tests/treecmp" "$DEMO_ROOT" \
			"$DEMO_DIR/replica$i" || die "replica$i differs"
	done
	[ "$(find "$DEMO_DIR/replica1" -type f | wc -l)" -ge 300 ] ||
		die "fewer than 300 files arrived"
}

demo_report() {
	say "--- mirrorfs status"
	"$MIRRORFS" status "$DEMO_ROOT" || die "no status"
	say "--- mirrorfs log --limit 15"
	"$MIRRORFS" log "$DEMO_ROOT" --limit 15 || die "no log"
	"$MIRRORFS" log "$DEMO_ROOT" upload --user "$FTPD_USER" |
		grep "127.0.0.1.*$FTPD_USER" >/dev/null ||
		die "the log does not tell FTP user and client"
}
