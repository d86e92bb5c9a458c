/*
 * A database that is damaged or gone is set aside, and the new one knows its
 * uuid and replicas; and whatever is in the file (seeded bit flips, cuts,
 * garbage), all that reads it ends with an answer or an error.
 */
#include "confdefs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "activity.h"
#include "journal-fixture.h"
#include "lib/journal/db.h"
#include "owed.h"
#include "paths.h"
#include "rnd.h"

/* ---- files ---- */

struct image {
	uint8_t *bytes;
	size_t len;
};

static struct image image_read(const char *dir, const char *name)
{
	char path[128];
	struct image m = {0};
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_RDONLY);
	struct stat st;
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	m.len = (size_t)st.st_size;
	m.bytes = malloc(m.len + 1);
	assert_int_equal(read(fd, m.bytes, m.len), m.len);
	close(fd);
	return m;
}

static void image_write(const char *dir, const char *name, struct image m)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, m.bytes, m.len), m.len);
	close(fd);
}

static unsigned count_aside(const char *dir)
{
	unsigned n = 0;
	struct dirent *de;
	DIR *d = opendir(dir);
	const size_t len = strlen(JOURNAL_DAMAGED);
	while ((de = readdir(d)))
		n += strncmp(de->d_name, JOURNAL_DAMAGED, len) == 0 &&
		     !strchr(de->d_name + len, '-');
	closedir(d);
	return n;
}

static void remove_file(const char *dir, const char *name)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
}

static void remove_database(const char *dir)
{
	remove_file(dir, "journal.db");
	remove_file(dir, "journal.db-wal");
	remove_file(dir, "journal.db-shm");
}

/* ---- a journal with something of everything ---- */

static void fill(struct fixture *f)
{
	char path[32];
	int64_t id = fx_replica(f, "r1");
	assert_true(fx_replica(f, "r2's") > 0);
	f->who = (struct who){.uid = 1000, .pid = 7};
	for (unsigned i = 1; i <= 60; i++) {
		snprintf(path, sizeof(path), "dir/file%u", i);
		fx_put(f, OP_CREATE, RF_OPEN, i, path, NULL);
		if (i % 3)
			fx_put(f, OP_SETTLE, 0, i, path, NULL);
		if (i % 5 == 0)
			fx_put(f, OP_RENAME, 0, i, path, "dir/other");
	}
	fx_sync(f);
	struct parked p = {.path = (char *)(uintptr_t) "dir/x",
			   .error = (char *)(uintptr_t) "failure",
			   .seq = fx_at(f, 3)};
	assert_int_equal(journal_parked_put(f->j, id, &p), 0);
	assert_int_equal(journal_fence_put(f->j, id, "dir", fx_at(f, 4)), 0);
	assert_int_equal(journal_batch_end(f->j, id, fx_at(f, 9), true), 0);
}

/* A folder with it, closed; the caller removes it. */
static void make(struct fixture *f, char uuid[37])
{
	fx_open(f);
	fill(f);
	strcpy(uuid, journal_uuid(f->j));
	fx_umount(f);
}

