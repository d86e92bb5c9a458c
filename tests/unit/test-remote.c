/*
 * The calls of remote.h, each against a real sftp-server: over a pipe, and
 * through a private sshd.
 */
#include "confdefs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <cmocka.h>

#include "private-sshd.h"
#include "remote-write.h"

#define MANY       5000
#define UPLOAD     (64u * 1024 * 1024)
#define RATE_FILES 4000

struct place {
	struct sshd *sshd; /* NULL: a pipe */
	char dir[96];      /* of the replica */
	struct remote *r;
};

static struct sshd the_sshd;

/* ---- waiting for requests ---- */

struct seen {
	unsigned pending, calls;
	int status; /* of the newest */
	struct remote_handle handle;
	struct remote_attr attr;
	uint64_t avail;
	char text[256];
	char data[256];
	uint32_t data_len;
};

static void see(void *arg, const struct remote_reply *reply)
{
	struct seen *s = arg;
	s->pending--;
	s->calls++;
	s->status = reply->status;
	if (reply->handle) {
		remote_keep_handle(reply, &s->handle);
	}
	if (reply->attr)
		s->attr = *reply->attr;
	if (reply->text)
		snprintf(s->text, sizeof(s->text), "%s", reply->text);
	s->avail = reply->space ? reply->space->avail_bytes : 0;
	s->data_len = reply->data_len < sizeof(s->data) ? reply->data_len
							: sizeof(s->data);
	if (reply->data)
		memcpy(s->data, reply->data, s->data_len);
}

static int finish(struct remote *r, struct seen *s)
{
	while (s->pending > 0)
		assert_true(remote_pump(r, -1, -1) > 0);
	return s->status;
}

/* DO(remote_send_x, args) - send it and wait for its status. */
#define DO(call, ...) \
	(seen.pending++, call(r, __VA_ARGS__, see, &seen), finish(r, &seen))

/* ---- a connection for each test ---- */

static int set_up(void **state, struct sshd *sshd)
{
	struct place *p = calloc(1, sizeof(*p));
	struct remote_error err;
	struct remote_config cfg = {.timeout_ms = 30000};
	char url[256];
	p->sshd = sshd;
	snprintf(p->dir, sizeof(p->dir), "/tmp/test-remote-XXXXXX");
	must(mkdtemp(p->dir) != NULL, "make a folder");
	snprintf(url, sizeof(url), "%s", p->dir);
	if (sshd) {
		snprintf(url, sizeof(url), "sftp://%s@127.0.0.1:%u%s",
			 sshd->user, sshd->port, p->dir);
		cfg.identity = sshd->key;
		cfg.known_hosts = sshd->known;
	}
	cfg.url = url;
	if (remote_open(&cfg, &p->r, &err) < 0)
		fail_msg("%d: %s", err.kind, err.text);
	assert_int_equal(remote_is_local(p->r), !sshd);
	*state = p;
	return 0;
}

static int set_up_pipe(void **state)
{
	return set_up(state, NULL);
}

static int set_up_sshd(void **state)
{
	return set_up(state, &the_sshd);
}

static int tear_down(void **state)
{
	struct place *p = *state;
	remote_close(p->r);
	shell("rm -rf %s", p->dir);
	free(p);
	return 0;
}

static void stat_here(const struct place *p, const char *path, struct stat *st)
{
	char full[256];
	snprintf(full, sizeof(full), "%s/%s", p->dir, path);
	if (lstat(full, st) < 0)
		fail_msg("%s: %s", full, strerror(errno));
}

/* ---- tests ---- */

static void test_caps(void **state)
{
	struct place *p = *state;
	const struct remote_caps *c = remote_caps(p->r);
	print_message("extensions 0x%x, write %u, read %u, handles %u\n",
		      c->ext, c->write_bytes, c->read_bytes, c->handles);
	assert_true(c->write_bytes >= 32768 && c->write_bytes <= 261120);
	assert_true(c->read_bytes >= 32768 && c->read_bytes <= 261120);
	assert_true(c->handles > 0);
	assert_true(c->ext & EXT_POSIX_RENAME);
}

