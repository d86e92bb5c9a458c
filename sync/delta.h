/* layer: sync */
#ifndef SYNC_DELTA_H
#define SYNC_DELTA_H

/*
 * The part of the executor (exec.h, which includes this) that sends only what
 * changed of a file: delta.c into a copy of it, inplace.c into itself.
 */

/* exec_catch_up - wait until the journal has all records that there are now.
 * Returns the number of the newest, or 0 when that took too long. */
uint64_t exec_catch_up(struct step *s);

/* delta_find_ranges - what changed after `since`, and what is behind `known`
 * bytes, into s->ranges. False: that is not known, or more than `most` bytes. */
bool delta_find_ranges(struct step *s, uint64_t since, uint64_t known,
		       uint64_t most);
/* delta_open - a file of the replica, by a name in the stage that is gone again
 * at once. Each function hears of its request; s->source_asked until the last. */
void delta_open(struct step *s, const char *path, uint32_t how,
		remote_done_fn *linked_fn, remote_done_fn *looked_fn,
		remote_done_fn *opened_fn);
/* inplace.c: write into the file itself? then what it needs is asked for */
bool inplace_begin(struct step *s);
/* inplace_waits - for its turn, before it sends anything */
bool inplace_waits(const struct step *s);
/* delta.c: asks for the old content, when it is worth it */
void delta_begin(struct step *s);
/* delta_can - the server can copy what it has. */
bool delta_can(const struct exec *x);
/* delta_from - out of `path`, which has the first `size` bytes as of `since`,
 * if no more than `most` bytes must travel. */
void delta_from(struct step *s, const char *path, uint64_t since, uint64_t size,
		uint64_t most);
void delta_end(struct step *s);
/* delta_limit - how many of the next `len` bytes are alike; *ret_same: they are
 * as in the old content. */
uint64_t delta_limit(const struct step *s, uint64_t len, bool *ret_same);
/* delta_copy - have at most `len` of the next bytes copied. */
void delta_copy(struct step *s, uint64_t len, remote_done_fn *done);

#endif
