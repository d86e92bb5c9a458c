/*
 * See owners.h. SFTP tells names of numbers (users-groups-by-id), not numbers
 * of names: so the numbers that are likely are asked for in bulk until the
 * name is found. First the same number as here, which is right most of the
 * time; then from 0 on, some at a time. More than the first 4096 are not tried:
 * each costs the server a look-up (a full search took 50 s on a busy machine).
 */
#include "confdefs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "sync/idmap.h"
#include "sync/owners.h"
#include "sync/remote/status.h"

#define SCAN_CHUNK 512
#define SCAN_AHEAD 4
#define SCAN_END   4096

enum kind { KIND_NUMERIC, KIND_NAME, KIND_MAP, KIND_FORCED, KIND_IGNORE };

struct owners {
	enum kind kind;
	char *asked;
	struct remote *remote;
	struct idmap maps[2]; /* by enum id_kind */
};

/* ---- asking ---- */

struct asking {
	struct owners *o;
	uint32_t ids[2][SCAN_CHUNK];
	uint32_t n[2];
	unsigned *pending;
	int *status;
};

static void named(void *arg, const struct remote_reply *reply)
{
	struct asking *a = arg;

	if (reply->status < 0)
		*a->status = reply->status;
	for (int k = 0; reply->status == 0 && k < 2; k++) {
		for (uint32_t i = 0; i < a->n[k] && i < reply->n_names[k]; i++)
			idmap_name(&a->o->maps[k], reply->names[k][i],
				   a->ids[k][i]);
	}
	--*a->pending;
	free(a);
}

static void ask(struct owners *o, const uint32_t *users, uint32_t n_users,
		const uint32_t *groups, uint32_t n_groups, unsigned *pending,
		int *status)
{
	struct asking *a = calloc(1, sizeof(*a));

	if (!a)
		abort();
	a->o = o;
	a->pending = pending;
	a->status = status;
	a->n[ID_USER] = n_users;
	a->n[ID_GROUP] = n_groups;
	memcpy(a->ids[ID_USER], users, n_users * sizeof(*users));
	memcpy(a->ids[ID_GROUP], groups, n_groups * sizeof(*groups));
	++*pending;
	remote_send_names(o->remote, users, n_users, groups, n_groups, named,
			  a);
}

static void ask_chunk(struct owners *o, enum id_kind kind, unsigned *pending,
		      int *status)
{
	uint32_t ids[SCAN_CHUNK];

	for (uint32_t i = 0; i < SCAN_CHUNK; i++)
		ids[i] = o->maps[kind].scanned + i;
	o->maps[kind].scanned += SCAN_CHUNK;
	ask(o, ids, kind == ID_USER ? SCAN_CHUNK : 0, ids,
	    kind == ID_GROUP ? SCAN_CHUNK : 0, pending, status);
}

/* find - the number of `name` there. 1, 0: none has it, or -ENOTCONN. */
static int find(struct owners *o, enum id_kind kind, const char *name,
		uint32_t *ret)
{
	struct idmap *m = &o->maps[kind];
	int status = 0;

	while (!idmap_find(m, name, ret) && m->scanned < SCAN_END) {
		unsigned pending = 0;
		for (int i = 0; i < SCAN_AHEAD && m->scanned < SCAN_END; i++)
			ask_chunk(o, kind, &pending, &status);
		while (pending > 0)
			remote_pump(o->remote, -1, -1);
		if (status < 0)
			return status == -ENOTCONN ? status : 0;
	}
	return idmap_find(m, name, ret);
}

/* same_number - ask for the name of the number that it has here. */
static int same_number(struct owners *o, enum id_kind kind, uint32_t id)
{
	unsigned pending = 0;
	int status = 0;

	ask(o, &id, kind == ID_USER, &id, kind == ID_GROUP, &pending, &status);
	while (pending > 0)
		remote_pump(o->remote, -1, -1);
	return status == -ENOTCONN ? status : 0;
}

/* ---- learning ---- */

static int learn(struct owners *o, enum id_kind kind, uint32_t id)
{
	struct idmap *m = &o->maps[kind];
	uint32_t there;
	int r = idmap_get(m, id, &there);

	if (r >= 0)
		return !r;
	if (o->kind == KIND_MAP) {
		idmap_put(m, id, m->any ? m->other : id, m->any);
		return !m->any;
	}
	CLEANUP_FREE char *name = NULL;
	r = id_name_here(kind, id, &name);
	if (r > 0)
		r = same_number(o, kind, id);
	if (r == 0 && name)
		r = find(o, kind, name, &there);
	if (r < 0)
		return r;
	idmap_put(m, id, r ? there : id, r);
	return !r;
}

int owners_learn(struct owners *o, uint32_t uid, uint32_t gid)
{
	if (o->kind != KIND_NAME && o->kind != KIND_MAP)
		return 0;
	int user = learn(o, ID_USER, uid);
	int group = user < 0 ? user : learn(o, ID_GROUP, gid);

	return group < 0 ? group : user | group;
}

bool owners_map(const struct owners *o, uint32_t uid, uint32_t gid,
		uint32_t *ret_uid, uint32_t *ret_gid)
{
	switch (o->kind) {
	case KIND_NUMERIC:
		*ret_uid = uid;
		*ret_gid = gid;
		return true;
	case KIND_FORCED:
		*ret_uid = o->maps[ID_USER].other;
		*ret_gid = o->maps[ID_GROUP].other;
		return true;
	case KIND_NAME:
	case KIND_MAP:
		return idmap_get(&o->maps[ID_USER], uid, ret_uid) >= 0 &&
		       idmap_get(&o->maps[ID_GROUP], gid, ret_gid) >= 0;
	default:
		return false;
	}
}

