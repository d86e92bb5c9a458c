#!/bin/bash
# Options of replicas: from the configuration, from the command line, changed
# while mounted, and kept; a wrong one names the right one.
. "$(dirname "$0")/functions.sh"
DURABLE=

# options REPLICA - those that are not as by default
options() {
	"$MIRRORFS" replica list "$T/tree" --json |
		jq -r --arg n "$1" '.[] | select(.name == $n) | .options |
			to_entries | map(.key + "=" + .value) | join(" ")'
}

cat >"$T/test.conf" <<-CONF
[mount]
root = $T/tree
state-dir = $T/state
max-backlog = 500

[replica web1]
url = $T/replica1
max-backlog = 600
CONF
mkdir "$T/replica2" "$T/replica3"
MOUNTS+=("$T/tree") LOGS+=("$T/state/mirrorfs.log")
sed 's/600/many/' "$T/test.conf" >"$T/wrong.conf"
refuse "a wrong value" "$MIRRORFS" mount --config "$T/wrong.conf" 2>"$T/err"
check "it is named" grep -q 'wrong.conf:8: max-backlog: "many" is not' "$T/err"
check "mount" "$MIRRORFS" mount --config "$T/test.conf"
check "add" "$MIRRORFS" replica add "$T/tree" "web2=$T/replica2"
check "add with an option" "$MIRRORFS" replica add "$T/tree" \
	"web3=$T/replica3" -o max-backlog=700
equal "$(options web1)" "max-backlog=600" "as configured"
equal "$(options web2)" "max-backlog=500" "as for all"
equal "$(options web3)" "max-backlog=700" "as added"

refuse "a wrong key" "$MIRRORFS" replica set "$T/tree" web1 max-baklog=5 \
	2>"$T/err"
check "the right one is named" grep -q '"max-backlog"' "$T/err"
refuse "no such replica" "$MIRRORFS" replica set "$T/tree" web9 max-backlog=5 \
	2>"$T/err"
refuse "no value" "$MIRRORFS" replica set "$T/tree" web1 2>"$T/err"
check "set" "$MIRRORFS" replica set "$T/tree" web1 max-backlog=5
equal "$(options web1)" "max-backlog=5" "as set"
check "take it back" "$MIRRORFS" replica set "$T/tree" web1 max-backlog=
equal "$(options web1)" "max-backlog=500" "as for all again"
"$MIRRORFS" replica list "$T/tree" --verbose >"$T/out"
check "they are listed" grep -q '^web3: max-backlog = 700$' "$T/out"
echo x >"$T/tree/x"
check "wait" synced
check "umount" umount_tree

# without a configuration: those of the mount are gone, own ones stay
check "mount" mount_tree -o max-backlog=1000000
equal "$(options web2)" "" "the preset"
equal "$(options web3)" "max-backlog=700" "its own"
check "umount" umount_tree

# named by a mount, which has options for all only: what was set stays, with a
# configuration, too
check "mount" mount_tree --replica "web2=$T/replica2"
check "set" "$MIRRORFS" replica set "$T/tree" web2 exclude=/secret
check "umount" umount_tree
check "mount" mount_tree --replica "web2=$T/replica2"
equal "$(options web2)" "filter=- /secret" "as set, after a mount"
check "umount" umount_tree
check "mount" "$MIRRORFS" mount --config "$T/test.conf" \
	--replica "web2=$T/replica2"
equal "$(options web2)" "max-backlog=500 filter=- /secret" "with a configuration"
check "umount" umount_tree
check "mount" "$MIRRORFS" mount --config "$T/test.conf"
equal "$(options web2)" "max-backlog=500 filter=- /secret" "not named, but kept"
equal "$(options web1)" "max-backlog=600" "as configured again"
refuse "a wrong option" "$MIRRORFS" mount "$T" -o max-backlog=x 2>"$T/err"
exit 0
