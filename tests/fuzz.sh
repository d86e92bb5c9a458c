#!/bin/bash
# make fuzz [FUZZ="NAME..."] - the fuzz targets with clang's libFuzzer and its
# sanitizers, in the build folder. From the Makefile: CPPFLAGS, LIBS, SOURCES.
# FUZZ_SECONDS is the time of each.
set -u
TOP=$(cd "$(dirname "$0")/.." && pwd)
CLANG=${CLANG:-clang}
FLAGS=(-g -O1 -std=gnu11 -fno-omit-frame-pointer -w
	-fsanitize=address,undefined -fno-sanitize-recover=undefined)

command -v "$CLANG" >/dev/null ||
	{ echo "fuzz: no clang: apt-get install clang libclang-rt-14-dev" >&2
		exit 1; }
# headers are not tracked: with a newer one all is compiled again
[ -z "$(find "$TOP"/{include,lib,sync,tests/fuzz} -name '*.h' \
	-newer fuzz/objects -print -quit 2>/dev/null)" ] || rm -rf fuzz/objects
mkdir -p fuzz/objects || exit 1
objects=()
for source in $SOURCES; do
	object=fuzz/objects/$(echo "$source" | tr / _).o
	objects+=("$object")
	[ "$object" -nt "$TOP/$source" ] && continue
	# shellcheck disable=SC2086
	"$CLANG" $CPPFLAGS "${FLAGS[@]}" -fsanitize=fuzzer-no-link -c \
		-o "$object" "$TOP/$source" || exit 1
done
failed=0
for target in "$TOP"/tests/fuzz/fuzz-*.c; do
	name=$(basename "$target" .c)
	case $name in fuzz-main | fuzz-text) continue ;; esac
	[ $# = 0 ] || [[ " $* " == *" ${name#fuzz-} "* ]] || continue
	# shellcheck disable=SC2086
	"$CLANG" $CPPFLAGS "${FLAGS[@]}" -fsanitize=fuzzer -o "fuzz/$name" \
		"$target" "$TOP/tests/fuzz/fuzz-text.c" "${objects[@]}" $LIBS ||
		exit 1
	mkdir -p "fuzz/corpus-$name"
	"tests/fuzz/$name" --write "fuzz/corpus-$name" || exit 1
	"fuzz/$name" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 \
		-rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 \
		-artifact_prefix="fuzz/$name-" "fuzz/corpus-$name" \
		>"fuzz/$name.log" 2>&1
	r=$?
	grep -E "number_of_executed_units|ERROR|Assert|SUMMARY" \
		"fuzz/$name.log" | sed "s/^/$name: /"
	[ $r = 0 ] || { failed=1 && tail -n 40 "fuzz/$name.log"; }
done
exit $failed
