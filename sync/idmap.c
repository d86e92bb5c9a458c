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

char *id_name_here(enum id_kind kind, uint32_t id)
{
	CLEANUP_FREE char *room = malloc(NSS_BYTES);
	struct passwd pw, *user = NULL;
	struct group gr, *group = NULL;

	if (!room)
		abort();
	if (kind == ID_USER)
		getpwuid_r(id, &pw, room, NSS_BYTES, &user);
	else
		getgrgid_r(id, &gr, room, NSS_BYTES, &group);
	return user    ? strdup(user->pw_name)
	       : group ? strdup(group->gr_name)
		       : NULL;
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

bool id_number_here(enum id_kind kind, const char *name, uint32_t *ret)
{
	CLEANUP_FREE char *room = malloc(NSS_BYTES);
	struct passwd pw, *user = NULL;
	struct group gr, *group = NULL;

	if (!room)
		abort();
	if (id_parse(name, ret))
		return true;
	if (kind == ID_USER)
		getpwnam_r(name, &pw, room, NSS_BYTES, &user);
	else
		getgrnam_r(name, &gr, room, NSS_BYTES, &group);
	if (user)
		*ret = user->pw_uid;
	if (group)
		*ret = group->gr_gid;
	return user || group;
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
	if (!id_number_here(kind, name, &here))
		return "no such name on this machine";
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
