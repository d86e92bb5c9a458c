/*
 * dud - a program that says it could serve a mount, and then does not
 *
 * For "mirrorfs upgrade --program": it answers --check with yes, and ends with
 * status 1 when it is to do the work.
 */
#include "confdefs.h"

#include <string.h>

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--check") == 0)
			return 0;
	}
	return 1;
}
