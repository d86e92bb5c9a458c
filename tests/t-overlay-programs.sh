#!/bin/bash
# git clone and gc, and SQLite in WAL mode with several writers, on the mount,
# as root and as another user; the replicas' copies are whole.
. "$(dirname "$0")/functions.sh"
need git sqlite3
export HOME=$T GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=$T/gitconfig
git config --global user.email test@localhost
git config --global user.name test
git config --global --add safe.directory '*'
chmod 644 "$T/gitconfig"

mkdir "$T/origin"
git -C "$T/origin" init -q
for i in $(seq 1 60); do
	mkdir -p "$T/origin/d$((i % 7))"
	seq "$i" $((i * 30)) >"$T/origin/d$((i % 7))/f$i"
	git -C "$T/origin" add -A
	git -C "$T/origin" commit -qm "change $i"
done

pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
mkdir -m 777 "$T/tree/user"

# run_git FOLDER COMMAND-PREFIX...
run_git() {
	local dir=$1
	shift
	"$@" git clone -q "$T/origin" "$dir" || fail "clone"
	"$@" git -C "$dir" checkout -qb work || fail "branch"
	"$@" sh -c "echo more >>'$dir/d1/f1'; rm '$dir/d2/f2'"
	"$@" git -C "$dir" commit -qam more || fail "commit"
	"$@" git -C "$dir" repack -adq || fail "repack"
	"$@" git -C "$dir" gc -q --prune=now || fail "gc"
	"$@" git -C "$dir" fsck --full >/dev/null 2>&1 || fail "fsck"
	equal "$("$@" git -C "$dir" status --porcelain)" "" "status"
}
run_git "$T/tree/clone"
run_git "$T/tree/user/clone" as_user

# insert_rows DATABASE N PREFIX... - one transaction a row
insert_rows() {
	local db=$1 n=$2
	shift 2
	{
		echo ".timeout 20000"
		echo "PRAGMA journal_mode=WAL;"
		seq 1 "$n" |
			sed 's/.*/INSERT INTO t VALUES (&, hex(randomblob(99)));/'
	} |
		"$@" sqlite3 "$db" >/dev/null
}
N=$(scaled 300)
for db in "$T/tree/test.db" "$T/tree/user/test.db"; do
	run=(env)
	[ "$db" = "$T/tree/test.db" ] || run=(as_user)
	"${run[@]}" sqlite3 "$db" \
		'PRAGMA journal_mode=WAL; CREATE TABLE t (a, b);' >/dev/null ||
		fail "create $db"
	insert_rows "$db" "$N" "${run[@]}" & a=$!
	insert_rows "$db" "$N" "${run[@]}" & b=$!
	wait $a && wait $b || fail "insert into $db"
	equal "$("${run[@]}" sqlite3 "$db" 'SELECT count(*) FROM t')" \
		$((N * 2)) "rows"
	equal "$("${run[@]}" sqlite3 "$db" 'PRAGMA integrity_check')" ok "check"
done

check "wait" synced
check "same" same "$T/replica1"
git -C "$T/replica1/clone" fsck --full >/dev/null 2>&1 ||
	fail "fsck on the replica"
equal "$(sqlite3 "$T/replica1/test.db" 'SELECT count(*) FROM t')" \
	$((N * 2)) "rows on the replica"
exit 0
