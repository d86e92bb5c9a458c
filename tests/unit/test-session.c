/*
 * What can go wrong with a connection through ssh: host keys, logins, servers
 * without SFTP, networks that die. Each refusal must have its kind and words
 * that help.
 */
#include "confdefs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "private-sshd.h"
#include "remote-write.h"
#include "sync/remote/conn.h"

static struct sshd the_sshd;
static pid_t the_agent; /* 0: none runs */

static struct remote_config usual(void)
{
	return (struct remote_config){
		.url = the_sshd.url,
		.identity = the_sshd.key,
		.known_hosts = the_sshd.known,
		.timeout_ms = 20000,
	};
}

static char *in_dir(const char *name)
{
	char *path = NULL;
	must(asprintf(&path, "%s/%s", the_sshd.dir, name) >= 0, "format");
	return path;
}

static unsigned open_files(void)
{
	unsigned n = 0;
	DIR *d = opendir("/proc/self/fd");
	must(d != NULL, "read /proc");
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void opens(const struct remote_config *cfg)
{
	struct remote *r;
	struct remote_error err;
	struct remote_attr a;
	unsigned files = open_files();
	if (remote_open(cfg, &r, &err) < 0)
		fail_msg("%d: %s", err.kind, err.text);
	assert_int_equal(remote_lstat(r, "", &a), 0);
	remote_close(r);
	assert_int_equal(open_files(), files);
}

/* refused - with that kind, and each of the words in the text. */
static void refused(const struct remote_config *cfg, enum remote_failure kind,
		    const char *word, const char *word2)
{
	struct remote *r;
	struct remote_error err;
	unsigned files = open_files();
	assert_int_equal(remote_open(cfg, &r, &err), -1);
	assert_int_equal(open_files(), files);
	print_message("%s\n", err.text);
	assert_int_equal(err.kind, kind);
	assert_non_null(strstr(err.text, word));
	assert_non_null(strstr(err.text, word2));
	assert_null(strchr(err.text, '\n'));
}

/* ---- host keys ---- */

static void test_hostkey_unknown(void **state)
{
	struct remote_config cfg = usual();
	char *none = in_dir("none");
	cfg.known_hosts = none;
	refused(&cfg, REMOTE_HOSTKEY_UNKNOWN, "not known", "--accept-new");
	assert_int_equal(access(none, F_OK), -1); /* nothing was stored */
	cfg.known_hosts = "/dev/null";
	refused(&cfg, REMOTE_HOSTKEY_UNKNOWN, "SHA256:", "/dev/null");
	free(none);
}

static void test_hostkey_changed(void **state)
{
	struct remote_config cfg = usual();
	char *other = in_dir("known-other");
	assert_int_equal(shell("cd %s && ssh-keygen -q -t ed25519 -N '' "
			       "-f another && printf '[127.0.0.1]:%u ' "
			       ">known-other && cat another.pub >>known-other",
			       the_sshd.dir, the_sshd.port), 0);
	cfg.known_hosts = other;
	refused(&cfg, REMOTE_HOSTKEY_CHANGED, "CHANGED", "ssh-keygen -R");
	cfg.accept_new = true; /* never a changed one */
	refused(&cfg, REMOTE_HOSTKEY_CHANGED, "CHANGED", other);
	/* another kind of key is known for this host */
	assert_int_equal(shell("cd %s && ssh-keygen -q -t rsa -b 2048 -N '' "
			       "-f third && printf '[127.0.0.1]:%u ' "
			       ">known-other && cat third.pub >>known-other",
			       the_sshd.dir, the_sshd.port), 0);
	refused(&cfg, REMOTE_HOSTKEY_CHANGED, "CHANGED", "127.0.0.1");
	free(other);
}

static void test_accept_new(void **state)
{
	struct remote_config cfg = usual();
	/* a name that libssh would expand, and a last line without an end */
	char *path = in_dir("new 100%h");
	assert_int_equal(shell("printf 'other.example.org ' >'%s' && "
			       "tr -d '\\n' <%s/another.pub >>'%s'", path,
			       the_sshd.dir, path), 0);
	cfg.known_hosts = path;
	cfg.accept_new = true;
	opens(&cfg);
	cfg.accept_new = false;
	opens(&cfg); /* it was stored */
	assert_int_equal(shell("test $(wc -l <'%s') = 2", path), 0);
	cfg.accept_new = true;
	opens(&cfg); /* and is not stored twice */
	assert_int_equal(shell("test $(wc -l <'%s') = 2", path), 0);
	cfg.known_hosts = "/dev/full";
	refused(&cfg, REMOTE_HOSTKEY_UNKNOWN, "cannot store", "/dev/full");
	free(path);
}

/* ---- logins ---- */

static void test_keys(void **state)
{
	struct remote_config cfg = usual();
	char *another = in_dir("another"), *locked = in_dir("locked");
	unsetenv("SSH_AUTH_SOCK");
	assert_int_equal(shell("cd %s && { test -f another || ssh-keygen -q "
			       "-t ed25519 -N '' -f another; }; "
			       "ssh-keygen -q -t ed25519 -N hush -f locked",
			       the_sshd.dir), 0);
	cfg.identity = another;
	refused(&cfg, REMOTE_AUTH, another, "authorized_keys");
	cfg.identity = locked;
	refused(&cfg, REMOTE_AUTH, "passphrase", "agent");
	cfg.identity = "/nowhere/key";
	refused(&cfg, REMOTE_AUTH, "/nowhere/key", "exist");
	cfg.identity = the_sshd.known;
	refused(&cfg, REMOTE_AUTH, the_sshd.known, "no private key");
	cfg.identity = the_sshd.dir;
	refused(&cfg, REMOTE_AUTH, the_sshd.dir, "no private key");
	/* a user that is not there */
	char url[256];
	snprintf(url, sizeof(url), "sftp://nobody-here@127.0.0.1:%u/",
		 the_sshd.port);
	cfg = usual();
	cfg.url = url;
	refused(&cfg, REMOTE_AUTH, "nobody-here", "authorized_keys");
	free(another);
	free(locked);
}

/* Without --identity: the agent, then ~/.ssh. */
static void test_default_keys(void **state)
{
	struct remote_config cfg = usual();
	char *home = in_dir("home");
	const char *before = getenv("HOME");
	char *old = strdup(before ? before : "/");
	unsetenv("SSH_AUTH_SOCK");
	cfg.identity = NULL;
	assert_int_equal(shell("mkdir -p %s/.ssh", home), 0);
	setenv("HOME", home, 1);
	refused(&cfg, REMOTE_AUTH, "no key", "--identity");
	assert_int_equal(shell("cp %s/another %s/.ssh/id_ecdsa", the_sshd.dir,
			       home), 0);
	refused(&cfg, REMOTE_AUTH, "any of our keys", "authorized_keys");
	assert_int_equal(shell("cp %s %s/.ssh/id_rsa", the_sshd.key, home), 0);
	opens(&cfg);
	assert_int_equal(shell("rm %s/.ssh/id_rsa", home), 0);
	setenv("HOME", old, 1);
	free(old);
	free(home);
}

/* The server hangs up as it says why: its last words can be lost with the
 * connection, and are heard at one of the next tries (seen once in some dozen
 * runs with libssh 0.11 on a busy machine). */
static void refused_in_the_end(const struct remote_config *cfg,
			       const char *word, const char *word2)
{
	struct remote *r;
	struct remote_error err;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(remote_open(cfg, &r, &err), -1);
		print_message("%s\n", err.text);
		if (err.kind == REMOTE_AUTH)
			break;
		assert_int_equal(err.kind, REMOTE_UNREACHABLE);
		assert_non_null(strstr(err.text, "lost at the login"));
	}
	assert_int_equal(err.kind, REMOTE_AUTH);
	assert_non_null(strstr(err.text, word));
	assert_non_null(strstr(err.text, word2));
}

