/*
 * What the kernel gives back, when the worker is killed meanwhile: between any
 * two of its stores into the kept memory, or before it knows how much of a
 * message it has read. A child serves a message one instruction at a time;
 * whenever it has changed the memory, another one takes over a copy of that.
 */
#include "confdefs.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "stepped.h"
#include "worker-fixture.h"

#include "fs/inode.h"
#include "fs/kept.h"
#include "fs/replay.h"

#define THREAD 1u
#define PAGE   4096u
#define MANY   600u /* three pages of a message */

/* ---- inodes, and a message that gives them back ---- */

static struct fhandle handle_of(unsigned n)
{
	/* short ones are kept in place, long ones beside */
	struct fhandle fh = {.len = n % 2 ? 40 : 8, .type = 1};
	memset(fh.bytes, 0xa5, fh.len);
	memcpy(fh.bytes, &n, sizeof(n));
	return fh;
}

static void take_over(int fd)
{
	struct fhandle root = handle_of(0);
	assert_int_equal(kept_open(fd), 0);
	assert_int_equal(inodes_start(&root), 0);
}

static void leave(void)
{
	inodes_stop();
	kept_close();
}

static uint64_t learn(unsigned n, uint64_t dir, mode_t type)
{
	struct stat st = {.st_mode = type | 0644};
	struct fhandle fh = handle_of(n);
	char name[16];
	snprintf(name, sizeof(name), "%u", n);
	return inode_id(inode_learn(&fh, &st, inode_get(dir), name));
}

struct message {
	struct fuse_in_header in;
	struct fuse_batch_forget_in batch;
	struct fuse_forget_one list[MANY];
};

static void add(struct message *m, uint64_t id)
{
	m->list[m->batch.count++] = (struct fuse_forget_one){id, 1};
	m->in = (struct fuse_in_header){
		.len = (uint32_t)(offsetof(struct message, list) +
				  m->batch.count * sizeof(m->list[0])),
		.opcode = FUSE_BATCH_FORGET,
		.unique = 2,
	};
}

static unsigned items;

static void count_item(void *item)
{
	items++;
}

/* kept_items - how many of that kind there are, besides those in use here. */
static unsigned kept_items(enum kept_items which)
{
	struct slots *s;
	items = 0;
	assert_int_equal(kept_slots(which, &s), 0);
	slots_each(s, count_item);
	slots_close(s);
	return items;
}

/* ---- killed while it serves it ---- */

#define KEPT_ID 2u /* the first one that is learned; a lookup stays */

/* A folder, what is in it, and what the kernel still knows of. */
static void make_some(struct flight *f)
{
	static struct message m;
	uint64_t id = learn(1, INODE_ROOT, S_IFREG);
	assert_int_equal(id, KEPT_ID);
	learn(1, INODE_ROOT, S_IFREG);
	learn(1, INODE_ROOT, S_IFREG);
	add(&m, id);
	uint64_t dir = learn(2, INODE_ROOT, S_IFDIR);
	add(&m, dir);
	for (unsigned n = 3; n < 7; n++)
		add(&m, learn(n, dir, S_IFREG));
	memcpy(f->request, &m, m.in.len);
	f->got = m.in.len;
}

/* As op_forget_multi does. */
static void serve(struct flight *f)
{
	const struct message *m = (const void *)f->request;
	for (unsigned k = 0; k < m->batch.count; k++)
		inode_forget_next(&f->forgetting, m->list[k].nodeid,
				  m->list[k].nlookup);
	flight_done(f);
}

static pid_t child_start(int fd)
{
	pid_t pid = fork();
	if (pid == 0) {
		take_over(fd);
		struct flight *f = kept_flight(THREAD);
		make_some(f);
		stepped_from_here();
		serve(f);
		_exit(0);
	}
	stepped_begin(pid);
	return pid;
}

/* What of the kept memory is in use. */
#define EXTENTS 64u

static struct extent {
	off_t at;
	size_t len;
	uint8_t *now, *before;
} extents[EXTENTS];
static unsigned n_extents;

static void find_extents(int fd)
{
	off_t at = 0, end;
	for (n_extents = 0; (at = lseek(fd, at, SEEK_DATA)) >= 0; at = end) {
		assert_true(n_extents < EXTENTS);
		struct extent *e = &extents[n_extents++];
		end = lseek(fd, at, SEEK_HOLE);
		e->at = at;
		e->len = (size_t)(end - at);
		e->now = mmap(NULL, e->len, PROT_READ, MAP_SHARED, fd, at);
		assert_true(e->now != MAP_FAILED);
		e->before = calloc(1, e->len);
		assert_non_null(e->before);
	}
}

static void drop_extents(void)
{
	for (unsigned i = 0; i < n_extents; i++) {
		munmap(extents[i].now, extents[i].len);
		free(extents[i].before);
	}
}

static bool has_changed(void)
{
	bool any = false;
	for (unsigned i = 0; i < n_extents; i++) {
		struct extent *e = &extents[i];
		if (memcmp(e->before, e->now, e->len) == 0)
			continue;
		memcpy(e->before, e->now, e->len);
		any = true;
	}
	return any;
}

/* What is left when all is done: nothing but the root. */
static void check_left(void)
{
	assert_int_equal(inodes_count(), 2);
	inode_forget(KEPT_ID, 1);
	assert_non_null(inode_get(KEPT_ID));
	inode_forget(KEPT_ID, 1);
	assert_null(inode_get(KEPT_ID));
	assert_int_equal(kept_items(KEPT_INODES), 1);
	assert_int_equal(kept_items(KEPT_FILE_HANDLES), 0);
	for (unsigned t = KEPT_NAMES; t <= KEPT_NAMES_LAST; t++)
		assert_int_equal(kept_items(t), 0);
}

