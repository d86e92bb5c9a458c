/* See textset.h. */
#include "confdefs.h"

#include <stdlib.h>
#include <string.h>

#include "paths.h"
#include "sync/textset.h"

struct text_set *set_add(struct text_set **set, const char *text)
{
	struct text_set *t;

	HASH_FIND_STR(*set, text, t);
	if (t)
		return t;
	t = calloc(1, sizeof(*t));
	if (!t)
		abort();
	t->text = strdup(text);
	HASH_ADD_KEYPTR(hh, *set, t->text, strlen(t->text), t);
	return t;
}

void set_del(struct text_set **set, struct text_set *t)
{
	HASH_DEL(*set, t);
	free(t->text);
	free(t->example);
	free(t);
}

void set_clear(struct text_set **set)
{
	struct text_set *t, *tmp;

	HASH_ITER(hh, *set, t, tmp)
	set_del(set, t);
}

static int text_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

unsigned set_list(struct text_set *set, bool top, char ***ret)
{
	unsigned n = 0, kept = 0;
	struct text_set *t, *tmp;
	char **list = calloc(HASH_COUNT(set) + 1, sizeof(char *));

	if (!list)
		abort();
	HASH_ITER(hh, set, t, tmp)
	list[n++] = strdup(t->text);
	qsort(list, n, sizeof(*list), text_order);
	for (unsigned i = 0; i < n; i++) {
		bool covered = false;
		for (unsigned k = kept; top && k > 0 && !covered; k--)
			covered = path_is_below(list[i], list[k - 1]);
		if (covered)
			free(list[i]);
		else
			list[kept++] = list[i];
	}
	*ret = list;
	return kept;
}
