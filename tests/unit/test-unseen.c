/*
 * The mark of a file that may change without a request (fs/passthrough.h): it
 * stays for as long as that is so, and says where the file is, also when that
 * is moved between two steps of ours. With a real lower folder and a real
 * activity log, without a mount.
 */
#include "confdefs.h"

#include "activity-fixture.h"

#include "fs/change.h"
#include "fs/content.h"
#include "fs/inode.h"
#include "fs/lower.h"
#include "fs/passthrough.h"
#include "fs/touch.h"
#include "shared.h"

static char folder[] = "/tmp/mirrorfs-unseen.XXXXXX";
static struct af t;
static int root_fd, fd;
static struct inode *file, *from, *to;
static const struct who ann = {.uid = 1, .pid = 11, .program = "ann"};
static bool is_open;
static void (*while_syncing)(void);

/* Of the log: the mark is written, and nobody holds a lock. */
int fdatasync(int unused)
{
	void (*hook)(void) = while_syncing;
	while_syncing = NULL;
	if (hook)
		hook();
	return 0;
}

static struct inode *learn(const char *path, struct inode *dir)
{
	const char *slash = strrchr(path, '/');
	struct fhandle fh;
	struct stat st;
	int o_path = openat(root_fd, path, O_PATH);
	assert_true(o_path >= 0);
	assert_int_equal(lower_identify(o_path, "", &fh, &st), 0);
	close(o_path);
	return inode_learn(&fh, &st, dir, slash ? slash + 1 : path);
}

static int setup(void **state)
{
	struct fhandle root;
	struct stat st;
	root_fd = open(folder, O_RDONLY | O_DIRECTORY);
	assert_true(root_fd >= 0);
	assert_int_equal(mkdirat(root_fd, "from", 0755), 0);
	assert_int_equal(mkdirat(root_fd, "to", 0755), 0);
	fd = openat(root_fd, "from/f", O_RDWR | O_CREAT, 0644);
	assert_true(fd >= 0);
	assert_int_equal(lower_start(root_fd, &root, &st), 0);
	inodes_start(&root);
	af_open(&t, 0);
	changes_start(t.f.s);
	change_thread_start(0);
	touches_start(t.a);
	touch_thread_start(0);
	from = learn("from", inode_get(INODE_ROOT));
	to = learn("to", inode_get(INODE_ROOT));
	file = learn("from/f", from);
	return contents_start(0, 0);
}

static int teardown(void **state)
{
	while_syncing = NULL;
	if (is_open) /* a test has failed */
		content_close(file, fd);
	is_open = false;
	contents_stop();
	touches_start(NULL);
	af_close(&t);
	inodes_stop();
	close(fd);
	unlinkat(root_fd, "from/f", 0);
	unlinkat(root_fd, "to/f", 0);
	unlinkat(root_fd, "from", AT_REMOVEDIR);
	unlinkat(root_fd, "to", AT_REMOVEDIR);
	close(root_fd);
	return 0;
}

/* As passthrough_open and whoever calls it. */
static void open_unseen(void)
{
	inode_set_unseen(file, true);
	content_open(file, &ann, true);
	is_open = true;
	touch_end();
}

/* What a rename does between its two looks at the activity log. */
static void move_names(void)
{
	assert_int_equal(renameat(root_fd, "from/f", root_fd, "to/f"), 0);
	inode_name_add(file, to, "f");
	inode_name_del(file, from, "f");
}

static void move(void)
{
	const struct touch_rename tr = {.from = from, .to = to};
	touch_rename(&tr);
	move_names();
	touch_unseen(file);
	touch_end();
}

static void lift_all(void)
{
	assert_int_equal(activity_lift(t.a), 0);
	assert_int_equal(activity_lift(t.a), 0);
}

/* The one mark that is left when others were lifted: of the file, there. */
static void marked_in(const struct inode *dir)
{
	struct activity_past p;
	struct fhandle obj, at;
	lift_all();
	inode_handle(file, &obj);
	inode_handle(dir, &at);
	assert_int_equal(past(&t, &p), PAST_MARKS);
	assert_int_equal(p.n, 1);
	assert_int_equal(p.marks[0].kind, MARK_FILE);
	assert_true(p.marks[0].stays);
	assert_true(fhandle_equal(&p.marks[0].obj, &obj));
	assert_true(fhandle_equal(&p.marks[0].dir, &at));
	activity_past_done(&p);
}

/* not_written - whoever asks for a lease finds no other descriptor of ours. */
static void not_written(void)
{
	int reader = openat(root_fd, "from/f", O_RDONLY);
	if (reader < 0)
		reader = openat(root_fd, "to/f", O_RDONLY);
	assert_true(reader >= 0);
	assert_int_equal(dup2(reader, fd), fd);
	close(reader);
}

static void closed(void)
{
	content_close(file, fd);
	is_open = false;
	not_written();
	contents_stop();
	lift_all();
	assert_int_equal(marks(&t), 0);
	assert_int_equal(contents_start(0, 0), 0);
}

static void test_stays(void **state)
{
	open_unseen();
	marked_in(from);
	marked_in(from);
	closed();
}

/* All that is touched is covered by marks of the same generation. */
static void test_moved(void **state)
{
	touch_dir(from);
	touch_dir(to);
	open_unseen();
	move();
	marked_in(to);
	closed();
}

/* A write has marked it where it was; only later it is opened like that. */
static void test_moved_before(void **state)
{
	touch_file(file);
	move();
	open_unseen();
	marked_in(to);
	closed();
}

