/*
 * opdrive - make each change that can be made to a tree, once.
 *
 *	opdrive [-P WORKER_PID] DIR [CASE...]
 *
 * With -P passthrough is on, and files that were there before are passed (see
 * passed() in opdrive.h).
 *
 * Prints what the journal must say: "case<TAB>record" lines (opdrive.h), where
 * the records of a case begin behind its folder "mark". Prepares all cases,
 * says "prepared" on the standard error and waits for a line on the standard
 * input: a file that is closed is released, and told of, a little later.
 */
#include "confdefs.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/opdrive.h"

#define MAX_CASES    200
#define PASSED_BYTES (2 << 20)

static pid_t worker; /* 0: without -P */

/* What is told of passed files is the same but for these: who may store unseen
 * counts as a writer from the open on. */
static const struct {
	const char *name, *expected;
} when_passed[] = {
	{"mmap-moved", "open f - -\nrename f g -\nwrite g - -"},
	{"mmap-no-store", "open f - -\nwrite f - -"},
	{"moved", "rename d/f d/g -\nsetattr d/g - mode\n"
		  "unlink d/g - last\nwrite d/g - last"}, /* open before */
};

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
	passed("f");
}

void dir_d(void)
{
	OK(mkdir("d", 0755));
}

static long long worker_read(void)
{
	char path[64], line[128];
	long long n = -1;

	snprintf(path, sizeof(path), "/proc/%d/io", (int)worker);
	FILE *f = fopen(path, "re");
	while (f && n < 0 && fgets(line, sizeof(line), f))
		(void)!sscanf(line, "rchar: %lld", &n);
	OK((int)(n < 0 ? -1 : 0));
	fclose(f);
	return n;
}

/* Nothing of it is in the page cache. */
static bool reads_past_worker(int fd)
{
	static char block[PASSED_BYTES];

	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	long long before = worker_read();
	OK(pread(fd, block, sizeof(block), 0));
	return worker_read() - before < PASSED_BYTES / 2;
}

/* Whoever made it has closed it, which takes effect a little later. */
void passed(const char *path)
{
	if (!worker)
		return;
	OK(truncate(path, PASSED_BYTES));
	for (useconds_t pause = 1000; pause < 4000000; pause *= 2) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		OK(fd);
		if (reads_past_worker(fd))
			return;
		close(fd);
		usleep(pause);
	}
	fputs("not passed\n", stderr);
	_exit(1);
}

static void child(int dir, const struct opcase *c)
{
	alarm(120);
	OK(prctl(PR_SET_PDEATHSIG, SIGKILL)); /* also while it is stopped */
	umask(022);
	OK(fchdir(dir));
	OK(mkdir(c->name, 0755));
	OK(chdir(c->name));
	c->prepare();
	OK(raise(SIGSTOP));
	OK(mkdir("mark", 0755));
	c->act();
	_exit(0);
}

/* prepared - the process that waits before its act; 0: it has failed. */
static pid_t prepared(int dir, const struct opcase *c)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		child(dir, c);
	if (pid < 0 || waitpid(pid, &status, WUNTRACED) < 0)
		return 0;
	return WIFSTOPPED(status) ? pid : 0;
}

/* acted - its exit status. */
static int acted(pid_t pid)
{
	int status;

	if (!pid || kill(pid, SIGCONT) < 0 || waitpid(pid, &status, 0) < 0)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void print_expected(const struct opcase *c)
{
	const char *line = c->expected;

	for (size_t k = 0; k < sizeof(when_passed) / sizeof(*when_passed); k++)
		if (worker && !strcmp(when_passed[k].name, c->name))
			line = when_passed[k].expected;
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

/* The cases that are wanted, of all tables; the caller frees. */
static size_t choose(char **list, int n, const struct opcase **ret)
{
	static const struct opcase *const tables[] = {
		cases_ops_names,
		cases_ops_files,
		cases_ops_ways,
	};
	size_t count = 0;

	for (size_t t = 0; t < sizeof(tables) / sizeof(*tables); t++)
		for (const struct opcase *c = tables[t]; c->name; c++)
			if (wanted(c->name, list, n) && count < MAX_CASES)
				ret[count++] = c;
	return count;
}

int main(int argc, char **argv)
{
	const struct opcase *cases[MAX_CASES];
	pid_t pids[MAX_CASES];
	int failed = 0;

	if (argc > 2 && !strcmp(argv[1], "-P")) {
		worker = (pid_t)atoi(argv[2]);
		argc -= 2;
		argv += 2;
	}
	int dir = argc < 2 ? -1 : open(argv[1], O_RDONLY | O_DIRECTORY);
	if (dir < 0) {
		fputs("usage: opdrive [-P WORKER_PID] DIR [CASE...]\n", stderr);
		return 2;
	}
	size_t n = choose(argv + 2, argc - 2, cases);
	for (size_t k = 0; k < n; k++)
		pids[k] = prepared(dir, cases[k]);
	fputs("prepared\n", stderr);
	if (getchar() != '\n')
		return 2; /* nobody is there any more */
	for (size_t k = 0; k < n; k++) {
		int r = acted(pids[k]);

		if (r == 77)
			fprintf(stderr, "left out: %s\n", cases[k]->name);
		else if (r)
			fprintf(stderr, "FAILED: %s\n", cases[k]->name);
		else
			print_expected(cases[k]);
		failed += r && r != 77;
	}
	return failed > 0;
}
