#!/bin/bash
# The configuration file; the command line wins; a wrong key names the right
# one; --help of each subcommand.
. "$(dirname "$0")/functions.sh"

conf() {
	cat >"$T/test.conf"
}
# wrong PATTERN - mount --config is refused with it
wrong() {
	timeout 60 "$MIRRORFS" mount --config "$T/test.conf" 2>"$T/err"
	equal $? 1 "status ($1)"
	cat "$T/err"
	equal "$(wc -l <"$T/err")" 1 "lines of error"
	check "error: $1" grep -Eq -- "$1" "$T/err"
	refuse "mounted" mounted_at "$T/tree"
}
mkdir "$T/replica2"

conf <<-CONF
[mount]
root = $T/tree
state-dri = $T/state
CONF
wrong "state-dir"
check "file and line are named" grep -q "test.conf.*3" "$T/err"
conf <<-CONF
[mount]
root = $T/tree
[replica web1]
uri = $T/replica1
CONF
wrong "url"
conf <<-CONF
[mounts]
root = $T/tree
CONF
wrong "mount"
conf <<-CONF
[mount]
root = $T/tree
accept-new = perhaps
CONF
wrong "accept-new|yes"
conf <<-CONF
[mount]
root = $T/tree
history = a while
CONF
wrong "history|duration"
conf <<-CONF
[mount]
root = relative/path
CONF
wrong "absolute"
conf <<-CONF
[mount]
root = $T/tree
state-dir = $T/state
[replica web1]
adopt = yes
CONF
wrong "url"
rm "$T/test.conf"
wrong "test.conf"

conf <<-CONF
# a comment
[mount]
root = $T/tree
name = from-file-$$
state-dir = $T/state
history = 30d
settle-idle = 5m
settle-age = never

[replica "web1"]
url = $T/replica1

[replica web2]
url = $T/replica2
adopt = yes
CONF
MOUNTS+=("$T/tree") LOGS+=("$T/state/mirrorfs.log")
echo old >"$T/replica2/old"
check "mount" "$MIRRORFS" mount --config "$T/test.conf"
equal "$("$MIRRORFS" status --name "from-file-$$" --json |
	jq -r '[.root, .replicas[].name] | join(" ")')" \
	"$T/tree web1 web2" "status"
echo x >"$T/tree/x"
check "wait" synced
check "replica 1" same "$T/replica1"
check "replica 2 was adopted" same "$T/replica2"
check "umount" umount_tree

# a section that is gone is a replica that is gone; the command line wins
sed -i '/web2/,$d' "$T/test.conf"
MOUNTS+=("$T/tree")
check "mount" "$MIRRORFS" mount --config "$T/test.conf" --name "by-hand-$$"
equal "$("$MIRRORFS" status --name "by-hand-$$" --json |
	jq -r '[.replicas[].name] | join(" ")')" web1 "replicas"
check "umount" umount_tree

# help
"$MIRRORFS" --help >"$T/out" || fail "--help"
for command in mount umount status replica wait log; do
	check "$command in --help" grep -q "$command" "$T/out"
	"$MIRRORFS" $command --help >"$T/help" 2>&1 || fail "$command --help"
	check "$command --help" grep -q -- "$command" "$T/help"
done
"$MIRRORFS" --version >/dev/null || fail "--version"
"$MIRRORFS" mout 2>"$T/err"
equal $? 2 "an unknown subcommand"
check "the right one is named" grep -q mount "$T/err"
"$MIRRORFS" 2>/dev/null >&2
equal $? 2 "no subcommand"
exit 0
