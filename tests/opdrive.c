/*
 * opdrive - make each change that can be made to a tree, once.
 *
 *	opdrive DIR [CASE...]
 *
 * Prints what the journal must say: "case<TAB>record" lines (opdrive.h), where
 * the records of a case begin behind its folder "mark".
 */
#include "confdefs.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/opdrive.h"

void nothing(void)
{
}

void file_f(void)
{
	char text[100];
	int fd = open("f", O_WRONLY | O_CREAT | O_EXCL, 0644);

	memset(text, 'x', sizeof(text));
	OK(fd);
	OK(write(fd, text, sizeof(text)));
	OK(close(fd));
}

void dir_d(void)
{
	OK(mkdir("d", 0755));
}

static int run(int dir, const struct opcase *c)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		alarm(60);
		umask(022);
		OK(fchdir(dir));
		OK(mkdir(c->name, 0755));
		OK(chdir(c->name));
		c->prepare();
		OK(mkdir("mark", 0755));
		c->act();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void print_expected(const struct opcase *c)
{
	const char *line = c->expected;

	while (*line) {
		int n = (int)strcspn(line, "\n");

		printf("%s\t%.*s\n", c->name, n, line);
		line += n + (line[n] == '\n');
	}
}

static bool wanted(const char *name, char **list, int n)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(list[i], name))
			return true;
	return n == 0;
}

int main(int argc, char **argv)
{
	static const struct opcase *const tables[] = {
		cases_ops_names,
		cases_ops_files,
		cases_ops_ways,
	};
	int dir = argc < 2 ? -1 : open(argv[1], O_RDONLY | O_DIRECTORY);
	int failed = 0;

	if (dir < 0) {
		fputs("usage: opdrive DIR [CASE...]\n", stderr);
		return 2;
	}
	for (size_t t = 0; t < sizeof(tables) / sizeof(*tables); t++)
		for (const struct opcase *c = tables[t]; c->name; c++) {
			int r;

			if (!wanted(c->name, argv + 2, argc - 2))
				continue;
			r = run(dir, c);
			if (r == 77)
				fprintf(stderr, "left out: %s\n", c->name);
			else if (r)
				fprintf(stderr, "FAILED: %s\n", c->name);
			else
				print_expected(c);
			failed += r && r != 77;
		}
	return failed > 0;
}
