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
void master_step(void);
void settle_all(void);

#endif
