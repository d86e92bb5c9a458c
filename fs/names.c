/*
 * The names of an inode, and the tree path that follows from them. A name
 * points at its directory's inode, so the rename of a directory changes the
 * paths of all below it at once.
 *
 * Names are kept for the next worker, in tables by length. A name belongs to
 * its inode from the moment on at which it says so; killed before, it is
 * dropped later.
 */
#include "confdefs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fs/inode-private.h"
#include "fs/kept.h"
#include "paths.h"

static struct slots *tables[NAME_TABLES]; /* constant while we run */
static uint32_t newest;			  /* LOCK_inodes: the last stamp */

/* What a table holds, with the final 0: 255 is the longest there can be. */
static const uint16_t text_bytes[NAME_TABLES] = {20, 36, 84, 260};

size_t name_bytes(unsigned table)
{
	return offsetof(struct name, text) + text_bytes[table];
}

static struct slots *table_for(const char *text)
{
	unsigned t = 0;
	while (t < NAME_TABLES - 1 && strlen(text) >= text_bytes[t])
		t++;
	return tables[t];
}

int names_start(void)
{
	int r = 0;
	for (unsigned t = 0; r == 0 && t < NAME_TABLES; t++)
		r = kept_slots(KEPT_NAMES + t, &tables[t]);
	newest = 0;
	return r;
}

void names_stop(void)
{
	for (unsigned t = 0; t < NAME_TABLES; t++) {
		slots_close(tables[t]);
		tables[t] = NULL;
	}
}

/* ---- an earlier process's ---- */

static struct slots *restoring; /* one thread, at the start */

static void name_restore(void *item)
{
	struct name *n = item;
	struct inode *i = inode_get(n->owner), *dir = inode_get(n->dir);
	if (!i || !dir) { /* its text may be half of what it was to be */
		slots_drop(restoring, slots_number(n));
		return;
	}
	struct name **at = &i->names;
	while (*at && (*at)->stamp > n->stamp)
		at = &(*at)->next;
	n->next = *at;
	*at = n;
	dir->refs++;
	if (n->stamp > newest)
		newest = n->stamp;
}

void names_restore(void)
{
	for (unsigned t = 0; t < NAME_TABLES; t++) {
		restoring = tables[t];
		slots_each(restoring, name_restore);
	}
}

/* ---- one more, one less ---- */

static struct name **name_at_locked(struct inode *i, const struct inode *dir,
				    const char *text)
{
	struct name **at = &i->names;
	while (*at && ((*at)->dir != dir->id || strcmp((*at)->text, text) != 0))
		at = &(*at)->next;
	return at;
}

static void name_free_locked(struct name *n)
{
	struct inode *dir = inode_get(n->dir);
	slots_drop(table_for(n->text), slots_number(n));
	inode_unref_locked(dir);
}

void inode_names_free_locked(struct name **at)
{
	while (*at) {
		struct name *n = *at;
		*at = n->next;
		name_free_locked(n);
	}
}

static struct name *name_make_locked(struct inode *i, struct inode *dir,
				     const char *text)
{
	uint64_t id;
	struct name *n = strlen(text) < text_bytes[NAME_TABLES - 1]
				 ? slots_take(table_for(text), &id)
				 : NULL;
	if (!n)
		abort();
	n->dir = dir->id;
	dir->refs++;
	strcpy(n->text, text);
	n->stamp = ++newest;
	atomic_signal_fence(memory_order_seq_cst);
	n->owner = i->id;
	return n;
}

/* is_above_locked - or the same. What nobody refers to has nothing below it. */
static bool is_above_locked(const struct inode *i, const struct inode *dir)
{
	while (i->type == S_IFDIR && i->refs > 0 && dir != i && dir->names)
		dir = inode_get(dir->names->dir);
	return dir == i;
}

/*
 * The name that was used last comes first: it is the one to be told. A folder has
 * just that one: who swaps it with one below it around the mount shall not make a
 * circle of names, in which a path never ends.
 */