static void test_file(void **state)
{
	struct place *p = *state;
	struct remote *r = p->r;
	struct seen seen = {0};
	struct stat st;
	const struct remote_attr owner = {.flags = ATTR_OWNER,
					  .uid = geteuid(), .gid = getegid()};
	const struct remote_attr rest = {.flags = ATTR_MODE | ATTR_TIMES,
					 .mode = 0640, .atime = 1000000001,
					 .mtime = 1000000002};
	const struct remote_attr cut = {.flags = ATTR_SIZE, .size = 3};
	assert_int_equal(DO(remote_send_open, "f",
			    RO_WRITE | RO_CREATE | RO_EXCL, 0600), 0);
	struct remote_handle h = seen.handle;
	assert_int_equal(DO(remote_send_write, &h, 2, "hello", 5), 0);
	assert_int_equal(DO(remote_send_fsetstat, &h, &owner), 0);
	assert_int_equal(DO(remote_send_fsetstat, &h, &rest), 0);
	assert_int_equal(DO(remote_send_fsync, &h), 0);
	assert_int_equal(DO(remote_send_close, &h), 0);
	stat_here(p, "f", &st);
	assert_int_equal(st.st_size, 7);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(st.st_atime, 1000000001);
	assert_int_equal(st.st_mtime, 1000000002);
	assert_int_equal(DO(remote_send_setstat, "f", &cut), 0);
	assert_int_equal(DO(remote_send_lstat, "f"), 0);
	assert_int_equal(seen.attr.size, 3);
	assert_int_equal(seen.attr.mode, S_IFREG | 0640);
	assert_int_equal(DO(remote_send_open, "f", RO_READ, 0), 0);
	h = seen.handle;
	assert_int_equal(DO(remote_send_read, &h, 0, 100), 0);
	assert_int_equal(seen.data_len, 3);
	assert_memory_equal(seen.data, "\0\0h", 3);
	assert_int_equal(DO(remote_send_read, &h, 3, 100), -ENODATA);
	assert_int_equal(DO(remote_send_close, &h), 0);
	assert_int_equal(DO(remote_send_remove, "f"), 0);
	assert_int_equal(DO(remote_send_remove, "f"), -ENOENT);
}

static void test_names(void **state)
{
	struct place *p = *state;
	struct remote *r = p->r;
	struct seen seen = {0};
	struct stat st, st2;
	const struct remote_attr times = {.flags = ATTR_TIMES,
					  .atime = 1000000001,
					  .mtime = 1000000002};
	assert_int_equal(DO(remote_send_mkdir, "d", 0750), 0);
	assert_int_equal(DO(remote_send_mkdir, "d", 0750), -EREMOTEIO);
	stat_here(p, "d", &st);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(remote_write_file(r, "d/a", 0600, "a", 1), 0);
	assert_int_equal(remote_write_file(r, "d/b", 0600, "bb", 2), 0);
	assert_int_equal(DO(remote_send_rename, "d/a", "d/b"), 0);
	stat_here(p, "d/b", &st);
	assert_int_equal(st.st_size, 1);
	assert_int_equal(DO(remote_send_rename, "d/a", "d/b"), -ENOENT);
	assert_int_equal(DO(remote_send_link, "d/b", "d/c"), 0);
	stat_here(p, "d/c", &st2);
	stat_here(p, "d/b", &st);
	assert_int_equal(st.st_ino, st2.st_ino);
	assert_int_equal(DO(remote_send_symlink, "no where\n", "d/l"), 0);
	assert_int_equal(DO(remote_send_lsetstat, "d/l", &times), 0);
	stat_here(p, "d/l", &st);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(st.st_mtime, 1000000002);
	assert_int_equal(DO(remote_send_readlink, "d/l"), 0);
	assert_string_equal(seen.text, "no where\n");
	assert_int_equal(DO(remote_send_lstat, "d/l"), 0);
	assert_int_equal(DO(remote_send_rmdir, "d"), -EREMOTEIO);
	assert_int_equal(DO(remote_send_statvfs, ""), 0);
	assert_true(seen.avail > 0);
	assert_int_equal(DO(remote_send_readlink, "d/b"), -EINVAL);
	assert_int_equal(DO(remote_send_opendir, "d"), 0);
	struct remote_handle h = seen.handle;
	assert_int_equal(DO(remote_send_readdir, &h), 0);
	assert_int_equal(DO(remote_send_readdir, &h), -ENODATA);
	assert_int_equal(DO(remote_send_close, &h), 0);
	assert_int_equal(DO(remote_send_close, &h), -ENOENT);
}

