/*
 * screen - what a person sees of what a program has drawn
 *
 *	screen COLUMNS ROWS <drawn
 *
 * A terminal of that size, as xterm is: prints what has left it at the top, and
 * what is on it, down to the last line with something in it. Knows only what
 * leaves a terminal as it was; anything else is named, and status 1.
 */
#include "confdefs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 500
#define ROWS_MAX    200

static char cells[ROWS_MAX][COLUMNS_MAX + 1];
static int columns, rows, row, column;

static void clear(int r, int from)
{
	memset(&cells[r][from], ' ', (size_t)(columns - from));
}

static void print_row(int r)
{
	int n = columns;

	while (n > 0 && cells[r][n - 1] == ' ')
		n--;
	printf("%.*s\n", n, cells[r]);
}

static void line_feed(void)
{
	if (++row < rows)
		return;
	row = rows - 1;
	print_row(0);
	memmove(cells[0], cells[1], sizeof(cells[0]) * (size_t)row);
	clear(row, 0);
}

/* put - at the end of a line the cursor stays until there is more. */
static void put(int c)
{
	if (column == columns) {
		column = 0;
		line_feed();
	}
	cells[row][column++] = (char)c;
}

static void unknown(const char *sequence, int c)
{
	fprintf(stderr, "screen: ESC%s%c\n", sequence, c);
	exit(1);
}

static void escape(void)
{
	int c = getchar();

	if (c != '[')
		unknown("", c);
	c = getchar();
	if (c == 'H') {
		row = column = 0;
	} else if (c == 'K' || c == 'J') {
		clear(row, column < columns ? column : columns - 1);
		for (int r = row + 1; c == 'J' && r < rows; r++)
			clear(r, 0);
	} else {
		unknown("[", c);
	}
}

static void take(int c)
{
	if (c == '\033')
		escape();
	else if (c == '\r')
		column = 0;
	else if (c == '\n')
		line_feed();
	else if (c == '\b')
		column -= column > 0;
	else if ((c & 0xc0) != 0x80) /* one for each character */
		put(c < ' ' || c > '~' ? '?' : c);
}

int main(int argc, char **argv)
{
	int c, last;

	columns = argc == 3 ? atoi(argv[1]) : 0;
	rows = argc == 3 ? atoi(argv[2]) : 0;
	if (columns < 1 || columns > COLUMNS_MAX || rows < 1 ||
	    rows > ROWS_MAX) {
		fprintf(stderr, "usage: screen COLUMNS ROWS <drawn\n");
		return 2;
	}
	for (int r = 0; r < rows; r++)
		clear(r, 0);
	while ((c = getchar()) != EOF)
		take(c);
	last = rows;
	while (last > 0 && strspn(cells[last - 1], " ") >= (size_t)columns)
		last--;
	for (int r = 0; r < last; r++)
		print_row(r);
	return 0;
}
