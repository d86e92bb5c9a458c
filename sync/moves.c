/*
 * A record names what it moved, but of an exchange only one half. The other is
 * where the newest record that moved it says; or below a folder that was moved
 * later, which is stale with all files below. So the tree of now is asked.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "memo.h"
#include "sync/lower.h"
#include "sync/moves.h"

#define RECORDS 256

static int note(const struct moves *m, uint32_t type, const struct fhandle *obj)
{
	/* symbolic links are compared as they are */
	if (obj->len == 0 || (type && type != S_IFDIR && type != S_IFREG))
		return 0;
	if (m->stale) {
		stale_add(m->stale, obj);
		return 0;
	}
	int r = journal_stale_add(m->journal, m->replica, obj);
	return r == -ENOENT ? 0 : r;
}

int moves_note_at(const struct moves *m, const char *path)
{
	struct stat st;
	struct fhandle obj;

	if (lower_look(m->lower_fd, path, &st, &obj) < 0)
		return 0;
	return note(m, st.st_mode & S_IFMT, &obj);
}

int moves_note(const struct moves *m, const struct record *r)
{
	int s = note(m, r->mode & S_IFMT, &r->obj);

	if (s == 0 && r->flags & RF_EXCHANGE)
		s = moves_note_at(m, r->path);
	if (s == 0 && r->flags & RF_EXCHANGE)
		s = moves_note_at(m, r->path2);
	return s;
}

int moves_note_all(const struct moves *m, uint64_t after)
{
	struct record *list = calloc(RECORDS, sizeof(*list));
	int n = after ? RECORDS : 0, s = 0;

	if (!list)
		abort();
	while (s == 0 && n == RECORDS) {
		n = journal_read_moves(m->journal, after, list, RECORDS);
		for (int i = 0; i < n; i++) {
			if (s == 0)
				s = moves_note(m, &list[i]);
			after = list[i].seq;
			record_done(&list[i]);
		}
	}
	free(list);
	return n < 0 ? n : s;
}
