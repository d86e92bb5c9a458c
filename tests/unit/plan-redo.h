#ifndef MIRRORFS_TESTS_PLAN_REDO_H
#define MIRRORFS_TESTS_PLAN_REDO_H

/* More of plan-replica.h: what the loop of a replica reconciles, and how it
 * does over what failed, as in batch-redo.c and parked.c. */

/* Returns false when it was cut off: the process died. */
static bool reconcile(const char *path, enum strictness strict, bool deep,
		      unsigned *left)
{
	char *root = climb(path);
	bool died = (*left)-- == 0, fails = rnd(1000) < faults * 10;

	if (trace)
		print_message("    reconcile %s (%s) %d%s%s\n", path, root,
			      strict, deep ? "d" : "",
			      died ? ""
			      : fails ? " parked"
				      : "");
	if (fails && !died) {
		park(path, PARKED_NOW);
		if (strict == STRICT_TREE)
			doubt_content(path);
	} else if (!died || rnd(2)) {
		rc_entry(root, strict, deep || strcmp(root, path));
		if (retrying)
			del(&parked, path);
	}
	fence(root, died ? PENDING : recs[n_recs - 1].seq);
	links_trust(links);
	free(root);
	return !died;
}

static void retry_parked(void)
{
	unsigned left = ~0u;

	retrying = true;
	for (int i = parked.n; i-- > 0;) {
		char *p = strdup(parked.names[i].path);

		doubted_since = parked.objs[parked.names[i].obj].changed;
		reconcile(p, STRICT_FULL, true, &left);
		free(p);
		if (i > parked.n)
			i = parked.n;
	}
	retrying = false;
	commit();
}

/* What was parked in this batch already is left as it is, and before that what
 * need not be sent. */
static bool redo_at(const char *path, enum strictness strict, bool deep,
		    unsigned *left)
{
	if (parked_as(path,
		      strict < STRICT_FULL ? PARKED_BEFORE : PARKED_NOW)) {
		if (strict >= STRICT_FULL)
			doubt_content(path);
		return true;
	}
	return reconcile(path, strict, deep, left);
}

static bool redo_names(const struct action *a, enum strictness strict,
		       unsigned *left)
{
	char **names;
	unsigned n = others(obj_of(a->rec), a->path, &names);
	bool ok = true;

	for (unsigned i = 0; ok && i < n; i++)
		ok = redo_at(names[i], strict, false, left);
	links_copies_free(names, n);
	return ok;
}

/* As former.c: names that nobody has told of. */
static void former_names(const struct action *a)
{
	int obj = obj_of(a->rec);

	if (!(a->rec->flags & RF_LAST) || has_others(obj, a->path))
		return;
	for (int i = 0; i < master.n; i++)
		if (master.names[i].obj == obj &&
		    !filter_excludes(filter, master.names[i].path, false))
			names_later(obj, master.names[i].path);
}

static bool run_state(const struct action *a, unsigned *left)
{
	if (a->kind == ACT_OBJECT)
		former_names(a);
	return redo_at(a->path, a->strict, a->deep, left) &&
	       (a->kind != ACT_OBJECT || redo_names(a, a->strict, left));
}

/* ---- what failed ---- */

static const char *second(const struct action *a)
{
	return action_second(a) ? action_second(a) : a->path;
}

/* Its names may not be what we think: all are looked at, and forgotten. */
static void doubt_names(int obj, struct pathset *bad)
{
	char **names;
	unsigned n = others(obj, "", &names);

	for (unsigned i = 0; i < n; i++) {
		set(&doubted, names[i], 0);
		pathset_put(bad, names[i], FAILED);
		links_del(links, names[i]);
	}
	links_copies_free(names, n);
}

static void failed(const struct action *a, struct pathset *bad)
{
	n_failed++;
	if (a->kind == ACT_PUT || a->kind == ACT_SYMLINK || a->kind == ACT_LINK)
		doubt_names(obj_of(a->rec), bad);
	pathset_put(bad, a->path, FAILED);
	pathset_put(bad, second(a), FAILED);
}

static bool redo(struct pathset *bad, const char *path, enum strictness strict,
		 unsigned *left)
{
	uint64_t doubt = pathset_at(bad, path);

	if (doubt == 0 || doubt == DONE_OVER)
		return true;
	pathset_put(bad, path, DONE_OVER);
	return redo_at(path, strict, strict == STRICT_TREE, left);
}

/* Attributes are those of all names. */
static bool redo_others(struct pathset *bad, const struct action *a,
			unsigned *left)
{
	if (a->kind != ACT_SETATTR || !pathset_at(bad, a->path) ||
	    (knows(a->path, obj_of(a->rec)) && !parked_as(a->path, PARKED_NOW)))
		return true;
	return redo_names(a, STRICT_ATTR, left);
}

static bool redo_failed(const struct plan *plan, struct pathset *bad,
			unsigned *left)
{
	bool ok = true;

	for (int i = 0; i < to_copy.n; i++) {
		set(&doubted, to_copy.names[i].path, 0);
		pathset_put(bad, to_copy.names[i].path, FAILED);
	}
	reset(&to_copy);
	plan_taint(plan, bad);
	for (unsigned i = 0; ok && i < plan->n; i++) {
		const struct action *a = &plan->actions[i];
		enum strictness strict = action_redone(a);

		ok = action_is_state(a) ||
		     (redo(bad, a->path, strict, left) &&
		      redo(bad, second(a), strict, left) &&
		      redo_others(bad, a, left));
	}
	/* other names of its objects */
	while (ok && doubted.n > 0) {
		char *path = strdup(doubted.names[0].path);

		del(&doubted, path);
		ok = redo(bad, path, STRICT_FULL, left);
		free(path);
	}
	reset(&doubted);
	return ok;
}

#endif
