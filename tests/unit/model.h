#ifndef TESTS_MODEL_H
#define TESTS_MODEL_H

/*
 * A file tree in memory, and a master that changes one at random and writes
 * the records that the overlay would write. For test-plan-random.c.
 */

#include <stdbool.h>
#include <stdint.h>

#include "record.h"

#define NAMES 512
#define OBJECTS 4096
#define RECORDS 8192

struct object { /* an inode */
	char type; /* f, d, l */
	int content, attr, names;
	bool open; /* being written: content is not settled */
	unsigned changed;   /* its ctime: when there were so many records */
	const char *former; /* nobody has looked at a name that it has since
			     * this one was removed */
};
struct name {
	char *path;
	int obj;
};
struct tree {
	struct name names[NAMES];
	int n;
	struct object objs[OBJECTS];
	int n_objs;
};

int find(const struct tree *t, const char *path);
struct object *at(struct tree *t, const char *path);
void del(struct tree *t, const char *path);
void set(struct tree *t, const char *path, int obj);
int new_obj(struct tree *t, char type, int content, int attr);
/* move - `from` and all below it. */
void move(struct tree *t, const char *from, const char *to);
void del_below(struct tree *t, const char *path);
bool has_children(const struct tree *t, const char *path);
bool is_dir(struct tree *t, const char *path);
bool parent_ok(struct tree *t, const char *path);
void reset(struct tree *t);

extern struct tree master;
extern struct record recs[RECORDS]; /* what it has recorded; obj: an int */
extern unsigned n_recs;
extern uint64_t seed;

unsigned rnd(unsigned n);
/* model_begin - from the start: a seed is a round, whatever was before it. */
void model_begin(uint64_t seed);
/* Operations on the master, with their records; what cannot be done is not.
 * model_make: a file (c), one that is open (o), a folder (m), a link (y).
 * model_write: settle (s), make dirty (w), truncate (t). */
void model_make(char kind, const char *path);
void model_remove(const char *path);
void model_write(char how, const char *path);
void model_rename(const char *a, const char *b);
void model_exchange(const char *a, const char *b);
void model_link(const char *a, const char *b);
void model_attr(const char *path);
void settle_all(void);
/* some_path - a name that may or may not exist, in a folder that does. */
char *some_path(void);
/* master_step - any operation. */
void master_step(void);

/* ---- shapes.c: what programs do, one operation a step, now and then with
 * something else in between or left out ---- */
extern const unsigned n_shapes;
const char *shape_name(unsigned shape);
unsigned shape_steps(unsigned shape);
/* shape_begin - from the start, with this one, or all in turn (n_shapes).
 * `plain`: with nothing in between or left out. */
void shape_begin(unsigned shape, bool plain);
void shape_step(void);

#endif
