/* See partial.h. */
#include "confdefs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "remote-wait.h"
#include "sync/partial.h"
#include "sync/visit.h"

const struct partial *partials_find(const struct partials *p,
				    const struct fhandle *obj)
{
	for (unsigned i = 0; i < p->n; i++) {
		if (fhandle_equal(&p->list[i].obj, obj))
			return &p->list[i];
	}
	return NULL;
}

int partials_move(struct partials *p, struct remote *r, const char *stage)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < p->n; i++) {
		struct partial *one = &p->list[i];
		char from[PARTIAL_PATH_MAX + 1], to[PARTIAL_PATH_MAX];
		visit_shut_path(one->path, from, sizeof(from));
		snprintf(to, sizeof(to), "%s/part-%u", stage, ++p->named);
		int s = remote_rename(r, from, to);
		if (s == -ENOTCONN) /* perhaps it is there, for the next one */
			return s;
		if (s < 0)
			continue;
		snprintf(one->path, sizeof(one->path), "%s", to);
		p->list[kept++] = *one;
	}
	p->n = kept;
	return 0;
}

void partials_drop(struct partials *p, struct remote *r,
		   const struct fhandle *obj)
{
	for (unsigned i = 0; i < p->n; i++) {
		if (!fhandle_equal(&p->list[i].obj, obj))
			continue;
		remote_send_remove(r, p->list[i].path, NULL, NULL);
		p->list[i--] = p->list[--p->n];
	}
}

void partials_drop_all(struct partials *p, struct remote *r)
{
	while (p->n > 0)
		remote_send_remove(r, p->list[--p->n].path, NULL, NULL);
}
