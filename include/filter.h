/* layer: base */
#ifndef MIRRORFS_FILTER_H
#define MIRRORFS_FILTER_H

/*
 * Filters: which paths of the tree a replica gets. Rules and patterns mean what
 * they mean to rsync(1): the first rule that matches decides, what none matches
 * is included, and what lies in a folder that is excluded is excluded. Pure.
 *
 * A pattern with a slash in front is anchored at the top of the tree; one with
 * a slash behind matches folders only; one without any other slash and without
 * "**" matches the last name of a path, another one the end of the path. "*"
 * and "?" do not match a slash, "**" does, "dir/" followed by three stars is
 * the folder and all in it; [a-z], [!a-z], [[:digit:]]; a backslash quotes in
 * patterns that have wildcards.
 */

#include <stdbool.h>

struct filter; /* NULL: everything is included */

void filter_free(struct filter *f);

/*
 * filter_add - the rules of `text`, one a line, behind those that *f has: "-
 * PATTERN" excludes, "+ PATTERN" includes, a PATTERN alone excludes; empty
 * lines and those that begin with "#" or ";" do not count.
 * Returns 0, or a negative errno with one line for the user in *ret_why (owned
 * by the caller), which begins with the number of the line: -EINVAL.
 */
int filter_add(struct filter **f, const char *text, char **ret_why);

/* filter_excludes - is this tree path kept from the replica? "" never is. */
bool filter_excludes(const struct filter *f, const char *path, bool is_dir);

/* filter_tells_apart - could something in a folder be excluded when that is at
 * `a`, and not when it is at `b`, or the other way round? */
bool filter_tells_apart(const struct filter *f, const char *a, const char *b);

#endif
