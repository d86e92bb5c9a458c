#!/bin/bash
# Everything that must be refused: one clear line on stderr, status 1 or 2,
# and nothing changed: no state folder, no mount, nothing on the replica.
. "$(dirname "$0")/functions.sh"
command -v sshd >/dev/null || skip "sshd is not installed"

before() {
	(cd "$T" && find tree replica1 other -printf '%p %m %y %s\n' |
		sort)
}

# refused STATUS PATTERN ARGUMENT... - of `mirrorfs mount`
refused() {
	local status=$1 pattern=$2 r was now
	shift 2
	was=$(before)
	timeout 60 "$MIRRORFS" mount "$@" >"$T/out" 2>"$T/err"
	r=$?
	say "mount $*: $(cat "$T/err")"
	equal $r "$status" "status of: mount $*"
	equal "$(wc -l <"$T/err")" 1 "lines of error of: mount $*"
	check "error of: mount $*" grep -Eqi -- "$pattern" "$T/err"
	check "no output of: mount $*" test ! -s "$T/out"
	refuse "mounted: $*" grep -q " $T" /proc/self/mounts
	refuse "state folder of: mount $*" test -e "$T/state"
	now=$(before)
	equal "$now" "$was" "files after: mount $*"
}

mkdir -p "$T/other/full"
echo x >"$T/other/full/file"
echo data >"$T/tree/file"
S=(--state-dir "$T/state")

refused 1 "no such file" "$T/nothing" "${S[@]}"
refused 1 "not a directory" "$T/tree/file" "${S[@]}"
refused 1 "inside the tree" "$T/tree" --state-dir "$T/tree/state"
refused 1 "inside the tree" "$T/tree" "${S[@]}" --replica "r=$T/tree/sub"
refused 1 "inside the tree" "$T/tree" "${S[@]}" \
	--replica "r=sftp://root@127.0.0.1:22$T/tree/sub"
refused 1 "tree .* inside" "$T/tree" "${S[@]}" --replica "r=$T"
ln -s ../tree "$T/other/link"
refused 1 "inside the tree" "$T/tree" --state-dir "$T/other/link/state"
rm "$T/other/link"

# usage
refused 2 "unknown option" "$T/tree" --replicas x
refused 2 "NAME=URL" "$T/tree" "${S[@]}" --replica "$T/replica1"
refused 2 "NAME=URL|name" "$T/tree" "${S[@]}" --replica "a/b=$T/replica1"
refused 2 "ROOT" "${S[@]}"
refused 1 "url|sftp" "$T/tree" "${S[@]}" --replica "r=http://x/y"
refused 1 "password" "$T/tree" "${S[@]}" --replica "r=sftp://u:secret@h/y"
refuse "the password is shown" grep -q secret "$T/err"
refused 1 "same" "$T/tree" "${S[@]}" --replica "a=$T/replica1" \
	--replica "b=$T/replica1"

# the reserved name
mkdir "$T/tree/.mirrorfs"
refused 1 "reserved" "$T/tree" "${S[@]}"
rmdir "$T/tree/.mirrorfs"

# the replica's folder
refused 1 "missing|no such|not there|does not exist" "$T/tree" "${S[@]}" \
	--replica "r=$T/nothing"
refused 1 "adopt" "$T/tree" "${S[@]}" --replica "r=$T/other/full"
refused 1 "director|folder" "$T/tree" "${S[@]}" \
	--replica "r=$T/other/full/file"
if mount -t tmpfs -o ro none "$T/replica1" 2>/dev/null; then
	timeout 60 "$MIRRORFS" mount "$T/tree" "${S[@]}" \
		--replica "r=$T/replica1" 2>"$T/err"
	equal $? 1 "status for a read-only replica"
	umount "$T/replica1"
	check "read-only replica" grep -Eqi "writ" "$T/err"
	refuse "state folder" test -e "$T/state"
fi

# ssh
sshd_start "$T/sshd" || fail "sshd does not start"
url=$(sshd_url "$T/replica1")
ssh-keygen -q -t ed25519 -N '' -f "$T/sshd/stranger"
: >"$T/sshd/empty_hosts"
sed "s/AAAA.*/$(cut -d' ' -f2 "$T/sshd/stranger.pub" | sed 's,/,\\/,g')/" \
	"$SSHD_KNOWN_HOSTS" >"$T/sshd/changed_hosts"