static void stop_agent(void)
{
	if (the_agent <= 0)
		return;
	kill(the_agent, SIGTERM);
	waitpid(the_agent, NULL, 0);
	the_agent = 0;
}

static void test_agent(void **state)
{
	struct remote_config cfg = usual();
	char *sock = in_dir("agent"), *locked = in_dir("locked");
	the_agent = fork();
	if (the_agent == 0) {
		execlp("ssh-agent", "ssh-agent", "-D", "-a", sock, NULL);
		_exit(127);
	}
	int64_t end = clock_mono_ns() + DEADLINE_NS;
	while (access(sock, F_OK) < 0 && clock_mono_ns() < end)
		poll(NULL, 0, 5);
	setenv("SSH_AUTH_SOCK", sock, 1);
	cfg.identity = NULL;
	refused(&cfg, REMOTE_AUTH, "any of our keys", "agent");
	assert_int_equal(shell("ssh-add -q %s", the_sshd.key), 0);
	opens(&cfg);
	cfg.identity = locked; /* the agent has it, so to say */
	opens(&cfg);
	/* the agent has more keys than the server has patience for */
	assert_int_equal(shell("cd %s && for i in 1 2 3 4 5 6 7; do ssh-keygen "
			       "-q -t ed25519 -N '' -f more$i && ssh-add -q "
			       "more$i || exit 1; done && ssh-add -q -d key",
			       the_sshd.dir), 0);
	cfg.identity = NULL;
	refused_in_the_end(&cfg, "Too many authentication failures",
			   "--identity");
	unsetenv("SSH_AUTH_SOCK");
	stop_agent();
	free(locked);
	free(sock);
}

