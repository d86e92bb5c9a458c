/*
 * What ps shows of a process is the memory that its arguments were passed in.
 * The first sync process may be a fork of the one that mounts, and should not
 * look like that one: who kills it by its title would kill the wrong one.
 */
#include "confdefs.h"

#include <stdlib.h>
#include <string.h>

#include "cli.h"

static char *area; /* where the arguments came in */
static size_t area_size;
static char **copies;

char **title_begin(int argc, char **argv)
{
	copies = calloc((size_t)argc + 1, sizeof(*copies));
	if (!copies)
		abort();
	area = argv[0];
	for (int i = 0; i < argc; i++) {
		size_t size = strlen(argv[i]) + 1;
		/* the kernel puts one behind the other */
		if (argv[i] == area + area_size)
			area_size += size;
		copies[i] = strdup(argv[i]);
		if (!copies[i])
			abort();
	}
	return copies;
}

void title_set(const char *command, int argc, char *const *argv)
{
	char *at = area, *end = area + area_size;

	if (!area_size)
		return;
	memset(area, 0, area_size);
	at = memccpy(at, copies[0], 0, (size_t)(end - at - 1));
	if (at)
		at = memccpy(at, command, 0, (size_t)(end - at - 1));
	for (int i = 0; at && i < argc; i++)
		at = memccpy(at, argv[i], 0, (size_t)(end - at - 1));
}