K=(--identity "$SSHD_KEY" --known-hosts "$SSHD_KNOWN_HOSTS")
refused 1 "host key.*not known|unknown" "$T/tree" "${S[@]}" \
	--identity "$SSHD_KEY" --known-hosts "$T/sshd/empty_hosts" \
	--replica "r=$url"
refused 1 "changed" "$T/tree" "${S[@]}" --identity "$SSHD_KEY" \
	--known-hosts "$T/sshd/changed_hosts" --replica "r=$url"
refused 1 "changed" "$T/tree" "${S[@]}" --identity "$SSHD_KEY" --accept-new \
	--known-hosts "$T/sshd/changed_hosts" --replica "r=$url"
refused 1 "key|log in|login|denied|auth" "$T/tree" "${S[@]}" \
	--identity "$T/sshd/stranger" --known-hosts "$SSHD_KNOWN_HOSTS" \
	--replica "r=$url"
refused 1 "cannot read" "$T/tree" "${S[@]}" --identity "$T/sshd/nothing" \
	--known-hosts "$SSHD_KNOWN_HOSTS" --replica "r=$url"
refused 1 "missing|no such|not there|does not exist" "$T/tree" "${S[@]}" \
	"${K[@]}" --replica "r=$(sshd_url "$T/nothing")"
equal "$(stat -c %s "$T/sshd/empty_hosts")" 0 "known hosts"

# a user who may not write there
if id nobody >/dev/null 2>&1 && mkdir "$T/other/home"; then
	refused 1 "key|log in|denied|auth|writ" "$T/tree" "${S[@]}" "${K[@]}" \
		--replica "r=sftp://nobody@127.0.0.1:$SSHD_PORT$T/replica1"
	rmdir "$T/other/home"
fi

# not root
chmod 755 "$T/tree"
as_user "$MIRRORFS" mount "$T/tree" "${S[@]}" 2>"$T/err"
equal $? 1 "status for a user who is not root"
check "not root" grep -qi root "$T/err"

# accept-new stores the key, and then it mounts
check "accept-new" mount_tree --accept-new --identity "$SSHD_KEY" \
	--known-hosts "$T/sshd/empty_hosts" --replica "r=$url"
check "the key was stored" test -s "$T/sshd/empty_hosts"

# already mounted
timeout 60 "$MIRRORFS" mount "$T/tree" --state-dir "$T/state2" 2>"$T/err"
equal $? 1 "status of a second mount"
check "second mount" grep -qi "already mounted" "$T/err"
refuse "state folder" test -e "$T/state2"
for call in mkdir touch; do
	refuse "$call of the reserved name" $call "$T/tree/.mirrorfs" \
		2>/dev/null
done
refuse "rename to the reserved name" mv "$T/tree/file" "$T/tree/.mirrorfs" \
	2>/dev/null
equal "$(cat "$T/tree/file")" data "the file"
mkdir -p "$T/tree/below/.mirrorfs" || fail "the name is free further down"
check "wait" synced
check "same" same "$T/replica1"
check "umount" umount_tree

# a journal of another root; a replica of another journal
mkdir "$T/tree2"
refuse "a journal of another root" "$MIRRORFS" mount "$T/tree2" \
	--state-dir "$T/state" 2>"$T/err"
check "another root" grep -qi "belongs to" "$T/err"
refuse "a replica of another journal" "$MIRRORFS" mount "$T/tree2" \
	--state-dir "$T/state2" "${K[@]}" --replica "r=$url" 2>"$T/err"
cat "$T/err"
check "another journal" grep -Eqi "another|other|belongs" "$T/err"
printf 'uuid=x\033[2Jx\nseq=1\n' >"$T/replica1/.mirrorfs/state"
refuse "a replica that is hostile" "$MIRRORFS" mount "$T/tree2" \
	--state-dir "$T/state2" "${K[@]}" --replica "r=$url" 2>"$T/err"
refuse "it drives the terminal" grep -q "$(printf '\033')" "$T/err"
check "and is told" grep -q 'another journal (x.x1b' "$T/err"
refuse "state folder" test -e "$T/state2"
exit 0