static void test_simple(void **state)
{
	struct place *p = *state;
	struct remote *r = p->r;
	struct remote_attr a;
	struct stat st;
	char *text, *big = malloc(300000);
	size_t len;
	assert_int_equal(remote_lstat(r, "", &a), 0);
	assert_true(S_ISDIR(a.mode));
	assert_int_equal(remote_lstat(r, "x", &a), -ENOENT);
	assert_int_equal(remote_mkdir(r, "x", 0700), 0);
	assert_int_equal(remote_rmdir(r, "x"), 0);
	memset(big, 'b', 300000);
	assert_int_equal(remote_write_file(r, "big", 0604, big, 300000), 0);
	stat_here(p, "big", &st);
	assert_int_equal(st.st_size, 300000);
	assert_int_equal(st.st_mode, S_IFREG | 0604);
	assert_int_equal(remote_read_file(r, "big", &text, &len), -EFBIG);
	assert_int_equal(remote_write_file(r, "big", 0604, big, 65536), 0);
	assert_int_equal(remote_read_file(r, "big", &text, &len), 0);
	assert_int_equal(len, 65536);
	assert_string_equal(text + 65530, "bbbbbb");
	free(text);
	assert_int_equal(remote_write_file(r, "big", 0666, "", 0), 0);
	assert_int_equal(remote_read_file(r, "big", &text, &len), 0);
	assert_string_equal(text, "");
	free(text);
	stat_here(p, "big", &st);
	assert_int_equal(st.st_mode, S_IFREG | 0666); /* despite a umask */
	assert_int_equal(remote_rename(r, "big", "small"), 0);
	assert_int_equal(remote_readlink(r, "small", &text), -EINVAL);
	assert_int_equal(remote_remove(r, "small"), 0);
	assert_int_equal(remote_read_file(r, "small", &text, &len), -ENOENT);
	assert_int_equal(remote_write_file(r, "no/x", 0600, "", 0), -ENOENT);
	free(big);
}

static void test_list(void **state)
{
	struct place *p = *state;
	struct remote_entry *e;
	unsigned n;
	assert_int_equal(remote_list(p->r, "none", &e, &n), -ENOENT);
	assert_int_equal(remote_list(p->r, "", &e, &n), 0);
	assert_int_equal(n, 0);
	remote_entries_free(e, n);
	assert_int_equal(shell("cd %s && seq -f 'file %%g' 2500 | "
			       "xargs -d '\\n' touch", p->dir), 0);
	assert_int_equal(remote_list(p->r, "", &e, &n), 0);
	assert_int_equal(n, 2500);
	uint64_t sum = 0;
	for (unsigned i = 0; i < n; i++)
		sum += strtoul(e[i].name + 5, NULL, 10);
	assert_int_equal(sum, 2500 * 2501 / 2);
	assert_true(e[0].attr.flags & ATTR_MODE);
	remote_entries_free(e, n);
}

/* Thousands of requests under way; each gets the answer that is its own. */
struct own {
	unsigned number, *pending;
	bool right;
};

static void see_own(void *arg, const struct remote_reply *reply)
{
	struct own *o = arg;
	--*o->pending;
	o->right = reply->status == (o->number % 3 ? 0 : -ENOENT) &&
		   (reply->status || reply->attr->size == o->number % 3);
}

