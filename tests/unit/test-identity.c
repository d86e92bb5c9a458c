/*
 * STATE/identity and a power cut: the calls by which it is written are noted,
 * and after each of them every state in which the folder can be is tried. The
 * new name may be on the disk as soon as rename was called, and is when the
 * folder was synced; content that was not synced before may be there in part.
 * What is read is the old one or the new one, whole; the new one, when the
 * transaction that it copies is committed.
 */
#include "confdefs.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "journal-fixture.h"
#include "paths.h"

/* ---- what is called ---- */

enum call {
	CALL_WRITE,
	CALL_SYNC,
	CALL_RENAME,
	CALL_SYNC_DIR,
	CALL_COMMIT, /* what the database is synced with */
	CALL_KINDS,
};

#define CALLS 64u

static const char *noted_dir; /* NULL: nothing is noted */
static enum call calls[CALLS];
static unsigned n_calls;

static void note(enum call c)
{
	if (n_calls < CALLS)
		calls[n_calls++] = c;
}

static bool is_at(int fd, const char *name)
{
	char path[128];
	struct stat a, b;
	if (!noted_dir)
		return false;
	snprintf(path, sizeof(path), "%s/%s", noted_dir, name);
	return fstat(fd, &a) == 0 && stat(path, &b) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

int fdatasync(int fd)
{
	if (is_at(fd, "journal.db-wal"))
		note(CALL_COMMIT);
	return 0;
}

int fsync(int fd)
{
	fdatasync(fd);
	if (is_at(fd, "identity.new"))
		note(CALL_SYNC);
	else if (is_at(fd, ""))
		note(CALL_SYNC_DIR);
	return 0;
}

ssize_t write(int fd, const void *p, size_t n)
{
	if (is_at(fd, "identity.new"))
		note(CALL_WRITE);
	return syscall(SYS_write, fd, p, n);
}

int renameat(int from, const char *a, int to, const char *b)
{
	if (noted_dir && strcmp(b, "identity") == 0)
		note(CALL_RENAME);
	return (int)syscall(SYS_renameat2, from, a, to, b, 0);
}

/* ---- what is on the disk ---- */

struct text {
	char bytes[8192];
	size_t len;
};

static void text_read(const char *dir, struct text *t)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/identity", dir);
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	ssize_t n = read(fd, t->bytes, sizeof(t->bytes));
	assert_true(n > 0 && n < (ssize_t)sizeof(t->bytes));
	t->len = (size_t)n;
	close(fd);
}

/* epoch_of - as it is read when these bytes are there; 0: it is not. */
static uint64_t epoch_of(const char *dir, const struct text *t, size_t len)
{
	struct journal_identity id;
	char path[128];
	snprintf(path, sizeof(path), "%s/identity", dir);
	int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, t->bytes, len), len);
	close(fd);
	int r = journal_identity(dir, &id);
	free(id.root);
	return r == 0 ? id.epoch : 0;
}

/* after_calls - the first `n` were made. Returns how many states there are. */
static unsigned after_calls(const char *dir, unsigned n, const struct text *old,
			    const struct text *new, uint64_t epoch)
{
	bool synced = false, renamed = false, dir_synced = false, torn = false;
	unsigned states = 0;
	for (unsigned i = 0; i < n; i++) {
		synced |= calls[i] == CALL_SYNC;
		dir_synced |= renamed && calls[i] == CALL_SYNC_DIR;
		torn |= calls[i] == CALL_RENAME && !synced;
		renamed |= calls[i] == CALL_RENAME;
	}
	if (n && calls[n - 1] == CALL_COMMIT)
		assert_true(dir_synced);
	if (!dir_synced) {
		assert_int_equal(epoch_of(dir, old, old->len), epoch - 1);
		states++;
	}
	if (!renamed)
		return states;
	for (size_t len = torn ? 0 : new->len; len <= new->len; len += 97) {
		assert_int_equal(epoch_of(dir, new, len), epoch);
		states++;
	}
	return states;
}

static void test_cuts(void **state)
{
	static struct text old, new;
	struct fixture f;
	unsigned states = 0;
	bool made[CALL_KINDS] = {false};
	fx_open(&f);
	text_read(f.dir, &old);
	noted_dir = f.dir;
	assert_int_equal(journal_epoch_begin(f.j, &f.first), 0);
	noted_dir = NULL;
	text_read(f.dir, &new);
	for (unsigned i = 0; i < n_calls; i++)
		made[calls[i]] = true;
	for (unsigned i = 0; i < CALL_KINDS; i++)
		assert_true(made[i]);
	for (unsigned n = 0; n <= n_calls; n++)
		states += after_calls(f.dir, n, &old, &new, SEQ_EPOCH(f.first));
	print_message("%u states after %u calls\n", states, n_calls);
	fx_close(&f);
}

/* A file that is not the whole: the last byte is missing, or all of them. */
static void test_parts(void **state)
{
	static struct text t;
	struct fixture f;
	fx_open(&f);
	text_read(f.dir, &t);
	for (size_t len = 0; len < t.len; len++)
		assert_int_equal(epoch_of(f.dir, &t, len), 0);
	assert_int_equal(epoch_of(f.dir, &t, t.len), SEQ_EPOCH(f.first));
	fx_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_parts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
