/* The terminal. A line that is wider than the window would be in the way of
 * the next one that is to take its place, so it is cut. */
#include "confdefs.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/terminal.h"
#include "paths.h"

#define COLUMNS_PRESET 80
#define ROWS_PRESET    24
#define MARGIN	       3 /* "^C" is echoed behind the line, and must not wrap */

static char *drawn; /* the line that is there, or NULL */
static volatile sig_atomic_t caught;

bool terminal_can(int fd)
{
	const char *term = getenv("TERM");
	return isatty(fd) && term && *term && strcmp(term, "dumb") != 0;
}

static struct winsize window(int fd)
{
	struct winsize w = {0};
	if (ioctl(fd, TIOCGWINSZ, &w) != 0 || !w.ws_col || !w.ws_row)
		return (struct winsize){.ws_col = COLUMNS_PRESET,
					.ws_row = ROWS_PRESET};
	return w;
}

unsigned terminal_columns(int fd)
{
	return window(fd).ws_col;
}

/* fitting - bytes of `text`, up to the end of its line, that have room in so
 * many columns. What may be as wide as two letters counts as two. */
static size_t fitting(const char *text, size_t columns)
{
	size_t n = 0;
	while (text[n] && text[n] != '\n') {
		size_t len = utf8_length((const unsigned char *)text + n);
		size_t width = len > 2 ? 2 : 1;
		if (width > columns)
			break;
		columns -= width;
		n += len ? len : 1;
	}
	return n;
}

void line_draw(const char *text)
{
	unsigned columns = terminal_columns(STDERR_FILENO);
	size_t n = fitting(text, columns > MARGIN ? columns - MARGIN : 1);
	if (drawn && strlen(drawn) == n && strncmp(drawn, text, n) == 0)
		return;
	free(drawn);
	drawn = strndup(text, n);
	if (!drawn)
		abort();
	fprintf(stderr, "\r\033[K%s", drawn);
}

void line_clear(void)
{
	if (!drawn)
		return;
	fputs("\r\033[K", stderr);
	free(drawn);
	drawn = NULL;
}

int page_draw(const char *text)
{
	struct winsize w = window(STDOUT_FILENO);
	unsigned row = 1;
	fputs("\033[H\033[J", stdout);
	while (*text && row < w.ws_row) {
		size_t n = fitting(text, w.ws_col);
		printf("%.*s\n", (int)n, text);
		text += n + (text[n] == '\n');
		row++;
	}
	if (*text)
		fputs(w.ws_col > 3 ? "..." : ".", stdout);
	return fflush(stdout);
}

static void catch (int signal)
{
	caught = signal;
}

void interrupt_catch(void)
{
	static const int signals[] = {SIGINT, SIGTERM};
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction old, mine = {.sa_handler = catch};
		if (sigaction(signals[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			sigaction(signals[i], &mine, NULL);
	}
}

void interrupt_end(const char *what)
{
	if (!caught)
		return;
	line_clear();
	fail("interrupted; %s goes on: see mirrorfs status", what);
	signal(caught, SIG_DFL);
	raise(caught);
	_exit(128 + caught);
}