static void test_pipeline(void **state)
{
	struct place *p = *state;
	struct own *own = calloc(MANY, sizeof(*own));
	unsigned pending = 0;
	static const char *const names[] = {"size0", "size1", "size2"};
	assert_int_equal(remote_write_file(p->r, "size1", 0600, "1", 1), 0);
	assert_int_equal(remote_write_file(p->r, "size2", 0600, "22", 2), 0);
	for (unsigned i = 0; i < MANY; i++) {
		own[i] = (struct own){.number = i, .pending = &pending};
		pending++;
		remote_send_lstat(p->r, names[i % 3], see_own, &own[i]);
	}
	assert_int_equal(remote_pending(p->r), MANY);
	assert_false(remote_window_open(p->r));
	while (pending > 0)
		assert_true(remote_pump(p->r, -1, -1) > 0);
	for (unsigned i = 0; i < MANY; i++)
		assert_true(own[i].right);
	assert_int_equal(remote_pending(p->r), 0);
	assert_true(remote_window_open(p->r));
	free(own);
}

static void test_upload(void **state)
{
	struct place *p = *state;
	struct remote *r = p->r;
	struct seen seen = {0};
	uint32_t chunk = remote_caps(r)->write_bytes;
	uint8_t *data = malloc(UPLOAD), *back = malloc(UPLOAD);
	for (uint32_t i = 0, v = 1; i < UPLOAD; i++)
		data[i] = (uint8_t)((v = v * 1664525 + 1013904223) >> 24);
	assert_int_equal(DO(remote_send_open, "big", RO_WRITE | RO_CREATE,
			    0600), 0);
	struct remote_handle h = seen.handle;
	int64_t start = clock_mono_ns();
	for (uint64_t off = 0; off < UPLOAD || seen.pending > 0;) {
		while (off < UPLOAD && remote_window_open(r)) {
			uint32_t n = UPLOAD - off < chunk ?
				(uint32_t)(UPLOAD - off) : chunk;
			seen.pending++;
			remote_send_write(r, &h, off, data + off, n, see,
					  &seen);
			off += n;
		}
		assert_true(remote_pump(r, -1, -1) > 0);
		assert_int_equal(seen.status, 0);
	}
	print_message("%.0f MB/s\n", UPLOAD / 1e6 /
		      ((double)(clock_mono_ns() - start) / 1e9));
	assert_int_equal(DO(remote_send_close, &h), 0);
	char path[160];
	snprintf(path, sizeof(path), "%s/big", p->dir);
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fread(back, 1, UPLOAD, f), UPLOAD);
	assert_int_equal(fgetc(f), EOF);
	fclose(f);
	assert_int_equal(memcmp(data, back, UPLOAD), 0);
	free(data);
	free(back);
}

/* A small file as sync publishes one: stage, attributes, rename. */
struct small {
	struct remote *r;
	unsigned number, step, *pending;
	struct remote_handle h;
};

static void small_next(void *arg, const struct remote_reply *reply)
{
	static const struct remote_attr attr = {
		.flags = ATTR_MODE | ATTR_TIMES, .mode = 0644, .mtime = 1};
	static const char data[4096];
	struct small *s = arg;
	char from[32], to[32];
	assert_int_equal(reply->status, 0);
	snprintf(from, sizeof(from), "stage%u", s->number);
	snprintf(to, sizeof(to), "file%u", s->number);
	switch (s->step++) {
	case 0:
		remote_keep_handle(reply, &s->h);
		remote_send_write(s->r, &s->h, 0, data, 4096, small_next, s);
		remote_send_fsetstat(s->r, &s->h, &attr, small_next, s);
		remote_send_close(s->r, &s->h, small_next, s);
		break;
	case 3:
		remote_send_rename(s->r, from, to, small_next, s);
		break;
	case 4:
		--*s->pending;
		break;
	}
}

static void test_small_files(void **state)
{
	struct place *p = *state;
	struct small *all = calloc(RATE_FILES, sizeof(*all));
	unsigned pending = 0, n = 0;
	char name[32];
	int64_t start = clock_mono_ns();
	while (n < RATE_FILES || pending > 0) {
		for (; n < RATE_FILES && pending < 256; n++) {
			all[n] = (struct small){.r = p->r, .number = n,
						.pending = &pending};
			snprintf(name, sizeof(name), "stage%u", n);
			pending++;
			remote_send_open(p->r, name,
					 RO_WRITE | RO_CREATE | RO_EXCL, 0600,
					 small_next, &all[n]);
		}
		assert_true(remote_pump(p->r, -1, -1) > 0);
	}
	print_message("%.0f files/s\n", RATE_FILES /
		      ((double)(clock_mono_ns() - start) / 1e9));
	free(all);
}