static void check_new(const char *dir, const char *uuid)
{
	struct replica_row *rows;
	struct journal *j;
	unsigned n;
	assert_int_equal(journal_open(dir, JOURNAL_WRITE, &j), 0);
	assert_string_equal(journal_uuid(j), uuid);
	assert_int_equal(journal_replica_list(j, &rows, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(rows[0].name, "r1");
	assert_string_equal(rows[1].name, "r2's");
	assert_string_equal(rows[0].url, "/srv/r");
	assert_false(rows[0].seeded);
	assert_int_equal(rows[0].cursor, 0);
	for (unsigned i = 0; i < n; i++)
		replica_row_done(&rows[i]);
	free(rows);
	journal_close(j);
}

/* ---- the tests ---- */

static void test_lost(void **state)
{
	struct fixture f;
	char uuid[37], *text;
	uint64_t first, again;
	make(&f, uuid);
	remove_database(f.dir);
	assert_int_equal(journal_open(f.dir, JOURNAL_WRITE, &f.j), -ENOENT);
	assert_int_equal(journal_rescue(f.dir, false, &text), 0);
	assert_non_null(strstr(text, "was lost"));
	free(text);
	assert_int_equal(count_aside(f.dir), 0);
	check_new(f.dir, uuid);
	/* its numbers are not given again */
	assert_int_equal(journal_open(f.dir, JOURNAL_WRITE, &f.j), 0);
	assert_int_equal(journal_epoch_begin(f.j, &first), 0);
	assert_true(SEQ_EPOCH(first) > SEQ_EPOCH(f.first));
	journal_close(f.j);
	/* an old copy of it: numbers go on, and records are missing */
	struct image m = image_read(f.dir, "journal.db");
	assert_int_equal(journal_open(f.dir, JOURNAL_WRITE, &f.j), 0);
	assert_int_equal(journal_epoch_begin(f.j, &first), 0);
	journal_close(f.j);
	remove_database(f.dir);
	image_write(f.dir, "journal.db", m);
	free(m.bytes);
	assert_int_equal(journal_open(f.dir, JOURNAL_WRITE, &f.j), 0);
	assert_int_equal(journal_epoch_begin(f.j, &again), 0);
	assert_true(SEQ_EPOCH(again) > SEQ_EPOCH(first));
	struct record r;
	assert_int_equal(journal_read(f.j, 0, &r, 1), 1);
	assert_int_equal(r.op, OP_GAP);
	record_done(&r);
	journal_close(f.j);
	nftw(f.dir, fx_unlink, 10, FTW_DEPTH | FTW_PHYS);
}

/* A copy of the same epoch, or the one that has all that is said to be synced. */
static void begin_with(bool older)
{
	struct fixture f;
	uint64_t last, first;
	fx_open(&f);
	fx_put(&f, OP_UNLINK, 0, 0, "a", NULL);
	fx_sync(&f);
	assert_int_equal(journal_last_seq(f.j, &last), 0);
	fx_die(&f);
	struct image m = image_read(f.dir, "journal.db");
	struct record r = {.op = OP_UNLINK,
			   .seq = last + 1,
			   .path = (char[]){"b"},
			   .time_ns = clock_wall_ns()};
	assert_int_equal(journal_open(f.dir, JOURNAL_WRITE, &f.j), 0);
	assert_int_equal(db_append(f.j, &r, 1), 0);
	journal_close(f.j);
	assert_int_equal(activity_set_synced(f.dir, last + 1), 0);
	if (older) {
		remove_database(f.dir);
		image_write(f.dir, "journal.db", m);
	}
	free(m.bytes);
	assert_int_equal(journal_open(f.dir, JOURNAL_WRITE, &f.j), 0);
	assert_int_equal(journal_epoch_begin(f.j, &first), 0);
	int n = journal_read(f.j, SEQ_FIRST(SEQ_EPOCH(first)) - 1, &r, 1);
	assert_int_equal(n, older);
	if (older)
		assert_true(r.op == OP_GAP && r.flags & RF_CONTENT);
	if (older)
		record_done(&r);
	journal_close(f.j);
	nftw(f.dir, fx_unlink, 10, FTW_DEPTH | FTW_PHYS);
}

static void test_same_epoch(void **state)
{
	begin_with(false);
	begin_with(true);
}

/* All that is owed is before `epoch`, in which there is nothing. */
static void check_reached(struct journal *j, uint64_t epoch)
{
	int64_t seq, gaps;
	assert_int_equal(db_number(j, &seq, 0, "SELECT max(seq) FROM record",
				   ""), 0);
	assert_int_equal(SEQ_EPOCH(seq), epoch - 1);
	assert_int_equal(db_number(j, &gaps, 0,
				   "SELECT count(*) FROM record WHERE op = ? "
				   "AND seq >= ?",
				   "dl", OP_GAP, (int64_t)SEQ_FIRST(epoch - 1)),
			 0);
	assert_int_equal(gaps, 1);
}

/* Numbers of an epoch were given before it could begin. */
static void test_reach(void **state)
{
	struct fixture f;
	char uuid[37];
	make(&f, uuid);
	int64_t now = clock_wall_ns();
	uint64_t epoch = SEQ_EPOCH(f.first) + 2;
	struct image before = image_read(f.dir, "journal.db");
	assert_int_equal(activity_disable(f.dir), 0);
	/* the second time by one that has not heard of the first */
	for (int i = 0; i < 2; i++) {
		struct journal *j = fx_journal(&f);
		assert_int_equal(journal_epoch_reach(j, epoch, now), 0);
		check_reached(j, epoch);
		assert_int_equal(activity_disable(f.dir), 0);
		journal_close(j);
	}
	/* its commit failed, after STATE/identity was written */
	remove_database(f.dir);
	image_write(f.dir, "journal.db", before);
	free(before.bytes);
	struct journal *j = fx_journal(&f);
	assert_int_equal(journal_epoch_reach(j, epoch, now), 0);
	check_reached(j, epoch);
	/* somebody else's */
	struct record r = {.op = OP_START, .seq = SEQ_FIRST(epoch),
			   .time_ns = now};
	assert_int_equal(db_append(j, &r, 1), 0);
	assert_int_equal(journal_epoch_reach(j, epoch, now), -ESTALE);
	assert_int_equal(journal_epoch_reach(j, epoch - 1, now), -ESTALE);
	journal_close(j);
	nftw(f.dir, fx_unlink, 10, FTW_DEPTH | FTW_PHYS);
}

static void test_damaged(void **state)
{
	struct fixture f;
	char uuid[37], *text;
	struct journal *other;
	make(&f, uuid);
	struct image m = image_read(f.dir, "journal.db");
	memset(m.bytes, 'x', 100);
	image_write(f.dir, "journal.db", m);
	assert_int_equal(journal_open(f.dir, JOURNAL_WRITE, &f.j), -EUCLEAN);
	assert_int_equal(journal_rescue(f.dir, false, &text), 0);
	free(text);
	assert_int_equal(count_aside(f.dir), 1);
	check_new(f.dir, uuid);
	/* not under the feet of a writer; a reader is told */
	assert_int_equal(journal_open(f.dir, JOURNAL_WRITE, &f.j), 0);
	assert_int_equal(journal_open(f.dir, JOURNAL_READ, &other), 0);
	assert_int_equal(journal_rescue(f.dir, false, &text), -EBUSY);
	journal_close(f.j);
	assert_int_equal(journal_rescue(f.dir, false, &text), 0);
	free(text);
	assert_int_equal(count_aside(f.dir), 2);
	struct replica_row *rows;
	unsigned n;
	assert_int_equal(journal_replica_list(other, &rows, &n), -ESTALE);
	journal_close(other);
	check_new(f.dir, uuid);
	/* the identity is damaged, too */
	struct image id = image_read(f.dir, "identity");
	id.bytes[id.len / 2] ^= 4;
	image_write(f.dir, "identity", id);
	assert_int_equal(journal_rescue(f.dir, false, &text), -ENODATA);
	check_new(f.dir, uuid);
	/* while the database is whole, the next mount writes it anew */
	struct journal_identity now;
	uint64_t first;
	assert_int_equal(journal_identity(f.dir, &now), -ENODATA);
	assert_int_equal(journal_open(f.dir, JOURNAL_WRITE, &f.j), 0);
	assert_int_equal(journal_epoch_begin(f.j, &first), 0);
	journal_close(f.j);
	assert_int_equal(journal_identity(f.dir, &now), 0);
	assert_string_equal(now.uuid, uuid);
	free(now.root);
	image_write(f.dir, "identity", id);
	assert_int_equal(journal_rescue(f.dir, true, &text), 0);
	assert_non_null(strstr(text, "name them again"));
	free(text);
	assert_int_equal(journal_open(f.dir, JOURNAL_WRITE, &f.j), -ENOENT);
	free(m.bytes);
	free(id.bytes);
	nftw(f.dir, fx_unlink, 10, FTW_DEPTH | FTW_PHYS);
}

static int64_t complete(struct journal *j)
{
	char *text;
	assert_int_equal(journal_transaction_begin(j), 0);
	assert_int_equal(db_complete_set(j), 0);
	assert_int_equal(journal_transaction_close(j, 0), 0);
	assert_int_equal(journal_meta_get(j, "complete", &text), 0);
	int64_t ns = strtoll(text, NULL, 10);
	free(text);
	return ns;
}

/* The cursor is behind a large file that is still on its way. */
static void test_complete_aside(void **state)
{
	struct fixture f;
	char path[] = "large";
	fx_open(&f);
	int64_t id = fx_replica(&f, "r"), then;
	for (int i = 0; i < 3; i++) {
		fx_put(&f, OP_SETTLE, 0, 9, path, NULL);
		fx_sync(&f);
	}
	struct aside_row row = {.obj = fx_obj(9), .path = path,
				.from_seq = fx_at(&f, 0), .seq = fx_at(&f, 1)};
	assert_int_equal(db_number(f.j, &then, 0, "SELECT time_ns FROM record "
				   "WHERE seq = ?", "l", fx_at(&f, 0)), 0);
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 2), true), 0);
	assert_true(complete(f.j) > then);
	assert_true(journal_aside_add(f.j, id, &row) >= 0);
	assert_int_equal(complete(f.j), then);
	assert_true(journal_aside_clear(f.j, id) >= 0);
	assert_true(complete(f.j) > then);
	fx_close(&f);
}

