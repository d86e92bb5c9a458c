/*
 * What ps shows of a process is the memory that its arguments were passed in.
 * The first sync process may be a fork of the one that mounts, and should not
 * look like that one: who kills it by its title would kill the wrong one.
 */
#include "confdefs.h"

#include <stdlib.h>
#include <string.h>

#include "cli.h"

static char *area, *copy; /* what the arguments came in; the same, ours */
static size_t area_size;

void title_begin(int argc, char **argv)
{
	size_t size = 0;

	for (int i = 0; i < argc; i++) {
		/* the kernel puts one behind the other */
		if (argv[i] == argv[0] + area_size)
			area_size += strlen(argv[i]) + 1;
		size += strlen(argv[i]) + 1;
	}
	area = argv[0];
	copy = malloc(size + 1);
	if (!copy)
		abort();
	char *at = copy;
	for (int i = 0; i < argc; i++) {
		char *next = stpcpy(at, argv[i]) + 1;
		argv[i] = at;
		at = next;
	}
}

void title_set(const char *command, int argc, char *const *argv)
{
	char *at = area, *end = area + area_size;

	if (!area_size)
		return;
	memset(area, 0, area_size);
	at = memccpy(at, copy, 0, (size_t)(end - at - 1));
	if (at)
		at = memccpy(at, command, 0, (size_t)(end - at - 1));
	for (int i = 0; at && i < argc; i++)
		at = memccpy(at, argv[i], 0, (size_t)(end - at - 1));
}
