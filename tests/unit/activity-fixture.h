/* An activity log with its journal, for the tests of it. */
#ifndef TEST_ACTIVITY_FIXTURE_H
#define TEST_ACTIVITY_FIXTURE_H

#include "journal-fixture.h"

#include <fcntl.h>

#include "activity.h"

struct af {
	struct fixture f;
	struct activity *a;
	int lower_fd;
};

static inline void af_start(struct af *t)
{
	assert_int_equal(
		activity_start(t->f.dir, t->lower_fd, t->f.w, 0, &t->a), 0);
}

static inline void af_open(struct af *t, unsigned slots)
{
	fx_open(&t->f);
	t->lower_fd = open(t->f.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(
		activity_reset(t->f.dir, journal_uuid(t->f.j), 1, slots), 0);
	af_start(t);
}

static inline void af_close(struct af *t)
{
	activity_stop(t->a);
	close(t->lower_fd);
	fx_close(&t->f);
}

static inline struct mark file_mark(unsigned obj, unsigned dir)
{
	struct mark m = {.kind = MARK_FILE, .obj = fx_obj(obj)};
	if (dir)
		m.dir = fx_obj(dir);
	return m;
}

static inline struct mark dir_mark(unsigned obj)
{
	return (struct mark){.kind = MARK_DIR, .obj = fx_obj(obj)};
}

static inline void touch(struct af *t, unsigned thread, struct mark m)
{
	activity_touch(t->a, thread, &m, 1);
}

static inline void touch_once(struct af *t, struct mark m)
{
	touch(t, 0, m);
	activity_done(t->a, 0);
}

static inline enum past_verdict past(struct af *t, struct activity_past *p)
{
	activity_load(t->f.dir, journal_uuid(t->f.j), 1, p);
	return p->verdict;
}

static inline unsigned marks(struct af *t)
{
	struct activity_past p;
	assert_int_equal(past(t, &p), PAST_MARKS);
	unsigned n = p.n;
	activity_past_done(&p);
	return n;
}

static inline bool has_mark(const struct activity_past *p, enum mark_kind kind,
			    unsigned obj)
{
	struct fhandle fh = fx_obj(obj);
	for (unsigned i = 0; i < p->n; i++) {
		if (p->marks[i].kind == kind &&
		    fhandle_equal(&p->marks[i].obj, &fh))
			return true;
	}
	return false;
}

static inline void *lift(void *arg)
{
	struct af *t = arg;
	assert_int_equal(activity_lift(t->a), 0);
	return NULL;
}

#endif
