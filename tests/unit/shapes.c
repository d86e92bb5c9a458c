/*
 * Shapes of work for test-plan-random.c: sequences of operations that programs
 * are known to make, as text. Each is run in some folder, with its names a to f
 * mapped to others that the folder may have already.
 */
#include "confdefs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "paths.h"
#include "tests/unit/model.h"

static const struct {
	const char *name, *steps;
} shapes[] = {
	{"temporary, then rename", "o e, s e, r e a, o e, s e, r e a"},
	{"temporary that is renamed open", "o e, r e a, s a, w a, r a b, s b"},
	{"link and unlink, as sftp-server renames",
	 "c a, l a b, u a, o e, s e, u b, l e b, u e"},
	{"a chain of renames", "c a, r a b, r b c, r c d, t d, r d e"},
	{"a chain over others", "c a, c b, c c, r a b, r b c, a c"},
	{"back and forth", "c a, r a b, r b a, a a, r a b, r b a"},
	{"a cycle", "c a, c b, r a e, r b a, r e b"},
	{"a cycle of three", "c a, c b, c c, r a e, r b a, r c b, r e c"},
	{"folders in a cycle", "m a, c a/a, m b, r a e, r b a, r e b"},
	{"a folder is renamed, changes around it",
	 "m a, c a/a, o a/b, w a/a, r a b, s b/a, s b/b, c b/c, u b/a, r b/c c,"
	 "r b d, c a, a d, u d/b"},
	{"many folders are renamed",
	 "m a, m b, m c, c a/a, r a d, r b e, r c f, r d a, r e b, r f c"},
	{"folders are renamed into another",
	 "m a, m b, m c, m d, r a d/a, r b d/b, r c d/c, r d e, r e/a a"},
	{"type after type",
	 "m a, d a, c a, u a, y a, u a, m a, c a/a, u a/a, d a, y a"},
	{"a folder for a link", "m b, c b/a, y a, u a, r b a, r a c, y a"},
	{"a link for a folder", "m a, c a/a, r a b, y e, r e a"},
	{"made and removed",
	 "m a, m a/a, o a/a/a, s a/a/a, y a/b, u a/a/a, d a/a, u a/b, d a"},
	{"a folder is made again",
	 "m a, c a/a, c a/b, u a/a, u a/b, d a, m a, c a/a, t a/a, u a/a, d a,"
	 "m a, c a/b"},
	{"out of a folder that goes",
	 "m a, c a/a, w a/a, s a/a, r a/a b, d a, r b c, m a, r c a/a"},
	{"an editor that keeps a copy", "c a, r a b, o a, s a, a a, u b"},
	{"an editor that swaps", "c a, o e, s e, x a e, u e"},
	{"logs that rotate",
	 "o a, s a, r b c, r a b, o a, w b, s b, s a, u c, t b"},
	{"a release is switched",
	 "m a, c a/a, c a/b, y e, r e f, m b, c b/a, y e, r e f, u a/a, u a/b,"
	 "d a"},
	{"a copy of hard links",
	 "m a, c a/a, c a/b, m b, l a/a b/a, l a/b b/b, o e, s e, r e b/a, w "
	 "a/b, s a/b, u a/b, a b/b"},
	{"names of one file",
	 "c a, l a b, l b c, u a, w b, s b, r c d, l d a, t a, u b, u d"},
	{"a link over a link", "c a, l a b, c c, r c b, l a c, r c a, u a"},
	{"truncated and written", "c a, t a, t a, w a, s a, a a, t a, u a"},
	{"unlinked while open", "o a, u a, c a, w a, u a, o a, s a"},
	{"written by a name that is gone", "o a, s a, l a b, w a, u a, s b"},
	{"folders exchange", "m a, c a/a, m b, c b/b, x a b, c a/c, u b/a"},
};
const unsigned n_shapes = sizeof(shapes) / sizeof(*shapes);

static unsigned wanted, current;
static const char *at_step;
static char *base;
static char names[6];
static bool plain;

const char *shape_name(unsigned shape)
{
	return shapes[shape].name;
}

static void next_shape(void)
{
	char *path = some_path();

	current = wanted < n_shapes ? wanted : rnd(n_shapes);
	at_step = shapes[current].steps;
	free(base);
	base = path_parent(path);
	free(path);
	for (unsigned i = 0; i < 6; i++)
		names[i] = (char)('a' + i);
	for (unsigned i = 0; i < 6; i++) {
		unsigned k = i + rnd(6 - i);
		char c = names[i];
		names[i] = names[k];
		names[k] = c;
	}
}

unsigned shape_steps(unsigned shape)
{
	unsigned n = 1;

	for (const char *s = shapes[shape].steps; (s = strchr(s, ',')); s++)
		n++;
	return n;
}

void shape_begin(unsigned shape, bool is_plain)
{
	wanted = shape;
	plain = is_plain;
	next_shape();
}

/* path_of - the shape's word as a path; owned by the caller. */
static char *path_of(const char *word)
{
	char name[16];
	unsigned n = 0;

	for (; *word && n + 1 < sizeof(name); word++)
		name[n++] = *word == '/' ? '/' : names[*word - 'a'];
	name[n] = 0;
	return path_join(base, name);
}

static void operate(char what, const char *a, const char *b)
{
	if (what == 'r')
		model_rename(a, b);
	else if (what == 'x')
		model_exchange(a, b);
	else if (what == 'l')
		model_link(a, b);
	else if (what == 'u' || what == 'd')
		model_remove(a);
	else if (what == 'a')
		model_attr(a);
	else if (strchr("swt", what))
		model_write(what, a);
	else
		model_make(what, a);
}

void shape_step(void)
{
	char what, first[16], second[16] = "";
	char *a, *b;

	if (!plain && rnd(16) == 0)
		master_step();
	if (!*at_step)
		next_shape();
	if (sscanf(at_step, " %c %15[a-z/] %15[a-z/]", &what, first, second) <
	    2)
		abort();
	at_step += strcspn(at_step, ",");
	at_step += *at_step == ',';
	if (!plain && rnd(16) == 0)
		return;
	a = path_of(first);
	b = path_of(*second ? second : first);
	operate(what, a, b);
	free(a);
	free(b);
}
