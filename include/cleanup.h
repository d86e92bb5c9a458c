/* layer: base */
#ifndef MIRRORFS_CLEANUP_H
#define MIRRORFS_CLEANUP_H

/*
 * Clean-up at the end of a scope, for what a function owns until it returns.
 * A pointer or descriptor that is handed to somebody else is set to NULL or -1.
 */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void cleanup_closedir(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define CLEANUP_FREE     __attribute__((cleanup(cleanup_free)))
#define CLEANUP_CLOSE    __attribute__((cleanup(cleanup_close)))
#define CLEANUP_FCLOSE   __attribute__((cleanup(cleanup_fclose)))
#define CLEANUP_CLOSEDIR __attribute__((cleanup(cleanup_closedir)))

#endif
