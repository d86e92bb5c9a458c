/*
 * The names of an inode, and the tree path that follows from them. A name
 * points at its directory's inode, so the rename of a directory changes the
 * paths of all below it at once.
 */
#include "confdefs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fs/inode-private.h"

static struct name **name_at_locked(struct inode *i, const struct inode *dir,
				    const char *text)
{
	struct name **at = &i->names;
	while (*at && ((*at)->dir != dir || strcmp((*at)->text, text) != 0))
		at = &(*at)->next;
	return at;
}

static void name_free_locked(struct name *n)
{
	struct inode *dir = n->dir;
	free(n);
	inode_unref_locked(dir);
}

void inode_names_free_locked(struct inode *i)
{
	while (i->names) {
		struct name *n = i->names;
		i->names = n->next;
		name_free_locked(n);
	}
}

/* The name that was used last comes first: it is the one to be told. */
void inode_name_add_locked(struct inode *i, struct inode *dir, const char *text)
{
	if (i->names && !i->former && i->names->dir == dir &&
	    strcmp(i->names->text, text) == 0)
		return;
	if (i->former) {
		i->former = false;
		inode_names_free_locked(i);
	}
	struct name **at = name_at_locked(i, dir, text);
	struct name *n = *at;
	if (n) {
		*at = n->next;
	} else {
		size_t len = strlen(text) + 1;
		n = malloc(sizeof(*n) + len);
		if (!n)
			abort();
		n->dir = dir;
		dir->refs++;
		memcpy(n->text, text, len);
	}
	n->next = i->names;
	i->names = n;
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

/* path_locked - of `last` (NULL: nothing) below `i`. */
static char *path_locked(const struct inode *i, const char *last,
			 bool *ret_former)
{
	size_t len = last ? strlen(last) + 1 : 0;
	*ret_former = false;
	for (const struct inode *at = i; at->names; at = at->names->dir) {
		len += strlen(at->names->text) + 1;
		*ret_former |= at->former;
	}
	char *path = malloc(len ? len : 1);
	if (!path)
		abort();
	char *end = path + (len ? len - 1 : 0);
	*end = '\0';
	while (last) {
		size_t n = strlen(last);
		memcpy(end -= n, last, n);
		last = NULL;
		if (i->names) {
			*--end = '/';
			last = i->names->text;
			i = i->names->dir;
		}
	}
	return path;
}

char *inode_path(const struct inode *i, bool *ret_former)
{
	pthread_mutex_lock(&inodes_lock);
	char *path = i->names ? path_locked(i->names->dir, i->names->text,
					    ret_former)
			      : path_locked(i, NULL, ret_former);
	*ret_former |= i->former;
	pthread_mutex_unlock(&inodes_lock);
	return path;
}

char *inode_path_of(const struct inode *dir, const char *name)
{
	bool former;
	pthread_mutex_lock(&inodes_lock);
	char *path = path_locked(dir, name, &former);
	pthread_mutex_unlock(&inodes_lock);
	return path;
}
