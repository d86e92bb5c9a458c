/*
 * See probe.h. Requests go out in bunches; what one of them asks is found in
 * the answers by its place in the table below, in the order of sending:
 *
 *	a  a file, of mode, times and owner; b  another one, copied into
 *	d  a folder; l  a symbolic link; h  a second name of a
 *
 * Then b is renamed over h, and all is removed again.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "paths.h"
#include "remote-wait.h"
#include "sync/cause.h"
#include "sync/probe.h"
#include "sync/remote/status.h"

#define TIME_BY_HANDLE 1000000000u
#define TIME_BY_NAME   1000000001u
#define NOBODY	       65534u
#define PROBE_INODES   6 /* a, b, d, l, and what a server needs beside them */

enum question {
	OPEN_A,
	OPEN_B,
	MKDIR,
	OPEN_D,
	SYMLINK,
	READLINK,
	WRITE,
	READ,
	FSETSTAT,
	LSTAT_ID,
	LSTAT_OWNER,
	FSYNC,
	FSYNC_D,
	COPY,
	SETSTAT,
	LSTAT_SETSTAT,
	LSETSTAT,
	LCHMOD,
	LINK,
	STATVFS,
	NAMES,
	LSTAT_OTHER_CASE,
	CLOSE_A,
	CLOSE_B,
	CLOSE_D,
	RENAME,
	RMDIR,
	REMOVE,
	QUESTIONS
};

struct
try {
	struct remote *r;
	const char *stage;
	unsigned pending;
	int got[QUESTIONS]; /* 0, or a negative errno */
	bool no_room_for_l; /* and yet the order of SYMLINK is known */
	struct remote_attr attr[QUESTIONS];
	struct remote_handle a, b, d;
};

struct asked {
	struct try *t;
	enum question q;
};

static void answered(void *arg, const struct remote_reply *reply)
{
	struct asked *q = arg;
	struct try *t = q->t;

	t->pending--;
	t->got[q->q] = reply->status;
	if (reply->attr)
		t->attr[q->q] = *reply->attr;
	if (reply->handle)
		remote_keep_handle(reply, q->q == OPEN_A   ? &t->a
					  : q->q == OPEN_B ? &t->b
							   : &t->d);
	free(q);
}

/* ask - the argument of `answered`. */
static struct asked *ask(struct try *t, enum question q)
{
	struct asked *a = malloc(sizeof(*a));

	if (!a)
		abort();
	*a = (struct asked){t, q};
	t->pending++;
	return a;
}

static int wait_all(struct try *t)
{
	while (t->pending > 0)
		remote_pump(t->r, -1, -1);
	for (int q = 0; q < QUESTIONS; q++) {
		if (t->got[q] == -ENOTCONN)
			return -ENOTCONN;
	}
	return 0;
}

static int first_bunch(struct try *t, const char *a, const char *b,
		       const char *d, const char *l)
{
	const uint32_t flags = RO_READ | RO_WRITE | RO_CREATE | RO_TRUNC;

	remote_send_open(t->r, a, flags, 0600, answered, ask(t, OPEN_A));
	remote_send_open(t->r, b, flags, 0600, answered, ask(t, OPEN_B));
	remote_send_mkdir(t->r, d, 0700, answered, ask(t, MKDIR));
	remote_send_open(t->r, d, RO_READ, 0, answered, ask(t, OPEN_D));
	remote_send_symlink(t->r, PROBE_NOWHERE, l, answered, ask(t, SYMLINK));
	remote_send_readlink(t->r, l, answered, ask(t, READLINK));
	return wait_all(t);
}