static void test_wake(void **state)
{
	struct place *p = *state;
	struct seen seen = {0};
	struct remote *r = p->r;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(remote_pump(r, 0, fd), 0);
	assert_int_equal(remote_pump(r, 1, fd), 0);
	assert_int_equal(eventfd_write(fd, 1), 0);
	/* an hour, were it not for the wake-up, which stays readable */
	assert_int_equal(remote_pump(r, 3600 * 1000, fd), 0);
	assert_int_equal(remote_pump(r, 3600 * 1000, fd), 0);
	seen.pending = 1;
	remote_send_lstat(r, "", see, &seen);
	while (seen.pending) /* and does not keep replies away */
		assert_true(remote_pump(r, -1, fd) >= 0);
	assert_int_equal(seen.status, 0);
	remote_keepalive(r);
	remote_keepalive(r);
	assert_int_equal(remote_pending(r), 1);
	while (remote_pending(r) > 0)
		assert_true(remote_pump(r, -1, -1) > 0);
	close(fd);
}

static void test_close_pending(void **state)
{
	struct place *p = *state;
	struct seen seen = {0};
	for (unsigned i = 0; i < 100; i++) {
		seen.pending++;
		remote_send_lstat(p->r, "", see, &seen);
	}
	remote_close(p->r);
	assert_int_equal(seen.calls, 100);
	assert_int_equal(seen.pending, 0);
	assert_int_equal(seen.status, -ENOTCONN);
	p->r = NULL;
}

/* Told to stop, nobody waits any longer: neither who is connected to a server
 * that does not answer nor who connects to one. An hour otherwise. */
static void test_stopped(void **state)
{
	struct remote_config cfg = {.identity = the_sshd.key,
				    .known_hosts = the_sshd.known,
				    .timeout_ms = 3600 * 1000,
				    .stop_fd = eventfd(0, EFD_CLOEXEC)};
	struct remote_attr a;
	struct remote_error err;
	struct remote *r;
	char url[128];
	unsigned port;
	int listener = listen_somewhere(&port);
	cfg.url = the_sshd.url;
	assert_int_equal(remote_open(&cfg, &r, &err), 0);
	assert_int_equal(remote_lstat(r, "", &a), 0);
	assert_true(signal_below(the_sshd.pid, SIGSTOP) > 0);
	assert_int_equal(eventfd_write(cfg.stop_fd, 1), 0);
	assert_int_equal(remote_lstat(r, "", &a), -ENOTCONN);
	assert_string_equal(remote_why(r), "stopped");
	remote_close(r);
	signal_below(the_sshd.pid, SIGKILL);
	snprintf(url, sizeof(url), "sftp://127.0.0.1:%u/", port);
	cfg.url = url;
	assert_int_equal(remote_open(&cfg, &r, &err), -1);
	close(cfg.stop_fd);
	close(listener);
}

#define BOTH(f) \
	cmocka_unit_test_setup_teardown(f, set_up_pipe, tear_down), \
	cmocka_unit_test_setup_teardown(f, set_up_sshd, tear_down)

static int stop_sshd(void **state)
{
	sshd_stop(&the_sshd);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_caps), BOTH(test_file), BOTH(test_names),
		BOTH(test_simple), BOTH(test_list), BOTH(test_pipeline),
		BOTH(test_upload), BOTH(test_small_files), BOTH(test_wake),
		BOTH(test_close_pending),
		cmocka_unit_test(test_stopped),
	};
	if (!sshd_is_there()) {
		puts("no sshd");
		return 77;
	}
	umask(077);
	sshd_start(&the_sshd, "");
	return cmocka_run_group_tests(tests, NULL, stop_sshd);
}
