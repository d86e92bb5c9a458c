#!/bin/bash
# Work from life, all at the same time: a CMS is installed and upgraded, git
# pulls, rsync brings releases, galleries and a video come by FTP, logs grow
# and rotate, a database is written, editors save. The replicas end equal, and
# never show a part of what was uploaded under its name.
. "$(dirname "$0")/functions.sh"
expect_races
need vsftpd lftp curl git rsync sqlite3
FTPUSER=mfs-work-$$
ROUNDS=${SOAK:-1}
FILES=$(scaled 60)
SITE=$((FILES * 3)) # files of the site in git
[ -z "${SOAK:-}" ] || SITE=$((FILES * 50))

ssh_replicas 1
mkdir "$T/replica2"
check "mount" mount_tree "${REPLICAS[@]}" --replica "r2=$T/replica2"
W=$T/tree
mkdir "$W/ftp" "$W/logs" "$W/db"
ftpd_start "$T/ftpd" "$W/ftp" "$FTPUSER" || fail "vsftpd does not start"
chown "$FTPUSER" "$W/ftp"
export GIT_CONFIG_NOSYSTEM=1 HOME=$T GIT_CONFIG_GLOBAL=$T/gitconfig
git config --global user.email a@example.org
git config --global user.name a
git config --global gc.auto 0

# release FOLDER VERSION - a tree of small files, with names that hang together
release() {
	local i d
	for ((i = 0; i < FILES; i++)); do
		d=$1/wp-$((i % 7))/inc$((i % 5))
		mkdir -p "$d" && printf 'version %s of %d\n%*s' "$2" "$i" \
			$((i % 100 * 37)) x >"$d/file$i.php" || return 1
	done
	ln "$1/wp-0/inc0/file0.php" "$1/wp-1/linked.php" &&
		ln -s wp-0/inc0 "$1/current" && touch -d 2020-02-02 "$1/wp-2"
}

cms() {
	local i
	for ((i = 1; i <= ROUNDS * 2; i++)); do
		rm -rf "$T/cms" && mkdir "$T/cms" && release "$T/cms" "$i" &&
			tar -C "$T/cms" -cf "$T/cms.tar" . && mkdir "$W/cms-new" &&
			tar -C "$W/cms-new" -xf "$T/cms.tar" &&
			chown -R 33:33 "$W/cms-new" &&
			chmod -R g-w,o-w "$W/cms-new" || return 1
		[ ! -d "$W/cms" ] || mv "$W/cms" "$W/cms-old" || return 1
		mv "$W/cms-new" "$W/cms" && rm -rf "$W/cms-old" || return 1
		mkdir -p "$W/cms/uploads" && echo "$i" >"$W/cms/uploads/$i" ||
			return 1
	done
}

