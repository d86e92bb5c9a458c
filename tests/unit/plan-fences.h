#ifndef MIRRORFS_TESTS_PLAN_FENCES_H
#define MIRRORFS_TESTS_PLAN_FENCES_H

/* More of plan-replica.h: fences and parked paths. */

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
static bool fences_recover(void)
{
	bool found = false;

	for (unsigned i = 0; i < n_fences; i++)
		if (fences[i].seq == PENDING) {
			fences[i].seq = recs[n_recs - 1].seq;
			found = true;
		}
	return found;
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

#endif
