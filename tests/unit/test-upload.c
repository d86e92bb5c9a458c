/*
 * Uploads of a file that changes under them, with the executor in hand: what is
 * published is a content that the master had, with the attributes of that one.
 */
#include "confdefs.h"

#include "journal-fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sync/exec.h"
#include "sync/lower.h"

#define LARGE (300 * 1024) /* more than one WRITE: upload.c waits for it */

struct place {
	struct fixture f;
	char dir[64];		       /* with "tree" and "replica" */
	int tree_fd, stop_fd, wake_fd; /* nobody pokes those */
	struct remote *remote;
	struct links *links;
	struct owners *owners;
	struct abilities can;
	struct exec *exec;
	struct fhandle obj; /* of tree/file */
	bool may_leave;
	enum step_result result; /* of the newest step */
	bool looked;		 /* DIRTIMES: before its turn */
	uint64_t planned;
	off_t settles; /* the size that what is being written ends with */
};

static struct place *settling; /* NULL: nothing is */

/* usleep - that of the executor: what is being written settles just then. */
int usleep(useconds_t us)
{
	const struct timespec ts = {.tv_nsec = (long)us * 1000};
	struct place *p = settling;
	settling = NULL;
	if (p) {
		int fd = openat(p->tree_fd, "file", O_WRONLY | O_CLOEXEC);
		assert_int_equal(ftruncate(fd, p->settles), 0);
		close(fd);
		shared_busy_end(p->f.s, &p->obj);
	}
	return nanosleep(&ts, NULL);
}

/* ---- what the executor asks and tells ---- */

static void sending(void *arg, const struct step *s)
{
	struct place *p = arg;
	if (s->kind == STEP_DIRTIMES)
		p->looked = s->looked;
}

static void finished(void *arg, const struct step *s)
{
	struct place *p = arg;
	p->result = s->result;
}

static uint64_t planned(void *arg)
{
	const struct place *p = arg;
	return p->planned;
}

static bool may_leave(void *arg, const struct step *s)
{
	struct place *p = arg;
	return p->may_leave;
}

static void uncarried(void *arg, const char *kind, const char *path)
{
}

static void copy(void *arg, const char *path)
{
}

/* ---- a tree and a replica ---- */

static void begin_exec(struct place *p)
{
	const struct exec_config cfg = {.remote = p->remote,
					.shared = p->f.s,
					.journal = p->f.j,
					.links = p->links,
					.stage = "stage",
					.lower_fd = p->tree_fd,
					.stop_fd = p->stop_fd,
					.can = &p->can,
					.owners = p->owners,
					.delta_above = UINT64_MAX,
					.planned = planned,
					.sending = sending,
					.finished = finished,
					.may_leave = may_leave,
					.uncarried = uncarried,
					.copy = copy,
					.arg = p};
	p->exec = exec_new(&cfg);
}

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct remote_error err;
	struct remote_config cfg = {.timeout_ms = 60000};
	char path[80], replica[80];
	fx_open(&p->f);
	/* whatever file system this is */
	lower_without_handles();
	strcpy(p->dir, "/tmp/mirrorfs-upload.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(path, sizeof(path), "%s/tree", p->dir);
	snprintf(replica, sizeof(replica), "%s/replica", p->dir);
	assert_int_equal(mkdir(path, 0755) | mkdir(replica, 0755), 0);
	p->tree_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	snprintf(path, sizeof(path), "%s/replica/stage", p->dir);
	assert_int_equal(mkdir(path, 0755), 0);
	cfg.url = replica;
	if (remote_open(&cfg, &p->remote, &err) < 0)
		fail_msg("%d: %s", err.kind, err.text);
	for (unsigned i = 0; i < ABILITIES; i++)
		p->can.can[i] = i != CAN_OWNER;
	assert_int_equal(
		owners_open("ignore", false, p->remote, &p->owners, &err), 0);
	assert_int_equal(links_open(p->f.j, fx_replica(&p->f, "r"), &p->links),
			 0);
	fx_put(&p->f, OP_START, 0, 0, NULL, NULL);
	fx_sync(&p->f);
	begin_exec(p);
	*state = p;
	return 0;
}

