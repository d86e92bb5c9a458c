/*
 * The tables of STATE/journal.db.
 *
 * An administrator may look into them with sqlite3(1) (read only!), so names
 * and units are plain: times are nanoseconds since 1970, sizes are bytes,
 * *seq* is as in record.h (epoch in the upper 24 bits: seq >> 40). Paths are
 * tree paths (no slash in front) and hold the bytes of the file system as
 * they are, UTF-8 or not: compare them, do not use LIKE. An object (*obj*) is
 * the file handle of the lower file system: its type in 4 bytes, big-endian,
 * then its bytes.
 *
 * PRAGMA user_version is the version of the format. A new database is made as
 * version 1 and then goes the same way as one that an older program left: the
 * tables that later versions brought are added, in one transaction. A version
 * only adds tables.
 *
 * Only a mount does that (JOURNAL_CREATE), when no other is alive that has the
 * database: a program that is older refuses it from then on, and processes of
 * a mount open it at any time, until the records of the umount. All of them
 * know the same format (shared_map). A newer program that finds an old database
 * cannot write to it; if it only reads, it has the missing tables as empty
 * temporary ones.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "cleanup.h"
#include "lib/journal/db.h"

/* clang-format off */
static const char schema_records[] =
/* Small named texts: uuid (names this journal for ever), epoch (of the newest
 * mount), name, root. */
"CREATE TABLE meta("
" key TEXT PRIMARY KEY,"
" value TEXT NOT NULL"
") STRICT, WITHOUT ROWID;"

/* Who made a change: one row for each combination that occurred. program is
 * /proc/PID/comm, title is /proc/PID/cmdline (FTP daemons put user and client
 * there); pid 0: the kernel, or not known. */
"CREATE TABLE who("
" id INTEGER PRIMARY KEY,"
" uid INTEGER NOT NULL,"
" gid INTEGER NOT NULL,"
" pid INTEGER NOT NULL,"
" program TEXT NOT NULL,"
" title TEXT NOT NULL,"
" UNIQUE(uid, gid, pid, program, title)"
") STRICT;"

/* What happened, in order. Within an epoch seq has no holes. */
"CREATE TABLE record("
" seq INTEGER PRIMARY KEY,"
" time_ns INTEGER NOT NULL,"  /* when it happened */
" op INTEGER NOT NULL,"       /* number of the operation, tbl/ops.h */
" flags INTEGER NOT NULL,"    /* enum record_flag of record.h */
" who INTEGER NOT NULL,"      /* who.id */
" obj BLOB,"                  /* object, NULL if there is none */
" path TEXT,"                 /* tree path when it happened */
" path2 TEXT,"                /* second path, target, name of attribute */
" mode INTEGER NOT NULL,"     /* type and permissions after the change */
" uid INTEGER NOT NULL,"      /* owner after the change */
" gid INTEGER NOT NULL,"
" size INTEGER NOT NULL,"     /* of the file after the change */
" ranges BLOB,"               /* what was written: pairs of offset and length,
                               * 8 bytes each, big-endian; NULL: not known */
" since INTEGER,"             /* `write`: seq of the `open` or `create` that
                               * began it */
" total INTEGER NOT NULL"     /* bytes written by this and all earlier records
                               * of `write` and `truncate`: the difference of
                               * two rows is what lies between them */
") STRICT;"

/* Files whose content is not settled: opened and written to, not closed. */
"CREATE TABLE dirty("
" obj BLOB PRIMARY KEY,"
" seq INTEGER NOT NULL,"      /* of the `open` or `create` */
" path TEXT NOT NULL,"        /* follows renames */
" gone INTEGER NOT NULL"      /* 1: its last name was removed meanwhile;
                               * + 2: in doubt since a `gap` */
") STRICT, WITHOUT ROWID;";

static const char schema_replicas[] =
/* One row a replica. cursor: all records up to it were dealt with; inflight:
 * those up to it may have been applied in part; seeded: the first copy is
 * complete. A removed one keeps its row for the history of deliveries. */
