/*
 * mapper [-r] FILE - maps all of FILE for reading and writing, and closes it. For
 * each offset that it reads, a line each, an 'X' is stored there; then it says
 * so. At the end of its input it unmaps the file. -r: for reading only.
 */
#include "confdefs.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct stat st;
	long off;
	bool reads = argc == 3 && strcmp(argv[1], "-r") == 0;
	int fd = argc == 2 + reads
			 ? open(argv[argc - 1], reads ? O_RDONLY : O_RDWR)
			 : -1;
	if (fd < 0 || fstat(fd, &st) < 0)
		return 2;
	char *map = mmap(NULL, (size_t)st.st_size,
			 PROT_READ | (reads ? 0 : PROT_WRITE), MAP_SHARED, fd,
			 0);
	if (map == MAP_FAILED)
		return 1;
	close(fd);
	puts("mapped");
	fflush(stdout);
	while (scanf("%ld", &off) == 1 && off >= 0 && off < st.st_size) {
		map[off] = 'X';
		printf("stored at %ld\n", off);
		fflush(stdout);
	}
	return munmap(map, (size_t)st.st_size) < 0;
}
