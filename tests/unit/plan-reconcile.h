#ifndef MIRRORFS_TESTS_PLAN_RECONCILE_H
#define MIRRORFS_TESTS_PLAN_RECONCILE_H

/* More of plan-replica.h. */

/* ---- reconcile ---- */

static bool same_content(const struct object *m, const struct object *r,
			 enum strictness strict)
{
	/* size and time do not tell everything apart, but who is empty */
	return (m->content == 0) == (r->content == 0) &&
	       (strict == STRICT_ATTR || m->content % 2 == r->content % 2);
}

static void rc_again(const char *path);

/* A name could not be made: all are doubted, and done over. */
static void names_failed(const char *path, int obj)
{
	char **names;
	unsigned n = others(obj, path, &names);

	links_del(links, path);
	for (unsigned i = 0; i < n; i++)
		links_del(links, names[i]);
	rc_again(path);
	for (unsigned i = 0; i < n; i++)
		rc_again(names[i]);
	links_copies_free(names, n);
}

static void link_at(const char *first, const char *path, int obj)
{
	int i = find(&replica, first);

	links_taken(links, path);
	if (i < 0 || is_dir(&replica, first)) {
		names_failed(path, obj);
		return;
	}
	set(&replica, path, replica.names[i].obj);
	at(&replica, path)->attr = master.objs[obj].attr;
}

/* As link_name in compare.c: returns true when it is done. */
static bool link_name(const char *path, int obj, bool may_link, bool *ret_other)
{
	struct fhandle h = handle_of(obj);
	char **names, *first = NULL;

	*ret_other = false;
	if (master.objs[obj].names == 1) {
		links_single(links, path, &h, 0);
		return false;
	}
	links_keep(links, path, &h);
	if (knows(path, obj))
		return false;
	unsigned n = others(obj, path, &names);
	know(path, obj);
	if (nolinks) { /* a copy, like any other file */
		links_copies_free(names, n);
		return false;
	}
	*ret_other = n > 0;
	for (unsigned i = 0; i < n && !first; i++)
		if (!is_other(names[i], obj))
			first = names[i];
	if (first && may_link)
		link_at(first, path, obj);
	may_link = may_link && first;
	links_copies_free(names, n);
	return may_link;
}

static void rc_file(const char *path, enum strictness strict)
{
	int obj = master.names[find(&master, path)].obj;
	struct object *m = &master.objs[obj], *r = at(&replica, path);
	/* never change another object's inode */
	bool copies = strict == STRICT_NEWS && m->names > 1 && nolinks;
	bool doubt = strict >= STRICT_FULL || copies || stale[obj] ||
		     is_other(path, obj) ||
		     (retrying && m->changed >= doubted_since);
	bool same = !doubt && r && same_content(m, r, strict), other;

	if (trace)
		print_message("      file %s obj %d%s%s %d, has %d %d\n", path,
			      obj, m->open ? " open" : "",
			      doubt ? " in doubt" : "", strict, m->attr,
			      r ? r->attr : -1);
	if (link_name(path, obj, !doubt, &other))
		return;
	if (same && !other) {
		r->attr = m->attr;
	} else if (m->open) {
		give_up(obj, true);
		stale[obj] = true; /* that is not what it is taken for */
	} else if (!publish(path, obj)) {
		names_failed(path, obj);
	}
}

static void rc_entry(const char *path, enum strictness strict, bool deep);

/* What is parked there has its own time. */
static void rc_child(const char *path, enum strictness strict)
{
	if (at(&master, path) && !retrying && parked_as(path, PARKED_BEFORE)) {
		if (strict == STRICT_TREE)
			doubt_content(path);
		return;
	}
	rc_entry(path, strict, true);
}

/* Just in the folder, and but for those that the master has, if `t` is not
 * that one. Below it, equal size and time is equal content. */
static void rc_entries(const char *folder, const struct tree *t,
		       enum strictness strict)
{
	if (strict == STRICT_FULL)
		strict = STRICT_DATA;
	for (int i = t->n; i-- > 0;) {
		char *path = strdup(t->names[i].path);
		char *up = path_parent(path);

		if (*path && !strcmp(up, folder) &&
		    (t == &master || !at(&master, path)))
			rc_child(path, strict);
		free(up);
		free(path);
		if (i > t->n)
			i = t->n;
	}
}

static void rc_entry(const char *path, enum strictness strict, bool deep)
{
	struct object *m = at(&master, path), *r = at(&replica, path);

	if (m && filter_excludes(filter, path, m->type == 'd')) {
		if (r && !filter_excludes(filter, path, r->type == 'd')) {
			del_below(&replica, path);
			links_del_tree(links, path);
		}
		return;
	}
	if (!m && *path) {
		if (r && filter_excludes(filter, path, r->type == 'd'))
			return;
		del_below(&replica, path);
		links_del_tree(links, path);
		return;
	}
	if (*path && (!r || r->type != m->type)) {
		del_below(&replica, path);
		r = NULL;
	}
	if (m && m->type == 'd')
		links_del(links, path);
	else if (m)
		links_del_below(links, path);
	if (m && m->type == 'f') {
		rc_file(path, strict);
		return;
	}
	if (m && m->type == 'l') {
		int obj = master.names[find(&master, path)].obj;
		bool doubt = is_other(path, obj), other;

		link_name(path, obj, true, &other);
		if (!r || doubt || m->content != r->content)
			publish(path, obj);
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
	if (*path && stale[master.names[find(&master, path)].obj]) {
		stale[master.names[find(&master, path)].obj] = false;
		deep = true;
		strict = STRICT_TREE;
	}
	if (deep) {
		links_doubt(links, path);
		links_del_tree(links, path);
		rc_entries(path, &master, strict);
		rc_entries(path, &replica, strict);
	}
}

/* What must be looked at instead of `path`: the topmost above it that is no
 * folder on both sides. */
static char *climb(const char *path)
{
	char *top = strdup(path);

	for (char *p = top; (p = strchr(p, '/')); p++) {
		*p = 0;
		if (!is_dir(&master, top) || !is_dir(&replica, top))
			break;
		*p = '/';
	}
	return top;
}

static void rc_again(const char *path)
{
	char *root = climb(path);

	rc_entry(root, STRICT_FULL, true);
	fence(root, recs[n_recs - 1].seq);
	free(root);
}

#endif
