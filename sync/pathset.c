/*
 * One hash table with a node for each path in the set and for each of their
 * ancestors. An ancestor remembers the largest number below it, so both
 * directions are look-ups of prefixes: no path is copied to be looked for.
 */
#include "confdefs.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "paths.h"
#include "sync/pathset.h"

struct pathset_node {
	char *path;
	uint64_t own;   /* 0: only an ancestor */
	uint64_t below; /* largest `own` strictly below */
	UT_hash_handle hh;
};

static struct pathset_node *find(const struct pathset *s, const char *path,
				 size_t len)
{
	struct pathset_node *n;

	HASH_FIND(hh, s->nodes, path, len, n);
	return n;
}

static struct pathset_node *need(struct pathset *s, const char *path,
				 size_t len)
{
	struct pathset_node *n = find(s, path, len);

	if (n)
		return n;
	n = calloc(1, sizeof(*n));
	if (!n)
		abort();
	n->path = strndup(path, len);
	if (!n->path)
		abort();
	HASH_ADD_KEYPTR(hh, s->nodes, n->path, len, n);
	return n;
}

void pathset_put(struct pathset *s, const char *path, uint64_t number)
{
	size_t len = strlen(path);
	struct pathset_node *n = need(s, path, len);

	if (number > n->own)
		n->own = number;
	while (len > 0) {
		len = path_parent_len(path, len);
		n = need(s, path, len);
		if (number > n->below)
			n->below = number;
	}
}

uint64_t pathset_at(const struct pathset *s, const char *path)
{
	struct pathset_node *n = find(s, path, strlen(path));

	return n ? n->own : 0;
}

uint64_t pathset_cover(const struct pathset *s, const char *path)
{
	size_t len = strlen(path);
	uint64_t best = 0;

	if (!s->nodes)
		return 0;
	for (;;) {
		struct pathset_node *n = find(s, path, len);

		if (n && n->own > best)
			best = n->own;
		if (len == 0)
			return best;
		len = path_parent_len(path, len);
	}
}

uint64_t pathset_below(const struct pathset *s, const char *path)
{
	struct pathset_node *n = find(s, path, strlen(path));

	return n ? n->below : 0;
}

uint64_t pathset_related(const struct pathset *s, const char *path)
{
	uint64_t a = pathset_cover(s, path), b = pathset_below(s, path);

	return a > b ? a : b;
}

static void node_free(struct pathset *s, struct pathset_node *n)
{
	HASH_DEL(s->nodes, n);
	free(n->path);
	free(n);
}

void pathset_drop(struct pathset *s, uint64_t upto)
{
	struct pathset_node *n, *tmp;

	HASH_ITER(hh, s->nodes, n, tmp) {
		if (n->own <= upto)
			n->own = 0;
		if (n->below <= upto)
			n->below = 0;
		if (!n->own && !n->below)
			node_free(s, n);
	}
}

void pathset_done(struct pathset *s)
{
	struct pathset_node *n, *tmp;

	HASH_ITER(hh, s->nodes, n, tmp)
		node_free(s, n);
}