# blog_plugin N VERSION - unpacked beside, the old one removed, moved into place
blog_plugin() {
	local new=$W/blog/wp-content/upgrade/p$1 old=$W/blog/wp-content/plugins/p$1
	mkdir "$new" "$new/inc" && echo "plugin $1 $2" >"$new/main.php" &&
		printf '%*s' $((RANDOM % 9000)) "$2" >"$new/inc/$2.js" &&
		rm -rf "$old" && mv "$new" "$old"
}
# blog_upload NAME - it comes as another file, and gets its thumbnails
blog_upload() {
	local size up=$W/blog/wp-content/uploads/2026/11
	"$HELPERS/blob" write "$up/php$1.tmp" "$SEED" 90000 &&
		mv "$up/php$1.tmp" "$up/$1.jpg" && chmod 644 "$up/$1.jpg" ||
		return 1
	for size in 150x150 300x200 1024x683; do
		"$HELPERS/blob" write "$up/$1-$size.jpg" "$SEED" $((${size%x*} * 50)) ||
			return 1
	done
}
# blog_cache - pages under a temporary name, some of them; then all are purged
blog_cache() {
	local i d=$W/blog/wp-content/cache
	rm -rf "$d" && mkdir "$d" || return 1
	for i in {1..9}; do
		mkdir -p "$d/page$i" && echo "$RANDOM" >"$d/page$i/index.tmp" &&
			mv "$d/page$i/index.tmp" "$d/page$i/index.html" || return 1
	done
}
# blog_core VERSION - unpacked beside, then written over what is there, file by
# file, while the site says that it is closed
blog_core() {
	local f new=$W/blog/wp-content/upgrade/core
	rm -rf "$T/unpacked" && mkdir "$T/unpacked" && release "$T/unpacked" "$1" &&
		echo "only here" >"$T/unpacked/wp-$(($1 % 7))/only-$1.php" &&
		mkdir "$new" && cp -r "$T/unpacked/." "$new" &&
		echo '<?php $upgrading = 1;' >"$W/blog/.maintenance" || return 1
	(cd "$new" && find . -type d -exec mkdir -p "$W/blog/{}" \; &&
		find . -type f | while read -r f; do
			cat "$f" >"$W/blog/$f" && chmod 644 "$W/blog/$f" || exit 1
		done) || return 1
	rm -f "$W"/blog/wp-*/"only-$(($1 - 1)).php" &&
		rm -rf "$new" "$W/blog/.maintenance"
}
blog() {
	local i p
	mkdir -p "$W/blog/wp-content"/{plugins,upgrade,uploads/2026/11} &&
		blog_core 0 && echo "salt $RANDOM" >"$W/blog/wp-config.php" &&
		chmod 640 "$W/blog/wp-config.php" &&
		chown -R 33:33 "$W/blog" || return 1
	for ((i = 1; i <= ROUNDS * 2; i++)); do
		for p in 1 2 3; do
			blog_plugin $p "$i" && blog_upload "$i-$p" &&
				blog_cache || return 1
		done
		blog_core "$i" || return 1
	done
}