/* ---- servers that are none ---- */

static void test_unreachable(void **state)
{
	struct remote_config cfg = usual();
	char url[128];
	unsigned port;
	int fd = listen_somewhere(&port);
	snprintf(url, sizeof(url), "sftp://127.0.0.1:%u/", port);
	cfg.url = url;
	cfg.timeout_ms = 300;
	/* takes the connection, says nothing */
	refused(&cfg, REMOTE_UNREACHABLE, "127.0.0.1", "in time");
	close(fd);
	refused(&cfg, REMOTE_UNREACHABLE, "cannot reach", "refused");
	cfg.timeout_ms = 5000;
	cfg.url = "sftp://no-such-host.invalid/x";
	refused(&cfg, REMOTE_UNREACHABLE, "cannot find", "no-such-host");
	cfg.url = "ftp://x/";
	refused(&cfg, REMOTE_BAD_URL, "sftp://", "absolute");
}

static void test_not_ssh(void **state)
{
	static const char http[] = "HTTP/1.1 400 Bad\r\n\r\n<p>\033[2J</p>\r\n";
	struct remote_config cfg = usual();
	char url[128];
	unsigned port;
	int fd = listen_somewhere(&port);
	pid_t pid = fork();
	if (pid == 0) {
		int c = accept(fd, NULL, NULL);
		char request[256];
		ssize_t n = write(c, http, strlen(http));
		n = read(c, request, n > 0 ? sizeof(request) : 0);
		shutdown(c, SHUT_WR);
		while (n > 0)
			n = read(c, request, sizeof(request));
		_exit(0);
	}
	close(fd);
	snprintf(url, sizeof(url), "sftp://127.0.0.1:%u/", port);
	cfg.url = url;
	cfg.timeout_ms = 3000;
	refused(&cfg, REMOTE_UNREACHABLE, "127.0.0.1", "SSH server");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* with_sshd - another one, with these lines, for one expectation. */
static void with_sshd(const char *lines, enum remote_failure kind,
		      const char *word, const char *word2)
{
	struct sshd s;
	sshd_start(&s, lines);
	const struct remote_config cfg = {.url = s.url, .identity = s.key,
					  .known_hosts = s.known,
					  .timeout_ms = 20000};
	if (kind == REMOTE_OK)
		opens(&cfg);
	else
		refused(&cfg, kind, word, word2);
	sshd_stop(&s);
}

static void test_no_sftp(void **state)
{
	with_sshd("Subsystem other /bin/true\n", REMOTE_NO_SFTP, "no SFTP",
		  "Subsystem");
	with_sshd("Subsystem sftp /bin/true\n", REMOTE_NO_SFTP, "no SFTP",
		  "openssh-sftp-server");
	with_sshd("Subsystem sftp /nowhere/sftp-server\n", REMOTE_NO_SFTP,
		  "no SFTP", "openssh-sftp-server");
	with_sshd("Subsystem sftp /bin/echo Welcome to this machine\n",
		  REMOTE_NO_SFTP, "does not speak SFTP", "login script");
	with_sshd("Subsystem sftp internal-sftp\n", REMOTE_OK, NULL, NULL);
	with_sshd("Ciphers aes256-ctr\n", REMOTE_OK, NULL, NULL);
	with_sshd("Ciphers chacha20-poly1305@openssh.com\n", REMOTE_OK, NULL,
		  NULL);
}

/* ---- servers without extensions ---- */

static void keep_status(void *arg, const struct remote_reply *reply)
{
	*(int *)arg = reply->status;
}

static int wait_status(struct remote *r, int *status)
{
	while (*status == 1)
		assert_true(remote_pump(r, -1, -1) > 0);
	return *status;
}

static void test_plain_server(void **state)
{
	struct sshd s;
	struct remote *r;
	struct remote_error err;
	char *text;
	size_t len;
	sshd_start(&s, "Subsystem sftp " SFTP_SERVER " -P posix-rename,"
		       "hardlink,fsync,lsetstat,statvfs,limits,"
		       "users-groups-by-id\n");
	const struct remote_config cfg = {.url = s.url, .identity = s.key,
					  .known_hosts = s.known,
					  .timeout_ms = 20000};
	if (remote_open(&cfg, &r, &err) < 0)
		fail_msg("%s", err.text);
	const struct remote_caps *c = remote_caps(r);
	assert_int_equal(c->ext & ~(uint32_t)EXT_COPY_DATA, 0);
	assert_int_equal(c->write_bytes, 32768);
	assert_int_equal(remote_write_file(r, "a", 0600, "a", 1), 0);
	assert_int_equal(remote_write_file(r, "b", 0600, "bb", 2), 0);
	assert_int_equal(remote_rename(r, "a", "b"), 0); /* replaces */
	assert_int_equal(remote_read_file(r, "b", &text, &len), 0);
	assert_string_equal(text, "a");
	free(text);
	/* what cannot work does not cost the target */
	assert_int_equal(remote_rename(r, "none", "b"), -ENOENT);
	assert_int_equal(remote_rename(r, "b", "b"), 0);
	assert_int_equal(remote_mkdir(r, "d", 0700), 0);
	assert_int_equal(remote_rename(r, "b", "d"), -EREMOTEIO);
	assert_int_equal(remote_rename(r, "b", "d/c"), 0);
	int status[3] = {1, 1, 1};
	struct remote_attr a = {0};
	remote_send_link(r, "d/c", "l", keep_status, &status[0]);
	assert_int_equal(status[0], 1); /* not before the pump */
	remote_send_lsetstat(r, "d/c", &a, keep_status, &status[1]);
	remote_send_statvfs(r, "", keep_status, &status[2]);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(wait_status(r, &status[i]), -EOPNOTSUPP);
	remote_close(r);
	sshd_stop(&s);
}

/* ---- faults on the way ---- */

#define BLOCK   32768u
#define PENDING 300u

struct upload {
	struct remote *r;
	struct remote_handle h;
	uint64_t off;
	unsigned pending, calls, lost, failed;
	bool opened;
};

static void upload_opened(void *arg, const struct remote_reply *reply)
{
	struct upload *u = arg;
	assert_int_equal(reply->status, 0);
	remote_keep_handle(reply, &u->h);
	u->opened = true;
}

static void upload_wrote(void *arg, const struct remote_reply *reply)
{
	struct upload *u = arg;
	u->pending--;
	u->calls++;
	u->lost += reply->status == -ENOTCONN;
	u->failed += reply->status != 0 && reply->status != -ENOTCONN;
}

static void upload_start(struct upload *u, const struct remote_config *cfg)
{
	struct remote_error err;
	*u = (struct upload){0};
	if (remote_open(cfg, &u->r, &err) < 0)
		fail_msg("%s", err.text);
	remote_send_open(u->r, "upload", RO_WRITE | RO_CREATE | RO_TRUNC, 0600,
			 upload_opened, u);
	while (!u->opened)
		assert_true(remote_pump(u->r, -1, -1) > 0);
}

static void upload_fill(struct upload *u)
{
	uint8_t block[BLOCK];
	while (u->pending < PENDING) {
		for (unsigned i = 0; i < BLOCK; i++)
			block[i] = (uint8_t)((u->off + i) * 7 >> 3);
		u->pending++;
		remote_send_write(u->r, &u->h, u->off, block, BLOCK,
				  upload_wrote, u);
		u->off += BLOCK;
	}
}

static void upload_is_right(const struct upload *u, const char *tree)
{
	char path[160];
	snprintf(path, sizeof(path), "%s/upload", tree);
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	for (uint64_t at = 0; at < u->off; at++)
		if (fgetc(f) != (uint8_t)((at) * 7 >> 3))
			fail_msg("byte %llu differs", (unsigned long long)at);
	assert_int_equal(fgetc(f), EOF);
	fclose(f);
}

/* Keys are exchanged anew for each 256 KiB, by wish of the server. */
static void test_rekey(void **state)
{
	struct sshd s;
	struct upload u;
	sshd_start(&s, "RekeyLimit 256K\n");
	const struct remote_config cfg = {.url = s.url, .identity = s.key,
					  .known_hosts = s.known,
					  .timeout_ms = 20000};
	upload_start(&u, &cfg);
	while (u.off < 24u * 1024 * 1024) {
		upload_fill(&u);
		assert_true(remote_pump(u.r, -1, -1) > 0);
	}
	while (u.pending > 0)
		assert_true(remote_pump(u.r, -1, -1) > 0);
	assert_int_equal(u.failed + u.lost, 0);
	upload_is_right(&u, s.tree);
	remote_close(u.r);
	sshd_stop(&s);
}

/* bury_upload - the connection dies; every request hears of it, once. */
static void bury_upload(struct upload *u, const char *word)
{
	int n;
	unsigned made = (unsigned)(u->off / BLOCK);
	while ((n = remote_pump(u->r, -1, -1)) >= 0)
		;
	assert_int_equal(n, -ENOTCONN);
	print_message("%s\n", remote_why(u->r));
	assert_non_null(strstr(remote_why(u->r), word));
	assert_int_equal(u->calls, made);
	assert_int_equal(u->pending, 0);
	assert_true(u->lost > 0);
	assert_int_equal(u->failed, 0);
	assert_int_equal(remote_pending(u->r), 0);
	/* what comes too late is answered too, and only by the pump */
	u->pending++;
	remote_send_write(u->r, &u->h, 0, "x", 1, upload_wrote, u);
	assert_int_equal(u->pending, 1);
	assert_int_equal(remote_pump(u->r, 0, -1), -ENOTCONN);
	assert_int_equal(u->pending, 0);
	u->pending++;
	remote_send_write(u->r, &u->h, 0, "x", 1, upload_wrote, u);
	remote_close(u->r);
	assert_int_equal(u->pending, 0);
}

static void test_killed(void **state)
{
	struct upload u;
	const struct remote_config cfg = usual();
	upload_start(&u, &cfg);
	while (u.calls < 50) {
		upload_fill(&u);
		assert_true(remote_pump(u.r, -1, -1) > 0);
	}
	upload_fill(&u);
	assert_true(signal_below(the_sshd.pid, SIGKILL) > 0);
	bury_upload(&u, "");
}

static void test_black_hole(void **state)
{
	struct upload u;
	const struct remote_config cfg = usual();
	upload_start(&u, &cfg);
	u.r->timeout_ns = 3 * NS_PER_S;
	/* or a full socket would hold the pump itself */
	assert_true(fcntl(u.r->wire->fd, F_GETFL) & O_NONBLOCK);
	upload_fill(&u);
	assert_true(signal_below(the_sshd.pid, SIGSTOP) > 0);
	bury_upload(&u, "no answer");
	signal_below(the_sshd.pid, SIGKILL);
}

/* busy_for_long - sftp-server alone is, for twice the time-out of silence; false:
 * the connection is lost. */
static bool busy_for_long(int timeout_ms)
{
	struct upload u;
	const struct remote_config cfg = usual();
	bool alive = true;
	while (signal_below(the_sshd.pid, SIGKILL) > 0) /* older ones */
		poll(NULL, 0, 20);
	upload_start(&u, &cfg);
	pid_t session = child_named(the_sshd.pid, "sftp-server");
	assert_true(session > 0 && kill(session, SIGSTOP) == 0);
	u.r->timeout_ns = timeout_ms * NS_PER_MS; /* not that of the login */
	upload_fill(&u);
	int64_t end = clock_mono_ns() + 2 * timeout_ms * NS_PER_MS;
	while (alive && clock_mono_ns() < end)
		alive = remote_pump(u.r, 50, -1) >= 0;
	kill(session, SIGCONT);
	while (u.pending > 0)
		alive = remote_pump(u.r, -1, -1) >= 0;
	assert_int_equal(u.failed + (alive ? u.lost : 0), 0);
	remote_close(u.r);
	return alive;
}

/* Where sshd is there that is patience, not death. It may get no processor itself
 * for seconds: with more time it answers. */
static void test_busy_server(void **state)
{
	int timeout_ms = 2000;
	while (!busy_for_long(timeout_ms))
		assert_true((timeout_ms *= 2) <= 16000);
}

static int stop_sshd(void **state)
{
	stop_agent();
	sshd_stop(&the_sshd);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostkey_unknown),
		cmocka_unit_test(test_hostkey_changed),
		cmocka_unit_test(test_accept_new),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_default_keys),
		cmocka_unit_test(test_agent),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_not_ssh),
		cmocka_unit_test(test_no_sftp),
		cmocka_unit_test(test_plain_server),
		cmocka_unit_test(test_rekey),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_black_hole),
		cmocka_unit_test(test_busy_server),
	};
	if (!sshd_is_there()) {
		puts("no sshd");
		return 77;
	}
	sshd_start(&the_sshd, "");
	return cmocka_run_group_tests(tests, NULL, stop_sshd);
}
