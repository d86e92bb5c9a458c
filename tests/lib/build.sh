# Building out of tree. Needs base.sh and TOP.

# build_tree DIR CONFIGURE-OPTION... - configure DIR unless it has these
# options already, and make. What they say goes to DIR/build.log.
build_tree() {
	local dir=$1 target
	shift
	mkdir -p "$dir" || return 1
	build_autotools "$dir/build.log" || return 1
	if [ ! -f "$dir/Makefile" ] ||
	    [ "$TOP/configure" -nt "$dir/config.status" ] ||
	    [ "$(cat "$dir/options" 2>/dev/null)" != "$*" ]; then
		(cd "$dir" && "$TOP/configure" -q "$@") \
			>>"$dir/build.log" 2>&1 ||
			{ tail -n 30 "$dir/build.log" >&2; return 1; }
		printf '%s\n' "$*" >"$dir/options"
	fi
	# one by one: all makes the headers that the others need
	for target in ${BUILD_TARGETS:-all}; do
		make -C "$dir" -j"$(nproc)" "$target" >>"$dir/build.log" 2>&1 ||
			{ tail -n 40 "$dir/build.log" >&2; return 1; }
	done
}

# build_autotools LOG - make ./configure when it is missing or too old.
build_autotools() {
	[ ! -f "$TOP/configure" ] ||
		[ -n "$(find "$TOP" -maxdepth 4 \( -name configure.ac -o \
			-name Makefile.am -o -name local.mk \) \
			-newer "$TOP/configure" -print -quit)" ] ||
		return 0
	(cd "$TOP" && autoreconf -fi) >"$1" 2>&1 ||
		{ tail -n 30 "$1" >&2; return 1; }
}
