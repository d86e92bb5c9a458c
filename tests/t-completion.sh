#!/bin/bash
# What bash offers behind "mirrorfs": each command and each option that the parser
# knows, by the tables in the source, the keys of replicas and their words, what is
# mounted, and the names of its replicas.
. "$(dirname "$0")/functions.sh"
. "$TOP/completions/mirrorfs"

# offer WORD... - what is offered in place of the last one, in OFFER
offer() {
	COMP_WORDS=("$MIRRORFS" "$@")
	COMP_CWORD=$#
	_mirrorfs "$MIRRORFS"
	OFFER=" ${COMPREPLY[*]-} "
}
offered() { # WHAT
	case $OFFER in *" $1 "*) ;; *) fail "$1 is not offered:$OFFER" ;; esac
}
offers() { # COUNT TEXT
	equal "${#COMPREPLY[@]}" "$1" "$2:$OFFER"
}

words=$(sed -n 's/^COMMAND("\([^"]*\)".*/\1/p' "$TOP/cli/commands.h")
offer ""
for word in $words; do offered "$word"; done
offers "$(wc -w <<<"$words")" "commands"
offer st
offers 1 "st"
for word in $words; do
	options=$(sed -n 's/^\t*{ *"\([a-z-]*\)", *\("[^"]*"\|NULL\), OPTION_.*/\1/p' \
		"$TOP/cli/$word.c")
	! grep -q 'TARGET_OPTIONS(' "$TOP/cli/$word.c" ||
		options+=" name state-dir"
	offer "$word" -
	for o in $options; do
		[ "${#o}" = 1 ] && offered "-$o" || offered "--$o"
	done
	offered --help
	offers $(($(wc -w <<<"$options") + 1)) "options of $word"
done
offer replica ""
for verb in $(sed -n 's/^\t{"\([a-z]*\)", replica_.*/\1/p' "$TOP/cli/replica.c"); do
	offered "$verb"
done
offers 6 "verbs"

# what a shell makes of "-o key=value"
offer mount -o ""
for key in $(sed -n 's/^REPLICA_OPTION([a-z_]*, "\([a-z-]*\)".*/\1/p' \
	"$TOP/include/tbl/replica-options.h") exclude include; do
	offered "$key="
done
offer mount -o update = in
offers 1 "update=in"
offered inplace
offer mount -o durable =
offered yes
offered no

mkdir -p "$T/replica1" && : >"$T/a file" || fail "mkdir"
check "mount" mount_tree --replica "web1=$T/replica1"
offer umount ""
offered "$T/tree"
offer status "$T/t"
offers 1 "a root"
offer wait "$T/tree" --replica ""
offered web1
offer wait "$T/tree" --replica = w
offered web1
offer replica pause "$T/tree" ""
offered web1
offer replica set "$T/tree" web1 bw
offered "bwlimit="
offer mount --config "$T/a f"
offered "$T/a file"
offer log --since "" # nothing is known of it
offers 0 "a time"
exit 0
