/* See idmap.h. */
#include "confdefs.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

#include "cleanup.h"
#include "sync/idmap.h"

#define NSS_BYTES 65536
#define NSS_MAX	  (16u << 20)

struct id_pair {
	uint32_t here, there;
	bool known;
	UT_hash_handle hh;
};
struct id_name {
	char *name;
	uint32_t there;
	UT_hash_handle hh;
};

void idmap_done(struct idmap *m)
{
	struct id_pair *p, *p2;
	struct id_name *n, *n2;

	HASH_ITER(hh, m->pairs, p, p2)
	{
		HASH_DEL(m->pairs, p);
		free(p);
	}
	HASH_ITER(hh, m->names, n, n2)
	{
		HASH_DEL(m->names, n);
		free(n->name);
		free(n);
	}
	*m = (struct idmap){0};
}

void idmap_put(struct idmap *m, uint32_t here, uint32_t there, bool known)
{
	struct id_pair *p;

	HASH_FIND(hh, m->pairs, &here, sizeof(here), p);
	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			abort();
		p->here = here;
		HASH_ADD(hh, m->pairs, here, sizeof(here), p);
	}
	p->there = there;
	p->known = known;
}

int idmap_get(const struct idmap *m, uint32_t here, uint32_t *ret)
{
	struct id_pair *p;

	HASH_FIND(hh, m->pairs, &here, sizeof(here), p);
	if (p)
		*ret = p->there;
	return p ? p->known : -1;
}

void idmap_name(struct idmap *m, const char *name, uint32_t there)
{
	uint32_t have;

	if (!*name || idmap_find(m, name, &have))
		return;
	struct id_name *n = calloc(1, sizeof(*n));
	if (!n || !(n->name = strdup(name)))
		abort();
	n->there = there;
	HASH_ADD_KEYPTR(hh, m->names, n->name, strlen(n->name), n);
}

bool idmap_find(const struct idmap *m, const char *name, uint32_t *ret)
{
	struct id_name *n;

	HASH_FIND_STR(m->names, name, n);
	if (n)
		*ret = n->there;
	return n;
}

/* ---- this machine ---- */

struct entry {
	struct passwd pw, *user;
	struct group gr, *group;
	char *room; /* owned */
};

static int entry_ask(struct entry *e, enum id_kind kind, const char *name,
		     uint32_t id, size_t size)
{
	if (kind == ID_USER && name)
		return getpwnam_r(name, &e->pw, e->room, size, &e->user);
	if (kind == ID_USER)
		return getpwuid_r(id, &e->pw, e->room, size, &e->user);
	if (name)
		return getgrnam_r(name, &e->gr, e->room, size, &e->group);
	return getgrgid_r(id, &e->gr, e->room, size, &e->group);
}

/* is_here - nothing that a replica would say. */
static bool is_here(int error)
{
	return error == ERANGE || error == EMFILE || error == ENFILE ||
	       error == ENOMEM;
}

/* entry_get - by `name`, or else by `id`. 1, 0: there is none, or a negative
 * errno: nobody can tell now. No error of glibc says that there is none, whatever
 * getpwuid_r(3) warns of: ENOENT is nslcd, or the socket of sssd, that is not
 * there. A group is as large as its list of members. */
static int entry_get(struct entry *e, enum id_kind kind, const char *name,
		     uint32_t id)
{
	size_t size = NSS_BYTES;
	int error;

	do {
		free(e->room);
		e->room = malloc(size);
		if (!e->room)
			abort();
		error = entry_ask(e, kind, name, id, size);
		size *= 4;
	} while (error == ERANGE && size <= NSS_MAX);
	if (e->user || e->group)
		return 1;
	return error == 0 ? 0 : is_here(error) ? -error : -EIO;
}

int id_name_here(enum id_kind kind, uint32_t id, char **ret)
{
	struct entry e = {0};
	int r = entry_get(&e, kind, NULL, id);

	*ret = r > 0 ? strdup(e.user ? e.user->pw_name : e.group->gr_name)
		     : NULL;
	free(e.room);
	return r;
}

bool id_parse(const char *text, uint32_t *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	if (*end || errno || n >= UINT32_MAX) /* -1 is none */
		return false;
	*ret = (uint32_t)n;
	return true;
}

int id_number_here(enum id_kind kind, const char *name, uint32_t *ret)
{
	struct entry e = {0};

	if (id_parse(name, ret))
		return 1;
	int r = entry_get(&e, kind, name, 0);
	if (r > 0)
		*ret = e.user ? e.user->pw_uid : e.group->gr_gid;
	free(e.room);
	return r;
}

/* ---- the file ---- */

/* load_line - returns what is wrong with it, or NULL. */
static const char *load_line(struct idmap maps[2], char *line, FILE *told)
{
	char *save, *word = strtok_r(line, " \t\r\n", &save);
	char *name = word ? strtok_r(NULL, " \t\r\n", &save) : NULL;
	char *number = name ? strtok_r(NULL, " \t\r\n", &save) : NULL;
	enum id_kind kind;
	uint32_t here, there;

	if (!word)
		return NULL;
	if (strcmp(word, "user") == 0)
		kind = ID_USER;
	else if (strcmp(word, "group") == 0)
		kind = ID_GROUP;
	else
		return "a line is \"user NAME NUMBER\" or \"group NAME "
		       "NUMBER\"";
	if (!number || strtok_r(NULL, " \t\r\n", &save) ||
	    !id_parse(number, &there))
		return "NAME and a number are needed";
	if (strcmp(name, "*") == 0) {
		maps[kind].any = true;
		maps[kind].other = there;
		fprintf(told, "\n%d * %u", kind, there);
		return NULL;
	}
	int r = id_number_here(kind, name, &here);
	if (r <= 0)
		return r == 0 ? "no such name on this machine" : strerror(-r);
	idmap_put(&maps[kind], here, there, true);
	fprintf(told, "\n%d %u %u", kind, here, there);
	return NULL;
}

int idmap_load(struct idmap maps[2], const char *file, FILE *told, char *why,
	       unsigned size)
{
	CLEANUP_FREE char *line = NULL;
	const char *wrong = NULL;
	size_t room = 0;
	unsigned number = 0;
	FILE *f = fopen(file, "re");

	if (!f) {
		snprintf(why, size, "cannot read %s: %s", file,
			 strerror(errno));
		return -1;
	}
	while (!wrong && getline(&line, &room, f) >= 0) {
		line[strcspn(line, "#")] = 0;
		number++;
		wrong = load_line(maps, line, told);
	}
	bool broken = ferror(f); /* a folder can be opened */
	fclose(f);
	if (broken)
		snprintf(why, size, "cannot read %s", file);
	if (wrong)
		snprintf(why, size, "%s, line %u: %s", file, number, wrong);
	return wrong || broken ? -1 : 0;
}
