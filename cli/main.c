/* mirrorfs(8): the subcommands and what they have in common. */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "paths.h"

static const struct command {
	const char *word;
	int (*run)(int argc, char **argv);
	const char *synopsis, *text;
} commands[] = {
#define COMMAND(word, function, synopsis, text)                                \
	{word, function, synopsis, text},
#include "cli/commands.h"
#undef COMMAND
	{"fs-worker", cmd_fs_worker, NULL, NULL},
	{"sync", cmd_sync, NULL, NULL},
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

__attribute__((format(printf, 2, 0)))
static int print_error(int status, const char *fmt, va_list ap)
{
	char line[2048];
	vsnprintf(line, sizeof(line), fmt, ap);
	fprintf(stderr, "mirrorfs: %s\n", line);
	return status;
}

int fail(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int r = print_error(EXIT_NO, fmt, ap);
	va_end(ap);
	return r;
}

int fail_usage(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int r = print_error(EXIT_USAGE, fmt, ap);
	va_end(ap);
	return r;
}

static void print_help(void)
{
	printf("Usage: mirrorfs COMMAND ...\n\n"
	       "Mounts over a document root, records each change in a journal "
	       "and\nreplays it on replicas over SFTP.\n\n");
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (commands[i].synopsis)
			printf("  mirrorfs %s %s\n      %s\n", commands[i].word,
			       commands[i].synopsis, commands[i].text);
	}
	printf("\n\"mirrorfs COMMAND --help\" tells the options; mirrorfs(8), "
	       "mirrorfs.conf(5)\nand mirrorfs-journal(5) tell the rest.\n");
}

static int unknown_command(const char *word)
{
	const char *known[N_COMMANDS];
	size_t n = 0;
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (commands[i].synopsis)
			known[n++] = commands[i].word;
	}
	const char *near = text_nearest(word, known, n);
	if (near)
		return fail_usage("unknown command \"%s\": did you mean "
				  "\"%s\"?",
				  word, near);
	return fail_usage("unknown command \"%s\": see mirrorfs --help", word);
}

/* Whoever starts us may have closed them: what is opened next must not be
 * taken for one. */
static void open_standard(void)
{
	int fd;
	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO && fcntl(fd, F_SETFD, 0) == 0);
	if (fd > STDERR_FILENO)
		close(fd);
}

int output_end(int status)
{
	struct pollfd reader = {.fd = STDOUT_FILENO, .events = POLLOUT};
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	int error = errno; /* 0: it was an earlier one */
	if (poll(&reader, 1, 0) > 0 && reader.revents & POLLERR)
		return EXIT_NO; /* who reads it has seen enough */
	return fail("cannot write the output%s%s", error ? ": " : "",
		    error ? strerror(error) : "");
}

static int run(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
	    strcmp(word, "help") == 0) {
		print_help();
		return EXIT_YES;
	}
	if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
		printf("mirrorfs %s\n", PACKAGE_VERSION);
		return EXIT_YES;
	}
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (strcmp(commands[i].word, word) == 0)
			return commands[i].run(argc - 2, argv + 2);
	}
	if (!*word)
		return fail_usage("a command is missing: see mirrorfs --help");
	return unknown_command(word);
}

int main(int argc, char **argv)
{
	open_standard();
	title_begin(argc, argv);
	return output_end(run(argc, argv));
}