/* ask_attributes - by handle, then by name; what came of it LSTAT tells. */
static void ask_attributes(struct try *t, const char *a)
{
	struct remote_attr plain = {.flags = ATTR_MODE | ATTR_TIMES,
				    .mode = 0711,
				    .atime = TIME_BY_HANDLE,
				    .mtime = TIME_BY_HANDLE};
	const struct remote_attr owner = {
		.flags = ATTR_OWNER, .uid = NOBODY, .gid = NOBODY};
	const struct remote_attr set_id = {.flags = ATTR_MODE, .mode = 06711};
	const struct remote_attr later = {.flags = ATTR_MODE, .mode = 0700};

	remote_send_fsetstat(t->r, &t->a, &plain, answered, ask(t, FSETSTAT));
	plain.atime = plain.mtime = TIME_BY_NAME;
	remote_send_setstat(t->r, a, &plain, answered, ask(t, SETSTAT));
	remote_send_lstat(t->r, a, answered, ask(t, LSTAT_SETSTAT));
	remote_send_fsetstat(t->r, &t->a, &set_id, NULL, NULL);
	remote_send_setstat(t->r, a, &set_id, NULL, NULL);
	remote_send_lstat(t->r, a, answered, ask(t, LSTAT_ID));
	remote_send_fsetstat(t->r, &t->a, &owner, NULL, NULL);
	remote_send_setstat(t->r, a, &owner, NULL, NULL);
	/* who may give a file away must be able to change it afterwards:
	 * ProFTPD drops that right (mod_cap) */
	remote_send_fsetstat(t->r, &t->a, &later, NULL, NULL);
	remote_send_setstat(t->r, a, &later, NULL, NULL);
	remote_send_lstat(t->r, a, answered, ask(t, LSTAT_OWNER));
}

/* ask_folder - as on Linux, where it is opened like a file. */
static void ask_folder(struct try *t)
{
	t->got[FSYNC_D] = t->got[OPEN_D];
	if (t->got[OPEN_D] < 0)
		return;
	remote_send_fsync(t->r, &t->d, answered, ask(t, FSYNC_D));
	remote_send_close(t->r, &t->d, answered, ask(t, CLOSE_D));
}

static void second_bunch(struct try *t, const char *a, const char *l,
			 const char *h, const char *other_case)
{
	const struct remote_attr times = {.flags = ATTR_TIMES,
					  .atime = TIME_BY_NAME,
					  .mtime = TIME_BY_NAME};
	const struct remote_attr mode = {.flags = ATTR_MODE, .mode = 0600};
	const uint32_t root = 0;

	remote_send_write(t->r, &t->a, 0, "x", 1, answered, ask(t, WRITE));
	remote_send_read(t->r, &t->a, 0, 1, answered, ask(t, READ));
	remote_send_copy_data(t->r, &t->a, 0, 1, &t->b, answered, ask(t, COPY));
	ask_attributes(t, a);
	remote_send_fsync(t->r, &t->a, answered, ask(t, FSYNC));
	ask_folder(t);
	remote_send_lsetstat(t->r, l, &times, answered, ask(t, LSETSTAT));
	remote_send_lsetstat(t->r, a, &mode, answered, ask(t, LCHMOD));
	remote_send_link(t->r, a, h, answered, ask(t, LINK));
	remote_send_statvfs(t->r, "", answered, ask(t, STATVFS));
	remote_send_names(t->r, &root, 1, &root, 1, answered, ask(t, NAMES));
	remote_send_lstat(t->r, other_case, answered, ask(t, LSTAT_OTHER_CASE));
	remote_send_close(t->r, &t->a, answered, ask(t, CLOSE_A));
	remote_send_close(t->r, &t->b, answered, ask(t, CLOSE_B));
}

/* third_bunch - right behind the second: nothing in it depends on what came of
 * that. The rename is tried as it will be used: without the extension, if that
 * is refused. Then it takes more than one request, and what comes behind has to
 * wait. */
static int third_bunch(struct try *t, const char *a, const char *b,
		       const char *d, const char *l, const char *h)
{
	bool at_once = remote_caps(t->r)->ext & EXT_POSIX_RENAME;

	remote_send_rename(t->r, b, a, answered, ask(t, RENAME));
	if (!at_once && wait_all(t) < 0)
		return -ENOTCONN;
	remote_send_rmdir(t->r, d, answered, ask(t, RMDIR));
	remote_send_remove(t->r, a, answered, ask(t, REMOVE));
	remote_send_remove(t->r, l, NULL, NULL);
	remote_send_remove(t->r, h, NULL, NULL);
	if (wait_all(t) < 0)
		return -ENOTCONN;
	if (!at_once || t->got[RENAME] == 0 || t->got[OPEN_B] < 0)
		return 0;
	remote_without(t->r, EXT_POSIX_RENAME);
	remote_send_rename(t->r, b, a, answered, ask(t, RENAME));
	if (wait_all(t) < 0)
		return -ENOTCONN;
	remote_send_remove(t->r, a, NULL, NULL);
	return 0;
}

/* draft_order - SYMLINK with its arguments as the draft has them. Where there is
 * no room for a link, the errors tell the order: of the two links that were
 * asked for, one had no folder to be in. */