git_site() {
	local i b FILES=$SITE
	git init -q --bare "$T/origin.git" && git init -q "$T/dev" &&
		release "$T/dev" 0 && git -C "$T/dev" add -A &&
		git -C "$T/dev" commit -qm first &&
		git -C "$T/dev" push -q "$T/origin.git" HEAD:main &&
		git clone -q -b main "$T/origin.git" "$W/site" || return 1
	for ((i = 1; i <= ROUNDS * 2; i++)); do
		sed -i "s/version/version $i/" "$T"/dev/wp-[12]/inc*/*.php &&
			rm -rf "$T/dev/wp-$((3 + i % 4))" && git -C "$T/dev" add -A &&
			git -C "$T/dev" commit -qm "$i" &&
			git -C "$T/dev" push -q "$T/origin.git" HEAD:main &&
			git -C "$W/site" pull -q || return 1
		b=branch$i
		git -C "$W/site" checkout -q -b "$b" HEAD~1 &&
			git -C "$W/site" checkout -q main &&
			git -C "$W/site" gc -q || return 1
	done
}

rsync_release() {
	local i how
	for ((i = 1; i <= ROUNDS; i++)); do
		for how in "" --inplace --delay-updates; do
			rm -rf "$T/rel" && mkdir "$T/rel" &&
				release "$T/rel" "$i$how" &&
				rm -rf "$T/rel/wp-$((RANDOM % 7))" || return 1
			# shellcheck disable=SC2086
			rsync -aH --delete $how "$T/rel/" "$W/release/" ||
				return 1
		done
	done
}

# under a temporary name, as clients do; and a large one, slowly
gallery() {
	local i commands=()
	mkdir "$T/pictures" || return 1
	for ((i = 0; i < FILES / 3 * ROUNDS; i++)); do
		"$HELPERS/blob" write "$T/pictures/$i.blob" $((SEED + i)) \
			$((i * 5000 + 100)) || return 1
		commands+=("put '$T/pictures/$i.blob' -o album/.in.$i.part"
			"mv album/.in.$i.part album/$((i % 10)).blob")
	done
	ftp_run "mkdir album" "${commands[@]}"
}
video() {
	"$HELPERS/blob" write "$T/video" "$SEED" "$(scaled 8000000)" &&
		curl -sS --max-time 120 --limit-rate 4M -T "$T/video" \
			--user "$FTPD_USER:$FTPD_PASS" \
			"ftp://127.0.0.1:$FTPD_PORT/video.blob"
}

appender() {
	local i
	for ((i = 0; i < FILES * ROUNDS; i++)); do
		printf 'writer %d line %d\n' "$1" "$i" >>"$W/logs/access" ||
			return 1
	done
}
rotate() {
	local i
	for ((i = 0; i < 5 * ROUNDS; i++)); do
		exec 5>>"$W/logs/error" && echo "before $i" >&5 &&
			mv "$W/logs/error" "$W/logs/error.1" &&
			echo "late $i" >&5 && exec 5>&- || return 1
		mv "$W/logs/access" "$W/logs/access.1" 2>/dev/null
		[ ! -e "$W/logs/access.1" ] || gzip -fk "$W/logs/access.1" ||
			return 1
	done
}

database() {
	local i sql='PRAGMA journal_mode=WAL; CREATE TABLE p(id, text);'
	for ((i = 0; i < 100 * ROUNDS; i++)); do
		sql+="INSERT INTO p VALUES($i, hex(randomblob(200)));"
		[ $((i % 30)) != 29 ] || sql+="PRAGMA wal_checkpoint;
			DELETE FROM p WHERE id % 3 = 0; VACUUM;"
	done
	sqlite3 "$W/db/cms.db" "$sql" >/dev/null
}

editor() {
	local i f=$W/page.html
	for ((i = 0; i < 15 * ROUNDS; i++)); do
		echo "line $i" >"$f" && sed -i "s/line/Line/" "$f" &&
			mv "$f" "$f~" && cp -p "$f~" "$f" && echo more >>"$f" &&
			rm "$f~" && chmod 6$((RANDOM % 8))4 "$f" || return 1
	done
}

# nothing but whole files is ever served
watcher() {
	local r
	until [ -e "$T/stop" ]; do
		for r in "$T/replica1" "$T/replica2"; do
			find "$r/ftp" -name '*.blob' -print0 2>/dev/null |
				xargs -0r "$HELPERS/blob" check \
					>>"$T/watched" 2>&1
		done
	done
}

watcher &
watching=$!
jobs=()
for job in cms blog git_site rsync_release gallery video "appender 1" \
	"appender 2" "appender 3" rotate database editor; do
	$job >"$T/out.${job// /}" 2>&1 &
	jobs+=("$!:$job")
done
for job in "${jobs[@]}"; do
	wait "${job%%:*}" || { tail "$T"/out.*; fail "${job#*:}"; }
done
check "wait" synced
touch "$T/stop"
wait $watching
[ ! -s "$T/watched" ] || { head "$T/watched"; fail "a part was served"; }
for r in 1 2; do
	check "replica $r" same "$T/replica$r"
	equal "$(sqlite3 -readonly "$T/replica$r/db/cms.db" \
		"PRAGMA integrity_check")" ok "database on replica $r"
	equal "$(stat -c %h "$T/replica$r/cms/wp-1/linked.php")" 2 "links"
	refuse "a closed site" test -e "$T/replica$r/blog/.maintenance"
	git -C "$T/replica$r/site" -c safe.directory='*' fsck >"$T/fsck" 2>&1 ||
		{ cat "$T/fsck"; fail "git on replica $r"; }
	"$HELPERS/blob" check "$T/replica$r/ftp/video.blob" || fail "video"
done
equal "$("$MIRRORFS" status "$T/tree" --json |
	jq '[.replicas[].parked] | add')" 0 "parked paths"
exit 0
