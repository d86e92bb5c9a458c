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

# layer_of FILE - in LAYER: by its folder, a header in include/ by its first line
layer_of() {
	LAYER=
	case $1 in
	include/*)
		read -r LAYER <"$1"
		[[ $LAYER =~ ^/\*\ layer:\ ([a-z]*)\ \*/$ ]] &&
			LAYER=${BASH_REMATCH[1]} || LAYER= ;;
	lib/base/*) LAYER=base ;;
	lib/journal/*) LAYER=journal ;;
	fs/*) LAYER=fs ;;
	sync/remote/*) LAYER=remote ;;
	sync/*) LAYER=sync ;;
	cli/*) LAYER=cli ;;
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

# one process for all of them: there are thousands of lines
while IFS=: read -r file line; do
	layer_of "$file"
	layer=$LAYER
	[[ $line =~ include[[:space:]]*([\<\"])([^\>\"]*) ]] || continue
	header=${BASH_REMATCH[2]}
	if [ "${BASH_REMATCH[1]}" = '<' ]; then
		may_system "$file" "$header" ||
			complain "$file: may not include <$header>"
		continue
	fi
	found=
	for place in "include/$header" "$header" "${file%/*}/$header"; do
		[ -f "$place" ] && found=$place && break
	done
	[ -n "$found" ] || continue # made by configure
	layer_of "$found"
	may "$layer" "$LAYER" ||
		complain "$file ($layer): may not include $found"
done < <(grep -rHE --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include' \
	include lib fs sync cli)
for file in $(find include -name '*.h'); do
	layer_of "$file"
	[ -n "$LAYER" ] || complain "$file: line 1 must be /* layer: NAME */"
done

# libssh exports these; a symbol of ours may not begin so
if grep -nE '^[a-z].*[ *](buffer|channel|string|publickey|privatekey|ssh|sftp)_[a-z_]+\(' \
	$(find lib fs sync/*.c cli -name '*.c') | grep -v '^[^:]*:[0-9]*:static'; then
	complain "names that libssh exports as well"
fi
exit $r
