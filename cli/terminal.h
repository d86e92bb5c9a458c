#ifndef MIRRORFS_CLI_TERMINAL_H
#define MIRRORFS_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/*
 * What is drawn in place on a terminal, and an end to it that leaves the
 * terminal as it was. The window is asked for its size each time.
 */

/* terminal_can - `fd` is a terminal, and one on which a line can be drawn over:
 * TERM is neither missing nor "dumb". */
bool terminal_can(int fd);
/* terminal_columns - of the window, 80 when it does not say. */
unsigned terminal_columns(int fd);

/* line_draw - `text` over what line_draw left on stderr, as much as has room
 * in one line. line_clear - nothing instead. */
void line_draw(const char *text);
void line_clear(void);
/* page_draw - lines over everything on stdout, as many as have room. Returns 0,
 * or -1 with errno. */
int page_draw(const char *text);

/* interrupt_catch - from now on SIGINT and SIGTERM wait for interrupt_end,
 * unless they are ignored. interrupt_end - does nothing when there was none;
 * else tells that `what` goes on, and ends the process by that signal. */
void interrupt_catch(void);
void interrupt_end(const char *what);

#endif
