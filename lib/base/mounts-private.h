#ifndef MIRRORFS_BASE_MOUNTS_PRIVATE_H
#define MIRRORFS_BASE_MOUNTS_PRIVATE_H

/* For mounts.c and mounts-*.c only: the lines of the mount table. */

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct mount {
	int id, parent;
	unsigned shared, master; /* its peer group; the one that it gets mounts
				  * from; 0: none */
	dev_t dev;
	bool read_only;
	char *root;  /* what of the file system is shown … */
	char *point; /* … and where */
	char *type;
	char *line; /* owned, holds the texts */
	size_t size;
};

/* mount_next - the next line into `m`, which begins as zeros and is of no use any
 * more when its line is freed; false at the end. */
bool mount_next(FILE *f, struct mount *m);

/* The whole table, in the order of the kernel, which says nothing about what lies
 * over what (Linux 6.8: the order in which they were made). mount_table_read - 0, or
 * a negative errno, and then not all of them are in it. */
struct mount_table {
	struct mount *all;
	unsigned n;
};
int mount_table_read(struct mount_table *t);
void mount_table_done(struct mount_table *t);
#define CLEANUP_MOUNTS __attribute__((cleanup(mount_table_done)))

/* mount_top - the topmost at `path`, or NULL; mount_by_id likewise. Borrowed. */
const struct mount *mount_top(const struct mount_table *t, const char *path);
const struct mount *mount_by_id(const struct mount_table *t, int id);
/* mount_id - the number of the mount that `fd` is on, or -1. */
int mount_id(int fd);
/* mount_list - add `item` to "a, b", or to none (NULL). */
void mount_list(char **list, const char *item);
bool mount_type_ours(const struct mount *m);

#endif
