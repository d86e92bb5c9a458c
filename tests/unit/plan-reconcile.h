#ifndef MIRRORFS_TESTS_PLAN_RECONCILE_H
#define MIRRORFS_TESTS_PLAN_RECONCILE_H

/* More of plan-replica.h. */

/* ---- reconcile ---- */

static void remove_all(const char *path)
{
	del_below(&replica, path);
	del_below(&known, path);
}

static bool same_content(const struct object *m, const struct object *r,
			 enum strictness strict)
{
	if (strict >= STRICT_FULL)
		return false;
	/* size and time do not tell everything apart, but who is empty */
	return (m->content == 0) == (r->content == 0) &&
	       m->content % 2 == r->content % 2;
}

static void rc_file(const char *path, enum strictness strict)
{
	int obj = master.names[find(&master, path)].obj, i;
	struct object *m = &master.objs[obj], *r = at(&replica, path);
	bool linked = m->names > 1, ours;

	if (stale[obj] && strict < STRICT_FULL)
		strict = STRICT_FULL;
	i = find(&known, path);
	ours = i >= 0 && known.names[i].obj == obj;
	if (i >= 0 && !ours) { /* never change another object's inode */
		del(&known, path);
		strict = STRICT_FULL;
	}
	if (linked)
		know(path, obj);
	if (trace)
		print_message("      file %s obj %d%s%s%s %d, has %d %d\n",
			      path, obj, m->open ? " open" : "",
			      linked ? " linked" : "", ours ? " ours" : "",
			      strict, m->attr, r ? r->attr : -1);
	if (m->open) {
		struct fhandle h = {.len = sizeof(obj)};

		memcpy(h.bytes, &obj, sizeof(obj));
		plan_memory_absent(memory, &h, linked);
		gave_up = true;
		return;
	}
	if (linked && done_path[obj]) {
		i = find(&replica, done_path[obj]);
		if (i >= 0)
			set(&replica, path, replica.names[i].obj);
		return;
	}
	if (r && (!linked || ours) && same_content(m, r, strict))
		r->attr = m->attr;
	else
		publish(path, obj);
	if (linked)
		done_path[obj] = strdup(path);
}

static void rc_entry(const char *path, enum strictness strict, bool deep,
		     bool below)
{
	struct object *m = at(&master, path), *r = at(&replica, path);

	if (!m && *path) {
		remove_all(path);
		return;
	}
	for (int i = known.n; deep && !below && i-- > 0;) {
		struct name k = known.names[i];
		int mi = find(&master, k.path);

		if (path_is_below(k.path, path) && mi < 0)
			del(&known, k.path);
	}
	if (*path && (!r || r->type != m->type)) {
		remove_all(path);
		r = NULL;
	}
	if (m && m->type != 'f')
		del(&known, path);
	if (m && m->type == 'f') {
		rc_file(path, strict);
		return;
	}
	if (m && m->type == 'l') {
		if (!r || strict >= STRICT_FULL || m->content != r->content)
			publish(path, master.names[find(&master, path)].obj);
		else
			r->attr = m->attr;
		return;
	}
	if (m && !r) {
		deep = true;
		set(&replica, path, new_obj(&replica, 'd', 0, m->attr));
	} else if (m) {
		r->attr = m->attr;
	}
	for (int side = 0; deep && side < 2; side++) {
		struct tree *t = side ? &replica : &master;

		for (int i = t->n; i-- > 0;) {
			char *up = path_parent(t->names[i].path);
			char *p = strdup(t->names[i].path);

			if (!strcmp(up, path) && *p &&
			    (!side || !at(&master, p)))
				rc_entry(p,
					 strict == STRICT_TREE ? strict
							       : STRICT_DATA,
					 true, true);
			free(up);
			free(p);
			if (i > t->n)
				i = t->n;
		}
	}
}

/* What must be looked at instead of `path`: the topmost folder above it that
 * the replica lacks. */
static char *climb(const char *path)
{
	char *best = strdup(path), *p = strdup(path), *up;

	if (!at(&master, path) && *path)
		goto out;
	while (*p) {
		up = path_parent(p);
		free(p);
		p = up;
		if (!is_dir(&replica, p)) {
			free(best);
			best = strdup(p);
		}
	}
out:
	free(p);
	return best;
}

#endif