"CREATE TABLE replica("
" id INTEGER PRIMARY KEY AUTOINCREMENT,"
" name TEXT NOT NULL,"
" url TEXT NOT NULL,"
" identity TEXT,"
" known_hosts TEXT,"
" accept_new INTEGER NOT NULL,"
" adopt INTEGER NOT NULL,"
" paused INTEGER NOT NULL,"
" from_config INTEGER NOT NULL,"
" state INTEGER NOT NULL DEFAULT 0," /* enum replica_state */
" error TEXT,"                /* newest, NULL when all is well */
" error_ns INTEGER NOT NULL DEFAULT 0,"
" cursor INTEGER NOT NULL DEFAULT 0,"
" inflight INTEGER NOT NULL DEFAULT 0,"
" seeded INTEGER NOT NULL DEFAULT 0,"
" removed_ns INTEGER NOT NULL DEFAULT 0" /* 0: in use */
") STRICT;"
"CREATE UNIQUE INDEX replica_name ON replica(name) WHERE removed_ns = 0;"

/* When records reached a replica: those with from_seq < seq <= to_seq. */
"CREATE TABLE delivery("
" replica INTEGER NOT NULL,"
" to_seq INTEGER NOT NULL,"
" from_seq INTEGER NOT NULL,"
" time_ns INTEGER NOT NULL,"
" PRIMARY KEY(replica, to_seq)"
") STRICT, WITHOUT ROWID;"

/* Paths that could not be brought to a replica and are tried again; the
 * records at, below or above path with from_seq < seq <= seq are held back. */
"CREATE TABLE parked("
" replica INTEGER NOT NULL,"
" path TEXT NOT NULL,"
" from_seq INTEGER NOT NULL,"
" seq INTEGER NOT NULL,"
" error TEXT,"
" tries INTEGER NOT NULL,"
" first_ns INTEGER NOT NULL,"
" next_ns INTEGER NOT NULL,"  /* not tried again before */
" PRIMARY KEY(replica, path)"
") STRICT, WITHOUT ROWID;"

/* Paths that were parked and arrived in the end, at time_ns. One that was
 * renamed while it was parked is here with time_ns 0 until then, and with the
 * path in `parked` that it became. */
"CREATE TABLE late("
" replica INTEGER NOT NULL,"
" to_seq INTEGER NOT NULL,"
" path TEXT NOT NULL,"
" from_seq INTEGER NOT NULL,"
" time_ns INTEGER NOT NULL,"
" parked_as TEXT,"
" PRIMARY KEY(replica, to_seq, path)"
") STRICT, WITHOUT ROWID;"

/* The names that an object with several of them has on a replica. */
"CREATE TABLE link("
" replica INTEGER NOT NULL,"
" path TEXT NOT NULL,"
" obj BLOB NOT NULL,"
" PRIMARY KEY(replica, path)"
") STRICT, WITHOUT ROWID;"

/* Objects whose content on a replica is older than its cursor. */
"CREATE TABLE stale("
" replica INTEGER NOT NULL,"
" obj BLOB NOT NULL,"
" PRIMARY KEY(replica, obj)"
") STRICT, WITHOUT ROWID;"

/* Records up to seq that concern path are applied by comparing. */
"CREATE TABLE fence("
" replica INTEGER NOT NULL,"
" path TEXT NOT NULL,"
" seq INTEGER NOT NULL,"
" PRIMARY KEY(replica, path)"
") STRICT, WITHOUT ROWID;"

/* What SFTP cannot carry, counted by kind, with one example. */
"CREATE TABLE uncarried("
" replica INTEGER NOT NULL,"
" kind TEXT NOT NULL,"
" count INTEGER NOT NULL,"
" example TEXT,"
" PRIMARY KEY(replica, kind)"
") STRICT, WITHOUT ROWID;"

"PRAGMA user_version = 1;";