static void recover(void)
{
	int copy, status;
	assert_int_equal(kept_create(&copy), 0);
	for (unsigned i = 0; i < n_extents; i++)
		assert_int_equal(pwrite(copy, extents[i].before, extents[i].len,
					extents[i].at),
				 extents[i].len);
	pid_t pid = fork();
	if (pid == 0) {
		take_over(copy);
		replay_forgets();
		inodes_restored();
		check_left();
		_exit(0);
	}
	close(copy);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_each_store(void **state)
{
	unsigned places = 0;
	int fd;
	assert_int_equal(kept_create(&fd), 0);
	pid_t pid = child_start(fd);
	find_extents(fd);
	do {
		if (!has_changed())
			continue;
		places++;
		recover();
	} while (stepped_on(pid));
	has_changed();
	recover();
	drop_extents();
	close(fd);
	print_message("killed at %u places\n", places);
	assert_true(places > 20);
}

/* ---- killed before it knows how much it has read ---- */

static struct message many;

/* come - a message whose first `bytes` the kernel has copied; what is left
 * of it then. */
static unsigned come(size_t bytes)
{
	struct flight *f = kept_flight(THREAD);
	memset(&many, 0, sizeof(many));
	for (unsigned n = 1; n <= MANY; n++)
		add(&many, learn(n, INODE_ROOT, S_IFREG));
	/* another message was there before */
	memset(f->request, 0xff, sizeof(f->request));
	f->got = sizeof(f->request);
	flight_done(f);
	memcpy(f->request, &many, bytes < many.in.len ? bytes : many.in.len);
	replay_forgets();
	inodes_restored();
	unsigned left = (unsigned)inodes_count() - 1;
	for (unsigned k = 0; k < MANY; k++)
		inode_forget(many.list[k].nodeid, 1);
	assert_int_equal(inodes_count(), 1);
	return left;
}

static void test_each_page(void **state)
{
	const unsigned first = (PAGE - offsetof(struct message, list)) /
			       sizeof(struct fuse_forget_one);
	const unsigned next = PAGE / sizeof(struct fuse_forget_one);
	take_over(-1);
	assert_int_equal(come(sizeof(many)), 0);
	assert_int_equal(come(PAGE), MANY - first);
	assert_int_equal(come(2 * PAGE), MANY - first - next);
	assert_int_equal(come(sizeof(many)), 0);
	leave();
}

/* ---- killed in the midst of the kernel's copy ---- */

/* The kernel gives up a request of which a page would have to be mapped then,
 * and the next worker never sees it. */
static void test_mapped(void **state)
{
	uint64_t entry;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		skip();
	assert_int_equal(kept_open(-1), 0);
	struct flight *f = kept_flight(THREAD);
	flight_map(f);
	for (size_t n = 0; n < sizeof(*f); n += PAGE) {
		uintptr_t page = ((uintptr_t)f + n) / PAGE;
		assert_int_equal(pread(fd, &entry, sizeof(entry),
				       (off_t)(page * sizeof(entry))),
				 sizeof(entry));
		assert_true(entry >> 63); /* present */
	}
	kept_close();
	close(fd);
}

/* ---- the same, by the kernel ---- */

static bool dies; /* of a worker: before it knows of a long message */

ssize_t read(int fd, void *p, size_t n)
{
	ssize_t r = syscall(SYS_read, fd, p, n);
	const struct fuse_in_header *in = p;
	if (dies && r > (ssize_t)PAGE && in->opcode == FUSE_BATCH_FORGET)
		kill(getpid(), SIGKILL);
	return r;
}

/* known_inodes - in another process, as the memory is opened once in each. */
static unsigned known_inodes(void)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		if (kept_open(wf_kept_fd) < 0)
			_exit(255);
		unsigned n = kept_items(KEPT_INODES);
		_exit(n < 254 ? (int)n : 254);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return (unsigned)WEXITSTATUS(status);
}

/* forget_all - the files are gone and only referred to; the kernel gives them
 * back all at once. */
static void forget_all(struct mounted *m)
{
	static int fds[MANY];
	char name[16];
	int status;
	for (unsigned n = 0; n < MANY; n++) {
		snprintf(name, sizeof(name), "%u", n);
		assert_int_equal(mknodat(m->root_fd, name, S_IFREG | 0644, 0),
				 0);
		fds[n] = open(name, O_PATH | O_CLOEXEC);
		assert_true(fds[n] >= 0);
		assert_int_equal(unlink(name), 0);
	}
	kill(m->worker, SIGSTOP);
	assert_int_equal(waitpid(m->worker, &status, WUNTRACED), m->worker);
	for (unsigned n = 0; n < MANY; n++)
		close(fds[n]);
	kill(m->worker, SIGCONT);
}

static void test_kernel(void **state)
{
	struct mounted m;
	struct stat st;
	int status;
	if (!wf_possible())
		skip();
	assert_int_equal(kept_create(&wf_kept_fd), 0);
	dies = true;
	wf_up(&m);
	dies = false;
	forget_all(&m);
	assert_int_equal(waitpid(m.worker, &status, 0), m.worker);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	wf_again(&m);
	assert_int_equal(stat("none", &st), -1); /* it serves */
	assert_int_equal(known_inodes(), 1);
	wf_down(&m);
	wf_done(&m);
	close(wf_kept_fd);
	wf_kept_fd = -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_store),
		cmocka_unit_test(test_each_page),
		cmocka_unit_test(test_mapped),
		cmocka_unit_test(test_kernel),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