static void put_doubt(struct fixture *f, enum record_op op, uint32_t flags,
		      int64_t since_ns)
{
	struct record r = {.op = op,
			   .flags = flags,
			   .obj = fx_obj(9),
			   .path = (char[]){""},
			   .size = (uint64_t)since_ns};
	shared_append(f->s, &r);
	fx_sync(f);
}

/* What is in doubt is older than the record that says so. */
static void test_complete_doubt(void **state)
{
	struct fixture f;
	uint64_t last;
	char *text;
	fx_open(&f);
	int64_t id = fx_replica(&f, "r"), then;
	assert_int_equal(journal_last_seq(f.j, &last), 0);
	assert_int_equal(journal_batch_end(f.j, id, last, true), 0);
	then = complete(f.j);
	put_doubt(&f, OP_UNSURE, RF_OBJECT, then - NS_PER_S);
	assert_int_equal(complete(f.j), then - NS_PER_S);
	put_doubt(&f, OP_GAP, RF_CONTENT, then - 2 * NS_PER_S);
	assert_int_equal(complete(f.j), then - 2 * NS_PER_S);
	put_doubt(&f, OP_UNSURE, RF_OBJECT | RF_CONTENT, then);
	assert_int_equal(complete(f.j), 0);
	assert_int_equal(journal_last_seq(f.j, &last), 0);
	assert_int_equal(journal_batch_end(f.j, id, last, true), 0);
	assert_true(complete(f.j) > then);
	/* also by what an epoch begins with */
	assert_int_equal(journal_rescan_next(f.j, then - NS_PER_S), 0);
	fx_umount(&f);
	fx_mount(&f);
	assert_int_equal(journal_meta_get(f.j, "complete", &text), 0);
	assert_true(strtoll(text, NULL, 10) <= then - NS_PER_S);
	free(text);
	fx_close(&f);
}