static int draft_order(struct try *t, const char *l)
{
	int first = t->got[SYMLINK];

	if (first == 0 && t->got[READLINK] == 0)
		return 0;
	remote_swap_symlink(t->r, true);
	remote_send_symlink(t->r, PROBE_NOWHERE, l, answered, ask(t, SYMLINK));
	remote_send_readlink(t->r, l, answered, ask(t, READLINK));
	if (wait_all(t) < 0)
		return -ENOTCONN;
	if (t->got[SYMLINK] == 0 && t->got[READLINK] == 0)
		return 0;
	bool draft = first == -ENOENT && t->got[SYMLINK] == -EREMOTEIO;
	bool openssh = first == -EREMOTEIO && t->got[SYMLINK] == -ENOENT;
	remote_swap_symlink(t->r, draft);
	t->no_room_for_l = draft || openssh;
	return 0;
}

static void judge_attributes(const struct try *t, struct abilities *can)
{
	const struct remote_attr *n = &t->attr[LSTAT_SETSTAT];
	const struct remote_attr *o = &t->attr[LSTAT_OWNER];

	can->can[CAN_FSETSTAT] = t->got[FSETSTAT] == 0;
	can->can[CAN_SETSTAT] = t->got[SETSTAT] == 0;
	can->can[CAN_MODE] = (n->mode & 07777) == 0711;
	can->can[CAN_TIMES] =
		n->mtime == TIME_BY_NAME || n->mtime == TIME_BY_HANDLE;
	can->can[CAN_LCHMOD] = can->can[CAN_MODE] && can->can[CAN_LSETSTAT] &&
			       t->got[LCHMOD] == 0;
	can->can[CAN_SET_ID] = (t->attr[LSTAT_ID].mode & 07777) == 06711;
	/* what is nobody's from the start, as by NFS, was not given away */
	can->can[CAN_OWNER] =
		n->uid != NOBODY && o->uid == NOBODY &&
		(!can->can[CAN_MODE] || (o->mode & 07777) == 0700);
}

static const struct {
	enum ability can;
	enum question q;
	enum remote_ext ext;
} extensions[] = {
	{CAN_HARDLINK, LINK, EXT_HARDLINK},
	{CAN_FSYNC, FSYNC, EXT_FSYNC},
	{CAN_LSETSTAT, LSETSTAT, EXT_LSETSTAT},
	{CAN_COPY_DATA, COPY, EXT_COPY_DATA},
	{CAN_STATVFS, STATVFS, EXT_STATVFS},
	{CAN_USERS_GROUPS, NAMES, EXT_USERS_GROUPS},
};

static void judge(const struct try *t, struct abilities *can)
{
	for (size_t i = 0; i < sizeof(extensions) / sizeof(*extensions); i++) {
		can->can[extensions[i].can] = t->got[extensions[i].q] == 0;
	}
	can->can[CAN_POSIX_RENAME] = remote_caps(t->r)->ext & EXT_POSIX_RENAME;
	can->can[CAN_FSYNC_FOLDER] = t->got[FSYNC_D] == 0;
	can->can[CAN_LIMITS] = remote_caps(t->r)->ext & EXT_LIMITS;
	can->can[CAN_SYMLINK] = t->got[SYMLINK] == 0 && t->got[READLINK] == 0;
	can->can[CAN_CASE] = t->got[LSTAT_OTHER_CASE] < 0;
	judge_attributes(t, can);
}

static int refuse(const struct try *t, const char *url,
		  struct remote_error *err)
{
	static const struct {
		enum question q;
		const char *word;
	} needed[] = {{OPEN_A, "open"},	       {WRITE, "write"},
		      {READ, "read"},	       {CLOSE_A, "close"},
		      {MKDIR, "mkdir"},	       {RENAME, "rename"},
		      {RMDIR, "rmdir"},	       {REMOVE, "remove"},
		      {LSTAT_SETSTAT, "lstat"}};

	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		if (t->got[needed[i].q] < 0)
			return status_fail(
				err, REMOTE_NOT_WRITABLE,
				"%s: the server refuses \"%s\", without which "
				"there is no mirror: see SERVERS in "
				"mirrorfs(8)",
				url, needed[i].word);
	}
	return 0;
}