static int take_down(void **state)
{
	struct place *p = *state;
	remote_close(p->remote);
	exec_free(p->exec);
	links_close(p->links);
	owners_close(p->owners);
	close(p->tree_fd);
	close(p->stop_fd);
	close(p->wake_fd);
	nftw(p->dir, fx_unlink, 10, FTW_DEPTH | FTW_PHYS);
	fx_close(&p->f);
	free(p);
	return 0;
}

/* change - the file has that content and time now, as the worker tells it; with
 * a ctime that is not the one before. */
static void change(struct place *p, const char *text, time_t mtime)
{
	const struct timespec times[2] = {{.tv_sec = mtime}, {.tv_sec = mtime}};
	struct stat before = {0}, st;
	int64_t deadline = clock_mono_ns() + 60 * NS_PER_S;
	int fd = openat(p->tree_fd, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &before), 0);
	if (p->obj.len)
		shared_busy_begin(p->f.s, &p->obj);
	do {
		assert_true(clock_mono_ns() < deadline);
		assert_int_equal(ftruncate(fd, (off_t)strlen(text)), 0);
		assert_int_equal(pwrite(fd, text, strlen(text), 0),
				 strlen(text));
		assert_int_equal(futimens(fd, times), 0);
		assert_int_equal(fstat(fd, &st), 0);
	} while (st.st_ctim.tv_sec == before.st_ctim.tv_sec &&
		 st.st_ctim.tv_nsec == before.st_ctim.tv_nsec && p->obj.len);
	if (p->obj.len)
		shared_busy_end(p->f.s, &p->obj);
	close(fd);
	assert_int_equal(lower_look(p->tree_fd, "file", &st, &p->obj), 0);
}

