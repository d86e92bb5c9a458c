#ifndef MIRRORFS_CLI_HOLDERS_H
#define MIRRORFS_CLI_HOLDERS_H

/*
 * Processes that have something of a tree in their hands. What they took
 * before the mount belongs to the file system below: they write around the
 * overlay, and nobody sees it. What they took after it keeps the mount busy.
 *
 * Only what one can write through counts as held below: descriptors open for
 * writing, directories (openat), the working and the root directory, shared
 * writable mappings. A file that is only read harms nobody.
 *
 * Known by their path, as this process sees it: what a container holds under
 * another path is not found.
 */

#include <stdbool.h>
#include <sys/types.h>

#define HOLDER_SHOWN 10 /* as many get a line of their own */

struct holder {
	pid_t pid;
	char program[32];
	char what[160]; /* "working directory /srv/www, 2 files for writing" */
};

/* Which of the two trees of the same path. */
enum holders_where { HOLDERS_BELOW, HOLDERS_MOUNT };

/*
 * holders_list - of `root`, where a mirrorfs may be mounted; but for the
 * processes `except`: our own hold the tree below. Waits for no request to the
 * mount. Returns how many, *ret is an array owned by the caller (NULL: none).
 */
unsigned holders_list(const char *root, enum holders_where where,
		      const pid_t *except, unsigned n_except,
		      struct holder **ret);

/* holders_text - "bash (123), vsftpd (456) and 3 more"; NULL for none. Owned
 * by the caller. */
char *holders_text(const struct holder *holders, unsigned n);

struct supervisor_config;
/* inner_report - warn when what is mounted inside the tree, or over it, has
 * changed. */
void inner_report(const struct supervisor_config *cfg);
/* holders_report - of HOLDERS_BELOW, of mounts_around and of sockets, one warning
 * each; see struct supervisor_config. */
void holders_report(const struct supervisor_config *cfg, const pid_t *ours,
		    unsigned n_ours);

#endif
