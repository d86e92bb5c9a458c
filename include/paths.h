/* layer: base */
#ifndef MIRRORFS_PATHS_H
#define MIRRORFS_PATHS_H

/*
 * Paths, without touching the disk. A *tree path* names something below the
 * root of a mount: no slash in front or behind, "" is the root itself, any
 * byte but NUL is allowed in a name.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The one name at the top of a tree and of a replica that mirrorfs keeps. */
#define RESERVED_NAME ".mirrorfs"

/* Folders can be nested by going down name by name until no system call, and
 * no server, can name what is in them: PATH_MAX, its NUL included. What is told
 * of it is told of the first folder on the way that is too long. */
#define PATH_LONG 4096

/* path_is_long - it, or something below it, is meant: nobody can say what. */
bool path_is_long(const char *path);

/*
 * path_escape - an absolute path as a name: "/var/www" → "var-www", as
 * systemd-escape --path does (a "-" becomes "\x2d", "/" alone "-").
 * Returns a string owned by the caller.
 */
char *path_escape(const char *absolute);

/* path_join - tree path of `name` in `dir`; owned by the caller. */
char *path_join(const char *dir, const char *name);

/* path_parent - tree path of the folder that holds `path`; "" for the top
 * and for "" itself. Owned by the caller. */
char *path_parent(const char *path);

/* path_parent_len - the same as a length: of the folder that holds what the first
 * `len` bytes of `path` name. */
size_t path_parent_len(const char *path, size_t len);

/* path_name - the last component, a view into `path`. */
const char *path_name(const char *path);

/* path_is_below - `path` is `dir` or something below it (tree paths). */
bool path_is_below(const char *path, const char *dir);

/* path_related - one of the two is the other or lies below it. */
bool path_related(const char *a, const char *b);

/*
 * path_rebase - `path`, which is `from` or below it, seen after `from` was
 * renamed to `to`. Returns a string owned by the caller.
 */
char *path_rebase(const char *path, const char *from, const char *to);

/* path_is_reserved - RESERVED_NAME at the top, or something below it. */
bool path_is_reserved(const char *path);

/*
 * path_normalise - an absolute path without "//", "/./" and a slash at the
 * end, ".." resolved by text; a relative one is taken from `cwd`.
 * Returns a string owned by the caller.
 */
char *path_normalise(const char *path, const char *cwd);

/*
 * text_nearest - of `n` words the one most like `word` (edit distance), or
 * NULL when none is close. For "unknown key" messages. Borrowed.
 */
const char *text_nearest(const char *word, const char *const *words, size_t n);

/* utf8_length - bytes of the well-formed character at `s`, or 0. */
size_t utf8_length(const unsigned char *s);

/* text_copy - owned by the caller; NULL of NULL. text_same - to which none is
 * as good as an empty one. */
char *text_copy(const char *s);
/* text_sum - FNV-1a, 64 bits: against accidents, not against people. */
uint64_t text_sum(const char *s, size_t n);
bool text_same(const char *a, const char *b);

/*
 * text_printable - `s` with control characters, backslashes and what is not
 * UTF-8 as \xNN, so that a hostile file name cannot drive a terminal. Owned by
 * the caller.
 */
char *text_printable(const char *s);

/* size_text - "0", "812", "1.2K", "3.4M" … into out. */
void size_text(uint64_t bytes, char *out, size_t size);

#endif
