#ifndef MIRRORFS_TESTS_PLAN_FENCES_H
#define MIRRORFS_TESTS_PLAN_FENCES_H

/* More of plan-replica.h: fences, parked paths, what the journal keeps. */

static void fence(const char *path, uint64_t seq)
{
	assert_true(n_fences < 16384);
	fences[n_fences++] = (struct fence){strdup(path), seq};
}

static void fences_drop(uint64_t upto)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_fences; i++)
		if (fences[i].seq > upto)
			fences[n++] = fences[i];
		else
			free(fences[i].path);
	n_fences = n;
}

/* A new process cannot know how far an unfinished reconcile has looked
 * ahead: as far as there is. */
static void fences_recover(void)
{
	for (unsigned i = 0; i < n_fences; i++)
		if (fences[i].seq == PENDING)
			fences[i].seq = recs[n_recs - 1].seq;
}

static bool ask_state(void *arg, const char *path, uint64_t seq)
{
	for (unsigned i = 0; i < n_fences; i++)
		if (fences[i].seq >= seq && path_related(fences[i].path, path))
			return true;
	return false;
}

static enum plan_held ask_held(void *arg, const char *path, uint64_t seq)
{
	enum plan_held held = HELD_NO;

	for (int i = 0; i < parked.n; i++) {
		if (path_is_below(path, parked.names[i].path))
			return HELD_HERE;
		if (path_is_below(parked.names[i].path, path))
			held = HELD_BELOW;
	}
	return held;
}

static bool parked_as(const char *path, int when)
{
	for (int i = 0; i < parked.n; i++)
		if (path_is_below(path, parked.names[i].path) &&
		    parked.objs[parked.names[i].obj].attr >= when)
			return true;
	return false;
}

static void park(const char *path, int when)
{
	int obj = find(&parked, path);

	if (obj < 0) {
		obj = new_obj(&parked, 'p', 0, when);
		parked.objs[obj].changed = cursor;
		set(&parked, path, obj);
	} else {
		parked.objs[parked.names[obj].obj].attr = when;
	}
}

/* As unsure_at: the replica may have something else there. */
static void doubt_content(const char *path)
{
	int i = find(&master, path);

	if (i >= 0)
		stale[master.names[i].obj] = true;
}

/* Something was renamed on the replica. */
static void moved(const struct action *a)
{
	if (a->kind == ACT_EXCHANGE) {
		move(&parked, a->path, "~");
		move(&parked, a->path2, a->path);
		move(&parked, "~", a->path2);
	} else {
		del_below(&parked, a->path2);
		move(&parked, a->path, a->path2);
	}
}

/* What the journal keeps of the plan's memory, as of the cursor. */
static struct absent_row rows[1000];
static unsigned n_rows;

static int kept_del(void *arg, const struct fhandle *obj)
{
	for (unsigned i = 0; i < n_rows; i++) {
		if (!fhandle_equal(&rows[i].obj, obj))
			continue;
		rows[i] = rows[--n_rows];
		return 0;
	}
	fail_msg("what is not kept is forgotten");
	return 0;
}

static int kept_put(void *arg, const struct absent_row *row)
{
	for (unsigned i = 0; i < n_rows; i++) {
		if (!fhandle_equal(&rows[i].obj, &row->obj))
			continue;
		rows[i] = *row;
		return 0;
	}
	assert_true(n_rows < sizeof(rows) / sizeof(rows[0]));
	rows[n_rows++] = *row;
	return 0;
}

/* What is known of the replica goes with the cursor. */
static void commit(void)
{
	plan_memory_save(memory, kept_put, kept_del, NULL);
	names_save();
}

/* … and is all that another connection knows. */
static void connect_again(void)
{
	plan_memory_free(memory);
	memory = plan_memory_new();
	plan_memory_restore(memory, 0, rows, n_rows);
	names_again();
}

#endif