/* replica_has - that content, with the time of it */
static void replica_has(const struct place *p, const char *text, time_t mtime)
{
	char path[80], got[80] = "";
	struct stat st;
	snprintf(path, sizeof(path), "%s/replica/file", p->dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(read(fd, got, sizeof(got) - 1) >= 0);
	close(fd);
	assert_string_equal(got, text);
	assert_int_equal(st.st_mtime, mtime);
}

static void all_in_the_stage(struct place *p)
{
	while (!exec_aside_ready(p->exec))
		assert_true(exec_serve(p->exec, 1000, p->wake_fd) >= 0);
}

/* push - as a PUT that may leave the line, or not. */
static enum step_result push(struct place *p, bool leave)
{
	static int tag;
	p->may_leave = leave;
	assert_int_equal(
		exec_push(p->exec, STEP_PUT, "file", NULL, &p->obj, &tag), 0);
	assert_int_equal(exec_drain(p->exec), 0);
	return p->result;
}

/* ---- tests ---- */

static void what_is_aside(void **state)
{
	struct place *p = *state;
	change(p, "one", 1000);
	exec_aside(p->exec, "file", &p->obj);
	all_in_the_stage(p);
	assert_int_equal(push(p, false), STEP_DONE);
	replica_has(p, "one", 1000);
}

/* What has come back from aside gets the attributes of then. When its content
 * was read twice, equal attributes mean that a neighbour of its hash was busy;
 * but not those that it has only just got. */
static void newer_attributes(void **state)
{
	struct place *p = *state;
	change(p, "one", 1000);
	exec_aside(p->exec, "file", &p->obj);
	all_in_the_stage(p);
	change(p, "two, longer", 2000);
	assert_int_equal(push(p, true), STEP_ASIDE); /* read again */
	all_in_the_stage(p);
	change(p, "3", 3000);
	assert_int_equal(push(p, false), STEP_DONE);
	replica_has(p, "3", 3000);
}

static void make_file(struct place *p, off_t size)
{
	struct stat st;
	int fd = openat(p->tree_fd, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
	assert_int_equal(lower_look(p->tree_fd, "file", &st, &p->obj), 0);
}

/* is_to_freeze - a file that was overtaken before is being written when its upload
 * begins, and ends with `size` while that waits. */
static void is_to_freeze(struct place *p, off_t before, off_t size)
{
	struct step wanted = {.exec = p->exec};
	make_file(p, before);
	wanted.obj = p->obj;
	freeze_want(&wanted);
	shared_busy_begin(p->f.s, &p->obj);
	p->settles = size;
	settling = p;
}

static void settles(struct place *p, off_t before, off_t size)
{
	char path[80];
	struct stat st;
	is_to_freeze(p, before, size);
	assert_int_equal(push(p, false), STEP_DONE);
	assert_null(settling);
	assert_false(shared_is_wanted(p->f.s, &p->obj)); /* it was frozen */
	snprintf(path, sizeof(path), "%s/replica/file", p->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, size);
}

/* A copy of the moment has the length of that moment. */
static void settles_meanwhile(void **state)
{
	struct place *p = *state;
	settles(p, LARGE, LARGE + 100000);
	settles(p, 2 * LARGE, LARGE);
	settles(p, LARGE, 1000);
}

/* ---- what the journal tells of a content ---- */

static uint64_t tell(struct place *p, enum record_op op, uint32_t flags,
		     off_t size)
{
	struct range all = {0, (uint64_t)size};
	struct record r = {.op = op,
			   .flags = flags,
			   .obj = p->obj,
			   .path = "file",
			   .mode = 0100644,
			   .size = (uint64_t)size,
			   .ranges = op == OP_SETTLE ? &all : NULL,
			   .n_ranges = op == OP_SETTLE};
	uint64_t seq = shared_append(p->f.s, &r);
	fx_sync(&p->f);
	return seq;
}

/* write_at - as the worker tells it, of a file that is there. */
static void write_at(struct place *p, const char *text, off_t at)
{
	int fd = openat(p->tree_fd, "file", O_WRONLY | O_CLOEXEC);
	shared_busy_begin(p->f.s, &p->obj);
	assert_int_equal(pwrite(fd, text, strlen(text), at), strlen(text));
	shared_busy_end(p->f.s, &p->obj);
	close(fd);
}

static void replica_ends(const struct place *p, off_t size, char first)
{
	char path[80], got = 0;
	struct stat st;
	snprintf(path, sizeof(path), "%s/replica/file", p->dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(read(fd, &got, 1), 1);
	close(fd);
	assert_int_equal(st.st_size, size);
	assert_int_equal(got, first);
}

/* refuse_place - what is frozen is all in the stage, and refused its place. */
static void refuse_place(struct place *p)
{
	char path[80];
	snprintf(path, sizeof(path), "%s/replica/file", p->dir);
	assert_int_equal(mkdir(path, 0755), 0);
	is_to_freeze(p, LARGE, LARGE);
	assert_int_equal(push(p, false), STEP_FAILED);
	assert_int_equal(rmdir(path), 0);
}

/* A copy of the moment is not what a later record told of, which nobody repeats:
 * the path was parked when that came. */
static void frozen_and_overtaken(void **state)
{
	struct place *p = *state;
	refuse_place(p);
	write_at(p, "new", 0);
	p->planned = tell(p, OP_SETTLE, 0, LARGE);
	assert_int_equal(push(p, false), STEP_DONE);
	replica_ends(p, LARGE, 'n');
}

/* One that is still to come will bring it. */
static void frozen_before_it_is_told(void **state)
{
	struct place *p = *state;
	refuse_place(p);
	write_at(p, "new", 0);
	p->planned = tell(p, OP_SETTLE, 0, LARGE) - 1;
	assert_int_equal(push(p, false), STEP_DONE);
	replica_ends(p, LARGE, 0);
}

/* Appended to by who opens it for that moment only: what is there already is not
 * sent over and over, as long as a record to come brings the rest. */
static void appended_meanwhile(void **state)
{
	struct place *p = *state;
	make_file(p, LARGE);
	p->planned = tell(p, OP_SETTLE, 0, LARGE);
	exec_aside(p->exec, "file", &p->obj);
	all_in_the_stage(p);
	tell(p, OP_DIRTY, RF_APPENDS, LARGE);
	write_at(p, "more", LARGE);
	uint64_t last = tell(p, OP_SETTLE, 0, LARGE + 4);
	assert_int_equal(push(p, false), STEP_DONE);
	replica_ends(p, LARGE, 0);
	exec_aside(p->exec, "file", &p->obj);
	all_in_the_stage(p);
	tell(p, OP_DIRTY, RF_APPENDS, LARGE + 4);
	write_at(p, "more", LARGE + 4);
	p->planned = tell(p, OP_SETTLE, 0, LARGE + 8);
	assert_true(p->planned > last);
	assert_int_equal(push(p, false), STEP_DONE);
	replica_ends(p, LARGE + 8, 0);
}

/* folder_times - those of tree/folder go to the replica, behind a content and
 * what the test has pushed. */
static void folder_times(struct place *p, time_t mtime)
{
	const struct timespec times[2] = {{.tv_sec = mtime}, {.tv_sec = mtime}};
	char path[80];
	struct stat st;
	assert_int_equal(utimensat(p->tree_fd, "folder", times, 0), 0);
	assert_int_equal(
		exec_push(p->exec, STEP_PUT, "file", NULL, &p->obj, NULL) |
			exec_push(p->exec, STEP_DIRTIMES, "folder", NULL, NULL,
				  NULL),
		0);
	assert_int_equal(exec_drain(p->exec), 0);
	snprintf(path, sizeof(path), "%s/replica/folder", p->dir);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mtime, mtime);
}

/* A folder is looked at beside the contents before it; but not beside what
 * makes it, or may put something else in its place: what was seen there would
 * not be what is there. */
static void looks_ahead(void **state)
{
	struct place *p = *state;
	struct fhandle folder;
	struct stat st;
	assert_int_equal(mkdirat(p->tree_fd, "folder", 0755), 0);
	assert_int_equal(lower_look(p->tree_fd, "folder", &st, &folder), 0);
	change(p, "one", 1000);
	assert_int_equal(
		exec_push(p->exec, STEP_MKDIR, "folder", NULL, &folder, NULL),
		0);
	folder_times(p, 1000);
	assert_false(p->looked);
	folder_times(p, 2000);
	assert_true(p->looked);
	assert_int_equal(
		exec_push(p->exec, STEP_RENAME, "folder", "other", NULL, NULL) |
			exec_push(p->exec, STEP_MKDIR, "folder", NULL, &folder,
				  NULL),
		0);
	folder_times(p, 3000);
	assert_false(p->looked);
	assert_int_equal(p->result, STEP_DONE);
	/* it goes before its turn comes */
	assert_int_equal(unlinkat(p->tree_fd, "folder", AT_REMOVEDIR), 0);
	assert_int_equal(
		exec_push(p->exec, STEP_DIRTIMES, "folder", NULL, NULL, NULL),
		0);
	assert_int_equal(exec_drain(p->exec), 0);
	assert_true(p->looked);
	assert_int_equal(p->result, STEP_GONE);
}

#define PLACE(t) cmocka_unit_test_setup_teardown(t, set_up, take_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE(what_is_aside),
		PLACE(newer_attributes),
		PLACE(settles_meanwhile),
		PLACE(frozen_and_overtaken),
		PLACE(frozen_before_it_is_told),
		PLACE(appended_meanwhile),
		PLACE(looks_ahead),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
