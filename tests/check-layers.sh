#!/bin/bash
# Who may include whom. The layers: base <- journal <- fs, base <- remote <-
# sync, journal <- sync, and cli on all of them. Line 1 of each header in
# include/ names its layer; libfuse, SQLite and libssh are each known to one
# folder only.
cd "$(dirname "$0")/.." || exit 1
r=0

complain() {
	echo "$*"
	r=1
}

# layer_of FILE - by its folder, a header in include/ by its first line
layer_of() {
	case $1 in
	include/*) sed -n '1s,^/\* layer: \([a-z]*\) \*/$,\1,p' "$1" ;;
	lib/base/*) echo base ;;
	lib/journal/*) echo journal ;;
	fs/*) echo fs ;;
	sync/remote/*) echo remote ;;
	sync/*) echo sync ;;
	cli/*) echo cli ;;
	esac
}

# may LAYER INCLUDES-LAYER
may() {
	case $1:$2 in
	cli:* | *:base) return 0 ;;
	journal:journal | fs:fs | fs:journal | remote:remote) return 0 ;;
	sync:sync | sync:remote | sync:journal) return 0 ;;
	*) return 1 ;;
	esac
}

# may_system FILE HEADER
may_system() {
	case $2 in
	fuse*.h | fuse3/* | linux/fuse.h) [[ $1 == fs/* ]] ;;
	sqlite3.h) [[ $1 == lib/journal/* ]] ;;
	libssh/*) [[ $1 == sync/remote/* ]] ;;
	cap-ng.h | ini.h) [[ $1 == lib/base/* ]] ;;
	libsmartcols/* | libsmartcols.h) [[ $1 == cli/* ]] ;;
	esac
}

for file in $(find include lib fs sync cli -name '*.[ch]'); do
	layer=$(layer_of "$file")
	if [ -z "$layer" ]; then
		complain "$file: line 1 must be /* layer: NAME */"
		continue
	fi
	while read -r kind header; do
		if [ "$kind" = '<' ]; then
			may_system "$file" "$header" ||
				complain "$file: may not include <$header>"
			continue
		fi
		found=
		for place in "include/$header" "$header" \
			"$(dirname "$file")/$header"; do
			[ -f "$place" ] && found=$place && break
		done
		[ -n "$found" ] || continue # made by configure
		may "$layer" "$(layer_of "$found")" ||
			complain "$file ($layer): may not include $found"
	done < <(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*\([<"]\)\([^>"]*\).*/\1 \2/p' "$file")
done

# libssh exports these; a symbol of ours may not begin so
if grep -nE '^[a-z].*[ *](buffer|channel|string|publickey|privatekey|ssh|sftp)_[a-z_]+\(' \
	$(find lib fs sync/*.c cli -name '*.c') | grep -v '^[^:]*:[0-9]*:static'; then
	complain "names that libssh exports as well"
fi
exit $r