/* Tables that came with a later version, in the order of versions. */
static const struct schema_table {
	int version;
	const char *table;
} schema_later[] = {

/* Options given for a replica, and with replica 0 for all of them: see
 * tbl/replica-options.h. */
{2, "replica_option("
" replica INTEGER NOT NULL,"
" key TEXT NOT NULL,"
" value TEXT NOT NULL,"
" PRIMARY KEY(replica, key)"
") STRICT, WITHOUT ROWID"},

/* Why a path is parked: a word of tbl/causes.h. */
{3, "parked_cause("
" replica INTEGER NOT NULL,"
" path TEXT NOT NULL,"
" cause TEXT NOT NULL,"
" PRIMARY KEY(replica, path)"
") STRICT, WITHOUT ROWID"},

/* A first copy or comparison of everything that is under way: what happened
 * after seq is replayed behind it; the walk (names in the order of their
 * bytes, folders before what is in them) is done with all up to path. */
{4, "seed("
" replica INTEGER PRIMARY KEY,"
" seq INTEGER NOT NULL,"
" path TEXT,"
" started_ns INTEGER NOT NULL,"
" updated_ns INTEGER NOT NULL,"
" entries INTEGER NOT NULL,"  /* looked at so far */
" bytes INTEGER NOT NULL,"    /* in them */
" sent INTEGER NOT NULL,"     /* bytes that had to be sent */
" all_entries INTEGER NOT NULL," /* 0: not known */
" all_bytes INTEGER NOT NULL"
") STRICT"},

/* Files that are still on their way to a replica although its cursor has moved
 * past what told of them, the records with from_seq < seq <= seq. path follows
 * renames, as of the cursor. absent 1: the replica has nothing of it yet; 2:
 * nothing is being sent, as it was written again: the next record that settles
 * it will bring it. */
{5, "aside("
" replica INTEGER NOT NULL,"
" obj BLOB NOT NULL,"
" path TEXT NOT NULL,"
" from_seq INTEGER NOT NULL,"
" seq INTEGER NOT NULL,"
" time_ns INTEGER NOT NULL,"
" size INTEGER NOT NULL,"
" absent INTEGER NOT NULL,"
" PRIMARY KEY(replica, obj, path)"
") STRICT, WITHOUT ROWID"},

/* What the server of a replica can do: words of tbl/abilities.h, "yes" or
 * "no"; and owner-option, what the option `owner` said. */
{6, "replica_ability("
" replica INTEGER NOT NULL,"
" ability TEXT NOT NULL,"
" value TEXT NOT NULL,"
" PRIMARY KEY(replica, ability)"
") STRICT, WITHOUT ROWID"},

/* What a replica got after seq may not be on its disk yet, as it was much at
 * once: after a lost connection all of that is compared. 0: everything. */
{7, "unsafe("
" replica INTEGER PRIMARY KEY,"
" seq INTEGER NOT NULL"
") STRICT"},

/* What such a walk would delete on the replica, and is not to before it is
 * known how much that is. */
{8, "seed_guard("
" replica INTEGER PRIMARY KEY,"
" there INTEGER NOT NULL,"    /* entries that the replica has */
" extra INTEGER NOT NULL,"    /* of them the tree has not */
" listed INTEGER NOT NULL,"   /* 1: seed_extra has all of them, as paths */
" walked INTEGER NOT NULL,"   /* 1: the walk is over, they are to go */
" allowed INTEGER NOT NULL"   /* 1: the administrator wants it, many or not */
") STRICT"},
{8, "seed_extra("
" replica INTEGER NOT NULL,"
" path TEXT NOT NULL,"
" PRIMARY KEY(replica, path)"
") STRICT, WITHOUT ROWID"},

/* Of a replica for which no record is kept, or whose records are lost: what it has
 * not got may have been changed from since_ns on, until it was compared. */
{9, "forgotten("
" replica INTEGER PRIMARY KEY,"
" since_ns INTEGER NOT NULL"
") STRICT"},

/* At a clean unmount: objects that the journal knows, with their ctimes, until
 * the next mount has compared them: see stamps.h. dir: where a file was. */
{10, "stamp("
" obj BLOB PRIMARY KEY,"
" dir BLOB,"
" ctime_ns INTEGER NOT NULL"
") STRICT, WITHOUT ROWID"},

/* What mirrorfs reconcile asked for: that path (all of the tree: empty) be
 * compared with a replica and made equal, as soon as it has all records up to
 * seq. */
{11, "comparison("
" id INTEGER PRIMARY KEY AUTOINCREMENT,"
" replica INTEGER NOT NULL,"
" path TEXT NOT NULL,"
" checksum INTEGER NOT NULL,"  /* 1: contents, by reading them back */
" allowed INTEGER NOT NULL,"   /* 1: what the tree has not may be deleted */
" seq INTEGER NOT NULL,"
" asked_ns INTEGER NOT NULL,"
" begun_ns INTEGER NOT NULL DEFAULT 0,"
" ended_ns INTEGER NOT NULL DEFAULT 0," /* 0: it is still to be done */
" entries INTEGER NOT NULL DEFAULT 0,"  /* compared */
" differed INTEGER NOT NULL DEFAULT 0,"
" bytes_read INTEGER NOT NULL DEFAULT 0,"
" error TEXT"                  /* why it was not made equal, or NULL */
") STRICT"},

/* Objects that have a name, and of which a replica has nothing as of its cursor:
 * made open, not settled. */
{12, "absent("
" replica INTEGER NOT NULL,"
" obj BLOB NOT NULL,"
" shadow INTEGER NOT NULL,"    /* 1: something older may be at its name there */
" linked INTEGER NOT NULL,"    /* 1: it has more than one name */
" PRIMARY KEY(replica, obj)"
") STRICT, WITHOUT ROWID"},

};
/* clang-format on */
#define N_LATER	       (sizeof(schema_later) / sizeof(schema_later[0]))
#define SCHEMA_VERSION (schema_later[N_LATER - 1].version)