/* What covers it is the mark of the folder that it was made in. */
static void test_just_made(void **state)
{
	struct fhandle obj;
	inode_handle(file, &obj);
	touch_dir(from);
	touch_made(&obj);
	touch_end();
	open_unseen();
	marked_in(from);
	closed();
}

static void move_back(void)
{
	assert_int_equal(renameat(root_fd, "to/f", root_fd, "from/f"), 0);
	inode_name_add(file, from, "f");
	inode_name_del(file, to, "f");
}

static void move_and_back(void)
{
	move_names();
	while_syncing = move_back;
}

/* It is moved when we have looked where it is, and are marking it; also when
 * that is done once more. */
static void test_moved_meanwhile(void **state)
{
	touch_dir(from);
	touch_dir(to);
	while_syncing = move_names;
	open_unseen();
	assert_null(while_syncing);
	marked_in(to);
	closed();
}

static void test_and_back(void **state)
{
	touch_dir(from);
	touch_dir(to);
	while_syncing = move_and_back;
	open_unseen();
	assert_null(while_syncing);
	marked_in(from);
	closed();
}

/* As whoever writes to it marks it, who finds it in `dir`. */
static struct mark file_of(const struct inode *dir)
{
	struct mark m = {.kind = MARK_FILE};
	inode_handle(file, &m.obj);
	inode_handle(dir, &m.dir);
	return m;
}

/* Somebody else who writes to it had looked before it was moved. */
static void test_stale_touch(void **state)
{
	open_unseen();
	move();
	lift_all();
	touch_once(&t, file_of(from));
	marked_in(to);
	closed();
}

/* It has two names, and the one that was marked goes. */
static void test_other_name(void **state)
{
	open_unseen();
	assert_int_equal(linkat(root_fd, "from/f", root_fd, "to/f", 0), 0);
	touch_link(to, file);
	inode_name_add(file, to, "f");
	touch_dir(from);
	assert_int_equal(unlinkat(root_fd, "from/f", 0), 0);
	inode_name_del(file, from, "f");
	touch_unseen(file);
	touch_end();
	marked_in(to);
	closed();
}

/* Somebody can write to it when the mount has ended: the next one knows, in which
 * nobody has touched it yet. */
static void test_outlives(void **state)
{
	const char *uuid = journal_uuid(t.f.j);
	struct mark m, other;
	struct fhandle obj;
	inode_handle(file, &obj);
	touch_file(file);
	open_unseen();
	content_close(file, -1);
	is_open = false;
	contents_stop(); /* `fd` is open */
	marked_in(from);
	touch_dir(from);
	touch_end();
	assert_int_equal(marks(&t), 2);

	activity_stop(t.a);
	assert_int_equal(activity_reset(t.f.dir, uuid, 1, 0), 0);
	assert_int_equal(marks(&t), 1);
	af_start(&t);
	touches_start(t.a);
	marked_in(from);
	assert_true(activity_stayed(t.a, &m));
	assert_true(fhandle_equal(&m.obj, &obj));
	assert_false(activity_stayed(t.a, &other));
	marked_in(from);
	activity_unpin(t.a, &obj);
	lift_all();
	assert_int_equal(marks(&t), 0);
	assert_int_equal(contents_start(0, 0), 0);
}

/* Nobody can write to it any more when the worker ends: the next one knows. */
static void test_seen_again(void **state)
{
	struct mark m;
	open_unseen();
	touch_once(&t, file_of(to)); /* somebody else, who saw it elsewhere */
	content_close(file, fd);
	is_open = false;
	not_written();
	contents_stop();
	assert_int_equal(marks(&t), 1);
	activity_stop(t.a);
	af_start(&t);
	touches_start(t.a);
	assert_false(activity_stayed(t.a, &m));
	lift_all();
	assert_int_equal(marks(&t), 0);
	assert_int_equal(contents_start(0, 0), 0);
}

/* All is marked when the first comes who can write to it unseen. */
static void test_while_everything(void **state)
{
	const struct fhandle other = fx_obj(1);
	activity_pin(t.a, &other);
	open_unseen();
	activity_unpin(t.a, &other);
	marked_in(from);
	closed();
}

/* It is marked once more before it is pinned, by somebody who does not know. */
static void test_marked_meanwhile(void **state)
{
	struct mark m = file_of(from), other = file_of(to);
	m.stays = true;
	activity_place(t.a, 0, &m);
	activity_place(t.a, 0, &other);
	activity_pin(t.a, &m.obj);
	activity_done(t.a, 0);
	marked_in(to);
	activity_unpin(t.a, &m.obj);
}

/* A worker died when it had chosen how to serve a file, and had not noted by
 * what backing file: the others have one. */
static void test_killed_while_opening(void **state)
{
	passthrough_restore(file, SERVED_PASS, 7);
	passthrough_restore(file, SERVED_PASS, 0);
	assert_int_equal(passthrough_backing(file), 7);
	free(*inode_pass(file));
	*inode_pass(file) = NULL;
}

int main(void)
{
#define UNIT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		UNIT(test_stays),	UNIT(test_moved),
		UNIT(test_moved_before), UNIT(test_just_made),
		UNIT(test_moved_meanwhile), UNIT(test_and_back),
		UNIT(test_stale_touch),	UNIT(test_other_name),
		UNIT(test_killed_while_opening), UNIT(test_outlives),
		UNIT(test_seen_again), UNIT(test_while_everything),
		UNIT(test_marked_meanwhile),
	};
	if (!mkdtemp(folder))
		return 99;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return failed;
}