static void is_errno(int r)
{
	if (r < 0 && r > -4096)
		return;
	assert_true(r >= 0);
}

static int count_history(void *arg, const struct record *r,
			 const struct delivery *deliveries, unsigned n)
{
	++*(unsigned *)arg;
	return 0;
}

static void read_rows(struct journal *j)
{
	struct replica_row *rows;
	struct parked *parked;
	struct fence *fences;
	unsigned n;
	int r = journal_replica_list(j, &rows, &n);
	is_errno(r);
	for (unsigned i = 0; r == 0 && i < n; i++)
		replica_row_done(&rows[i]);
	if (r == 0)
		free(rows);
	r = journal_parked_load(j, 1, &parked, &n);
	is_errno(r);
	if (r == 0)
		parked_free(parked, n);
	r = journal_fences_load(j, 1, &fences, &n);
	is_errno(r);
	if (r == 0)
		fences_free(fences, n);
}

/* everything that a mount does with it */
static void use(struct journal *j)
{
	struct record out[200];
	unsigned count = 0;
	uint64_t seq;
	char *busy = NULL;
	read_rows(j);
	int n = journal_read(j, 0, out, 200);
	is_errno(n);
	for (int i = 0; i < n; i++)
		record_done(&out[i]);
	const struct history_filter all = {.path = "dir", .limit = 100};
	is_errno(journal_history(j, &all, count_history, &count));
	is_errno(journal_wait_target(j, 0, "dir/file3", &seq, &busy));
	free(busy);
	is_errno(journal_wait_done(j, "r1", 5, NULL));
	is_errno(journal_epoch_begin(j, &seq));
	struct record r = {.op = OP_RENAME,
			   .seq = seq,
			   .path = (char *)(uintptr_t) "dir",
			   .path2 = (char *)(uintptr_t) "dir2"};
	is_errno(db_append(j, &r, 1));
	is_errno(journal_batch_begin(j, 1, seq));
	is_errno(journal_batch_end(j, 1, seq, true));
	is_errno(db_prune(j, 1));
}