/* make_uuid - a random one (version 4), as text. */
static int make_uuid(char out[37])
{
	uint8_t b[16];
	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		return -EIO;
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	char *o = out;
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*o++ = '-';
		o += snprintf(o, 3, "%02x", b[i]);
	}
	return 0;
}

static int schema_fill(struct journal *j)
{
	char uuid[37];
	int r = make_uuid(uuid);
	if (r == 0)
		r = db_script(j, schema_records);
	if (r == 0)
		r = db_script(j, schema_replicas);
	if (r == 0)
		r = journal_meta_set(j, "uuid", uuid);
	return r;
}

int schema_create(struct journal *j)
{
	int64_t version;
	int r = db_number(j, &version, 0, "PRAGMA user_version", "");
	if (r < 0 || version > 0)
		return r;
	r = journal_transaction_begin(j);
	if (r < 0)
		return r;
	/* somebody else may have been faster */
	r = db_number(j, &version, 0, "PRAGMA user_version", "");
	if (r == 0 && version == 0)
		r = schema_fill(j);
	return journal_transaction_close(j, r);
}

/* schema_add - what came after `version`, in the database or as if it were. */
static int schema_add(struct journal *j, int64_t version, bool temporary)
{
	char sql[4096];
	int r = 0;
	for (size_t i = 0; r == 0 && i < N_LATER; i++) {
		if (schema_later[i].version <= version)
			continue;
		snprintf(sql, sizeof(sql), "CREATE %s TABLE %s",
			 temporary ? "TEMP" : "", schema_later[i].table);
		r = db_script(j, sql);
	}
	return r;
}

static int schema_step(struct journal *j)
{
	char sql[64];
	int64_t version;
	/* somebody else may have been faster */
	int r = db_number(j, &version, 0, "PRAGMA user_version", "");
	if (r < 0 || version >= SCHEMA_VERSION)
		return r;
	r = schema_add(j, version, false);
	snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", SCHEMA_VERSION);
	return r < 0 ? r : db_script(j, sql);
}

int schema_upgrade(struct journal *j)
{
	int64_t version;
	int r = db_number(j, &version, 0, "PRAGMA user_version", "");
	if (r < 0 || version == 0 || version >= SCHEMA_VERSION)
		return r;
	r = journal_transaction_begin(j);
	if (r < 0)
		return r;
	r = schema_step(j);
	return journal_transaction_close(j, r);
}

int schema_version(void)
{
	return SCHEMA_VERSION;
}

/* check_version - of a database that is not to be changed. */
static int check_version(struct journal *j, int64_t version)
{
	if (version == 0) {
		snprintf(j->error, sizeof(j->error), "there is no journal yet");
		return -ENOENT;
	}
	bool newer = version > SCHEMA_VERSION;
	if (version == SCHEMA_VERSION || (j->reads && !newer))
		return 0;
	snprintf(j->error, sizeof(j->error),
		 "it was made by %s mirrorfs (format %lld, known is %d)%s",
		 newer ? "a newer" : "an older", (long long)version,
		 SCHEMA_VERSION,
		 newer ? "" : ": the next mount brings it up to date");
	return -EOPNOTSUPP;
}

int schema_check(struct journal *j)
{
	int64_t version;
	int r = db_number(j, &version, 0, "PRAGMA user_version", "");
	if (r == 0)
		r = check_version(j, version);
	if (r == 0)
		r = schema_add(j, version, true);
	if (r < 0)
		return r;
	CLEANUP_FREE char *uuid = NULL;
	r = journal_meta_get(j, "uuid", &uuid);
	if (r == 0 && (!uuid || strlen(uuid) != 36)) {
		snprintf(j->error, sizeof(j->error), "its uuid is missing");
		r = -EUCLEAN;
	}
	if (r == 0)
		memcpy(j->uuid, uuid, sizeof(j->uuid));
	return r;
}