/* goes - it is the same one there, not a number that another one may have, nor
 * one for all the others. */
static bool goes(const struct owners *o, enum id_kind kind, uint32_t id)
{
	const struct idmap *m = &o->maps[kind];
	uint32_t there;

	if (o->kind != KIND_NAME && o->kind != KIND_MAP)
		return o->kind == KIND_NUMERIC;
	return idmap_get(m, id, &there) > 0 && !(m->any && there == m->other);
}

uint32_t owners_mode(const struct owners *o, const struct stat *st)
{
	uint32_t mode = st->st_mode & 07777;

	if (!S_ISREG(st->st_mode))
		return mode;
	if (!goes(o, ID_USER, st->st_uid))
		mode &= ~(uint32_t)S_ISUID;
	if (!goes(o, ID_GROUP, st->st_gid))
		mode &= ~(uint32_t)S_ISGID;
	return mode;
}

bool owners_carried(const struct owners *o)
{
	return o->kind != KIND_IGNORE;
}

const char *owners_asked(const struct owners *o)
{
	return o->asked;
}

/* ---- opening ---- */

static int no_names(struct remote_error *err, const char *what)
{
	return status_fail(
		err, REMOTE_OWNERS,
		"owner = %s: %s; use owner = map:FILE, or numbers", what,
		"the server tells no names (that takes OpenSSH 9.1, and "
		"/etc/passwd in its chroot)");
}

/* check_names - root has a name everywhere. */
static int check_names(struct owners *o, const char *what,
		       struct remote_error *err)
{
	uint32_t id;
	int r = 0;

	if (remote_caps(o->remote)->ext & EXT_USERS_GROUPS)
		r = find(o, ID_USER, "root", &id);
	if (r < 0)
		return status_fail(err, REMOTE_LOST, "%s",
				   remote_why(o->remote));
	return r ? 0 : no_names(err, what);
}

static int force_one(struct owners *o, enum id_kind kind, const char *name,
		     struct remote_error *err)
{
	struct idmap *m = &o->maps[kind];
	int r = 1;

	if (id_parse(name, &m->other))
		return 0;
	if (check_names(o, name, err) < 0)
		return -1;
	r = find(o, kind, name, &m->other);
	return r > 0 ? 0
		     : status_fail(err, REMOTE_OWNERS,
				   "owner = %s: the replica has no %s %s",
				   o->asked, kind == ID_USER ? "user" : "group",
				   name);
}

static int force(struct owners *o, struct remote_error *err)
{
	CLEANUP_FREE char *user = strdup(o->asked);
	char *colon = strchr(user, ':');

	if (colon)
		*colon = 0;
	const char *group = colon && colon[1] ? colon + 1 : user;
	if (!*user)
		return status_fail(err, REMOTE_OWNERS,
				   "owner = %s: no user is named", o->asked);
	o->kind = KIND_FORCED;
	return force_one(o, ID_USER, user, err) < 0 ||
			       force_one(o, ID_GROUP, group, err) < 0
		       ? -1
		       : 0;
}

/* map - and what was asked for is what the file says. */
static int map(struct owners *o, struct remote_error *err)
{
	char *asked = NULL, why[400];
	size_t len;
	FILE *told = open_memstream(&asked, &len);

	if (!told)
		abort();
	o->kind = KIND_MAP;
	fputs(o->asked, told);
	int r = idmap_load(o->maps, o->asked + 4, told, why, sizeof(why));
	if (fclose(told) != 0)
		abort();
	free(o->asked);
	o->asked = asked;
	return r == 0 ? 0
		      : status_fail(err, REMOTE_OWNERS, "owner = map: %s", why);
}

static int open_kind(struct owners *o, bool chown_ok, struct remote_error *err)
{
	const char *asked = o->asked;

	if (strcmp(asked, "ignore") == 0 || (!*asked && !chown_ok)) {
		o->kind = KIND_IGNORE;
		return 0;
	}
	if (!chown_ok)
		return status_fail(
			err, REMOTE_OWNERS,
			"owner = %s: the login may not change owners "
			"there: use owner = ignore, or log in as root",
			asked);
	if (!*asked || strcmp(asked, "numeric") == 0) {
		o->kind = KIND_NUMERIC;
		return 0;
	}
	if (strcmp(asked, "name") == 0) {
		o->kind = KIND_NAME;
		return check_names(o, "name", err);
	}
	return strncmp(asked, "map:", 4) == 0 ? map(o, err) : force(o, err);
}

int owners_open(const char *option, bool chown_ok, struct remote *r,
		struct owners **ret, struct remote_error *err)
{
	struct owners *o = calloc(1, sizeof(*o));

	if (!o || !(o->asked = strdup(option ? option : "")))
		abort();
	o->remote = r;
	if (open_kind(o, chown_ok, err) < 0) {
		owners_close(o);
		return -1;
	}
	*ret = o;
	return 0;
}

void owners_close(struct owners *o)
{
	if (!o)
		return;
	idmap_done(&o->maps[ID_USER]);
	idmap_done(&o->maps[ID_GROUP]);
	free(o->asked);
	free(o);
}