static void spoil(struct image *m)
{
	if (rnd(10) == 0) {
		m->len = rnd((uint32_t)m->len);
		return;
	}
	bool run = rnd(4) == 0;
	unsigned n = 1 + rnd(run ? 200 : 12), at = rnd((uint32_t)m->len);
	for (unsigned i = 0; i < n; i++) {
		if (run)
			m->bytes[(at + i) % m->len] = (uint8_t)rnd(256);
		else
			m->bytes[rnd((uint32_t)m->len)] ^= 1u << rnd(8);
	}
}

static void test_fuzz(void **state)
{
	struct fixture f;
	char uuid[37], *text;
	const char *soak = getenv("SOAK"), *seed = getenv("SEED");
	unsigned opened = 0, rounds = 60 * (soak ? (unsigned)atoi(soak) : 1);
	random_state = seed ? strtoull(seed, NULL, 10) | 1 : 20261125;
	make(&f, uuid);
	struct image m = image_read(f.dir, "journal.db");
	struct image id = image_read(f.dir, "identity");
	for (unsigned i = 0; i < rounds; i++) {
		struct image bad = {malloc(m.len), m.len};
		memcpy(bad.bytes, m.bytes, m.len);
		spoil(&bad);
		remove_database(f.dir);
		image_write(f.dir, "journal.db", bad);
		image_write(f.dir, "identity", id);
		free(bad.bytes);
		alarm(60);
		int r = journal_open(f.dir, JOURNAL_WRITE, &f.j);
		is_errno(r);
		if (r == 0) {
			opened++;
			is_errno(journal_check(f.j));
			use(f.j);
			journal_close(f.j);
		}
		if (i % 10)
			continue;
		image_write(f.dir, "identity", id);
		assert_int_equal(journal_rescue(f.dir, false, &text), 0);
		free(text);
		check_new(f.dir, uuid);
	}
	alarm(0);
	assert_true(opened > rounds / 20 && opened < rounds);
	free(m.bytes);
	free(id.bytes);
	nftw(f.dir, fx_unlink, 10, FTW_DEPTH | FTW_PHYS);
}

static void test_fuzz_identity(void **state)
{
	struct fixture f;
	char uuid[37], *text;
	random_state = 5;
	make(&f, uuid);
	struct image id = image_read(f.dir, "identity");
	for (unsigned i = 0; i < 50; i++) {
		struct journal_identity out;
		struct image bad = {malloc(id.len), id.len};
		memcpy(bad.bytes, id.bytes, id.len);
		spoil(&bad);
		bool same = bad.len == id.len &&
			    memcmp(bad.bytes, id.bytes, id.len) == 0;
		image_write(f.dir, "identity", bad);
		free(bad.bytes);
		int r = journal_identity(f.dir, &out);
		assert_int_equal(r, same ? 0 : -ENODATA);
		free(out.root);
	}
	image_write(f.dir, "identity", id);
	assert_int_equal(journal_rescue(f.dir, false, &text), 0);
	free(text);
	check_new(f.dir, uuid);
	free(id.bytes);
	nftw(f.dir, fx_unlink, 10, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_reach),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_same_epoch),
		cmocka_unit_test(test_complete_aside),
		cmocka_unit_test(test_complete_doubt),
		cmocka_unit_test(test_fuzz),
		cmocka_unit_test(test_fuzz_identity),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