bool probe_lacks(const struct abilities *is, const struct abilities *was)
{
	static const enum ability matter[] = {
		CAN_OWNER,   CAN_MODE,	   CAN_TIMES,	 CAN_SET_ID,
		CAN_SYMLINK, CAN_LSETSTAT, CAN_HARDLINK, CAN_SETSTAT};

	for (unsigned i = 0; i < sizeof(matter) / sizeof(*matter); i++) {
		if (!is->can[matter[i]] && was->can[matter[i]])
			return true;
	}
	return false;
}

/* may_be_quota - some of it could not be made, and no other reason was told. */
static bool may_be_quota(const struct try *t)
{
	static const enum question makes[] = {OPEN_A, OPEN_B, MKDIR, WRITE};
	bool some = false;

	for (unsigned i = 0; i < sizeof(makes) / sizeof(*makes); i++) {
		int got = t->got[makes[i]];
		if (got < 0 && got != -EREMOTEIO)
			return false;
		some |= got < 0;
	}
	return some;
}

/* is_full - no room for a byte, or for what was to be made; or so it looks. */
static bool is_full(const struct try *t, bool may_fill)
{
	struct evidence e = {.may_fill = may_fill};

	if (cause_look(t->r, "", NULL, &e) < 0 || e.space.read_only)
		return false;
	return cause_no_room(&e) ||
	       (e.measured && e.space.inodes > 0 &&
		e.space.avail_inodes < PROBE_INODES) ||
	       may_be_quota(t);
}

/* keep - what it could, and cannot now for want of room, as far as that may be: not
 * what is not permitted, or unsupported; nor a SYMLINK of which nobody knows where
 * it would make its link. */
static void keep(const struct try *t, const struct abilities *had,
		 struct abilities *can)
{
	if (had->can[CAN_HARDLINK] && t->got[LINK] == -EREMOTEIO)
		can->can[CAN_HARDLINK] = true;
	if (!had->can[CAN_SYMLINK] || !t->no_room_for_l)
		return;
	can->can[CAN_SYMLINK] = true;
	/* it was tried on the link */
	if (t->got[LSETSTAT] == -ENOENT) {
		can->can[CAN_LSETSTAT] = had->can[CAN_LSETSTAT];
		can->can[CAN_LCHMOD] =
			had->can[CAN_LCHMOD] && t->got[LCHMOD] == 0;
	}
}

/* use - not what the server announces in vain. */
static void use(struct remote *r, const struct abilities *can)
{
	for (size_t i = 0; i < sizeof(extensions) / sizeof(*extensions); i++) {
		if (!can->can[extensions[i].can])
			remote_without(r, extensions[i].ext);
	}
}

int probe(struct remote *r, const char *url, const char *stage,
	  const struct abilities *had, struct abilities *ret,
	  struct remote_error *err)
{
	struct try t = {.r = r, .stage = stage};
	CLEANUP_FREE char *a = path_join(stage, "a");
	CLEANUP_FREE char *b = path_join(stage, "b");
	CLEANUP_FREE char *d = path_join(stage, "d");
	CLEANUP_FREE char *l = path_join(stage, "l");
	CLEANUP_FREE char *h = path_join(stage, "h");
	CLEANUP_FREE char *other = path_join(stage, "A");
	int s = first_bunch(&t, a, b, d, l);

	if (s == 0)
		s = draft_order(&t, l);
	if (s == 0 && t.got[OPEN_A] == 0 && t.got[OPEN_B] == 0)
		second_bunch(&t, a, l, h, other);
	else if (s == 0 && t.got[OPEN_A] == 0)
		remote_send_close(r, &t.a, NULL, NULL);
	if (s == 0)
		s = third_bunch(&t, a, b, d, l, h);
	if (s < 0)
		return status_fail(err, REMOTE_LOST, "%s", remote_why(r));
	judge(&t, ret);
	if (had)
		keep(&t, had, ret);
	int refused = refuse(&t, url, err);
	bool knows = had && had->can[CAN_SYMLINK] <= ret->can[CAN_SYMLINK];
	if (knows && (refused || probe_lacks(ret, had)) &&
	    is_full(&t, had->can[CAN_OWNER])) {
		bool at_once = remote_caps(r)->ext & EXT_POSIX_RENAME &&
			       had->can[CAN_POSIX_RENAME];
		*ret = *had;
		ret->can[CAN_POSIX_RENAME] = at_once;
		if (!at_once)
			remote_without(r, EXT_POSIX_RENAME);
		refused = 0;
	}
	use(r, ret);
	return refused;
}
