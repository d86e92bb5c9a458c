/*
 * filterlist - what a filter lets through
 *
 *	filterlist RULES
 *
 * Reads paths from stdin, one a line, folders with a slash behind, and prints
 * those that the rules in the file RULES do not exclude.
 */
#include "confdefs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"

int main(int argc, char **argv)
{
	static char rules[65536], line[4096];
	struct filter *f = NULL;
	char *why = NULL;
	FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
	if (!file || fread(rules, 1, sizeof(rules) - 1, file) == 0) {
		fprintf(stderr, "usage: filterlist RULES\n");
		return 2;
	}
	fclose(file);
	if (filter_add(&f, rules, &why) < 0) {
		fprintf(stderr, "filterlist: %s\n", why);
		return 1;
	}
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		size_t len = strlen(line);
		bool is_dir = len > 0 && line[len - 1] == '/';
		if (is_dir)
			line[len - 1] = 0;
		if (!filter_excludes(f, line, is_dir))
			printf("%s%s\n", line, is_dir ? "/" : "");
	}
	filter_free(f);
	return 0;
}