bool inode_name_add_locked(struct inode *i, struct inode *dir, const char *text)
{
	if (i->names && !i->former && i->names->dir == dir->id &&
	    strcmp(i->names->text, text) == 0)
		return true;
	if (is_above_locked(i, dir))
		return false;
	struct name **at = name_at_locked(i, dir, text);
	struct name *n = *at;
	if (n) {
		*at = n->next;
		n->stamp = ++newest;
	} else {
		n = name_make_locked(i, dir, text);
	}
	if (i->former) {
		inode_names_free_locked(&i->names);
		i->former = false;
	}
	n->next = i->names;
	i->names = n;
	if (i->type == S_IFDIR)
		inode_names_free_locked(&n->next);
	return true;
}

void inode_name_add(struct inode *i, struct inode *dir, const char *name)
{
	pthread_mutex_lock(&inodes_lock);
	inode_name_add_locked(i, dir, name);
	pthread_mutex_unlock(&inodes_lock);
}

void inode_name_del(struct inode *i, struct inode *dir, const char *text)
{
	pthread_mutex_lock(&inodes_lock);
	struct name **at = name_at_locked(i, dir, text);
	struct name *n = *at;
	if (n && !i->former) {
		if (i->names == n && !n->next) {
			i->former = true;
		} else {
			*at = n->next;
			name_free_locked(n);
		}
	}
	pthread_mutex_unlock(&inodes_lock);
}

/* above_locked - bytes of the path of `i`, with a slash behind. */
static size_t above_locked(const struct inode *i, bool *ret_former)
{
	size_t len = 0;
	*ret_former = false;
	for (; i->names; i = inode_get(i->names->dir)) {
		len += strlen(i->names->text) + 1;
		*ret_former |= i->former;
	}
	return len;
}

/* path_locked - of `last` (NULL: nothing) below `i`; of a folder above when
 * that one is too long already (path_is_long). */
static char *path_locked(const struct inode *i, const char *last,
			 bool *ret_former)
{
	size_t len = above_locked(i, ret_former);
	for (; len > PATH_LONG; i = inode_get(i->names->dir)) {
		last = i->names->text;
		len -= strlen(last) + 1;
	}
	len += last ? strlen(last) : 0;
	char *path = malloc(len + 1);
	if (!path)
		abort();
	char *end = path + len;
	*end = '\0';
	while (last) {
		size_t n = strlen(last);
		memcpy(end -= n, last, n);
		last = NULL;
		if (i->names) {
			*--end = '/';
			last = i->names->text;
			i = inode_get(i->names->dir);
		}
	}
	return path;
}

char *inode_path(const struct inode *i, bool *ret_former)
{
	pthread_mutex_lock(&inodes_lock);
	char *path = i->names ? path_locked(inode_get(i->names->dir),
					    i->names->text, ret_former)
			      : path_locked(i, NULL, ret_former);
	*ret_former |= i->former;
	pthread_mutex_unlock(&inodes_lock);
	return path;
}

bool inode_parent(const struct inode *i, struct fhandle *ret)
{
	pthread_mutex_lock(&inodes_lock);
	bool named = i->names && !i->former;
	if (named) /* the handle of a directory that is referred to stays */
		inode_handle(inode_get(i->names->dir), ret);
	pthread_mutex_unlock(&inodes_lock);
	return named;
}

char *inode_spare(const struct inode *i, uint64_t *ret_dir)
{
	char *name = NULL;
	pthread_mutex_lock(&inodes_lock);
	if (i->type != S_IFDIR && i->refs == 1 && i->names && !i->former) {
		*ret_dir = i->names->dir;
		name = strdup(i->names->text);
	}
	pthread_mutex_unlock(&inodes_lock);
	return name;
}

char *inode_path_of(const struct inode *dir, const char *name)
{
	bool former;
	pthread_mutex_lock(&inodes_lock);
	char *path = path_locked(dir, name, &former);
	pthread_mutex_unlock(&inodes_lock);
	return path;
}
