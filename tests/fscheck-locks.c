/* Cases of fscheck: locks, and who loses them when. */
#include "confdefs.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fscheck.h"

static struct flock range(short type, off_t start, off_t len)
{
	return (struct flock){
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = start,
		.l_len = len,
	};
}

static int lock(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock l = range(type, start, len);

	return fcntl(fd, cmd, &l);
}

/* A process that opens "f" and takes what is asked; it keeps that until
 * `other_end`. */
struct other {
	pid_t pid;
	int go;
};

static void other_run(int cmd, off_t start, off_t len, int told, int go)
{
	int fd = open("f", O_RDWR);
	char c = 'l';

	CHECK(fd >= 0);
	if (cmd == LOCK_EX || cmd == LOCK_SH)
		CHECK(!flock(fd, cmd));
	else
		CHECK(!lock(fd, cmd, F_WRLCK, start, len));
	CHECK(write(told, &c, 1) == 1);
	CHECK(read(go, &c, 1) >= 0);
	_exit(0);
}

static struct other other_start(int cmd, off_t start, off_t len)
{
	int told[2], go[2];
	struct other o;
	char c;

	CHECK(!pipe2(told, O_CLOEXEC) && !pipe2(go, O_CLOEXEC));
	o.pid = fork();
	CHECK(o.pid >= 0);
	if (o.pid == 0) {
		close(go[1]);
		other_run(cmd, start, len, told[1], go[0]);
	}
	close(told[1]);
	close(go[0]);
	CHECK(read(told[0], &c, 1) == 1);
	o.go = go[1];
	return o;
}

static void other_end(const struct other *o)
{
	close(o->go);
	CHECK(waitpid(o->pid, NULL, 0) == o->pid);
}

static void posix_ranges(void)
{
	int fd = file_make("f", 100);
	struct other o = other_start(F_SETLK, 10, 20);
	struct flock l = range(F_WRLCK, 0, 0);

	CHECK(!fcntl(fd, F_GETLK, &l) && l.l_type == F_WRLCK);
	CHECK(l.l_start == 10 && l.l_len == 20 && l.l_pid == o.pid);
	FAILS(lock(fd, F_SETLK, F_WRLCK, 0, 0), EAGAIN);
	FAILS(lock(fd, F_SETLK, F_RDLCK, 29, 1), EAGAIN);
	CHECK(!lock(fd, F_SETLK, F_WRLCK, 0, 10));
	CHECK(!lock(fd, F_SETLK, F_RDLCK, 30, 0));
	other_end(&o); /* the end of a process frees its locks */
	CHECK(!lock(fd, F_SETLK, F_WRLCK, 0, 0));
	CHECK(!lock(fd, F_SETLK, F_UNLCK, 0, 0));
	CHECK(!lock(fd, F_SETLK, F_WRLCK, 5LL << 30, 10));
}

static void take_all(void)
{
	CHECK(!lock(open("f", O_RDWR), F_SETLK, F_WRLCK, 0, 0));
}

/* One close of the file frees the process's POSIX locks, but not flock's. */
static void released_at_close(void)
{
	int fd = file_make("f", 10), other = open("f", O_RDONLY);

	CHECK(!lock(fd, F_SETLK, F_WRLCK, 0, 0));
	CHECK(as_child(0, 0, take_all) != 0);
	CHECK(!close(other) && as_child(0, 0, take_all) == 0);
	CHECK(!flock(fd, LOCK_EX));
	other = open("f", O_RDONLY);
	FAILS(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	close(dup(fd));
	FAILS(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	CHECK(!close(fd) && !flock(other, LOCK_SH | LOCK_NB));
}

static volatile sig_atomic_t woken;

static void wake(int sig)
{
	woken = sig;
}

static void interrupted(void)
{
	struct sigaction sa = {.sa_handler = wake}; /* no SA_RESTART */
	/* again and again: the first may come before the wait */
	struct itimerval soon = {{0, 50000}, {0, 50000}},
			 never = {{0, 0}, {0, 0}};
	int fd = file_make("f", 10);
	struct other o = other_start(F_SETLK, 0, 0), f;

	CHECK(!sigaction(SIGALRM, &sa, NULL));
	f = other_start(LOCK_EX, 0, 0);
	CHECK(!setitimer(ITIMER_REAL, &soon, NULL));
	FAILS(lock(fd, F_SETLKW, F_WRLCK, 0, 0), EINTR);
	FAILS(flock(fd, LOCK_EX), EINTR);
	CHECK(!setitimer(ITIMER_REAL, &never, NULL) && woken == SIGALRM);
	alarm(60);
	other_end(&f); /* it has inherited what `o` waits for */
	other_end(&o);
	CHECK(!flock(fd, LOCK_EX | LOCK_NB));
}

static void wait_for_lock(void)
{
	CHECK(!lock(open("f", O_RDWR), F_SETLKW, F_WRLCK, 0, 0));
}

/* A waiter goes on when the lock is given back. */
static void blocked(void)
{
	int status, fd = file_make("f", 10);
	pid_t pid;

	CHECK(!lock(fd, F_SETLK, F_WRLCK, 0, 0));
	pid = fork();
	if (pid == 0) {
		wait_for_lock();
		_exit(0);
	}
	CHECK(poll(NULL, 0, 100) == 0);
	CHECK(waitpid(pid, &status, WNOHANG) == 0);
	CHECK(!lock(fd, F_SETLK, F_UNLCK, 0, 0));
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* Two who wait for each other: the kernel finds it. */
static void deadlock(void)
{
	int fd = file_make("f", 100), status;
	int go[2];
	pid_t pid;
	char c;

	CHECK(!lock(fd, F_SETLK, F_WRLCK, 0, 10) && !pipe(go));
	pid = fork();
	if (pid == 0) {
		int mine = open("f", O_RDWR);

		CHECK(!lock(mine, F_SETLK, F_WRLCK, 20, 10));
		CHECK(write(go[1], "x", 1) == 1);
		_exit(lock(mine, F_SETLKW, F_WRLCK, 0, 10) ? errno : 0);
	}
	CHECK(read(go[0], &c, 1) == 1);
	status = lock(fd, F_SETLKW, F_WRLCK, 20, 10) < 0 ? errno : 0;
	CHECK(status == 0 || status == EDEADLK);
	CHECK(!lock(fd, F_SETLK, F_UNLCK, 0, 0));
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	CHECK(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == EDEADLK);
}

/* They belong to the open file: inherited, and not freed by another close. */
static void open_file_locks(void)
{
	int a = file_make("f", 10), b = open("f", O_RDWR);
	struct flock l = range(F_WRLCK, 0, 0);
	pid_t pid;

	CHECK(!lock(a, F_OFD_SETLK, F_WRLCK, 0, 0));
	FAILS(lock(b, F_OFD_SETLK, F_RDLCK, 0, 0), EAGAIN);
	CHECK(!fcntl(b, F_OFD_GETLK, &l) && l.l_type == F_WRLCK);
	CHECK(l.l_pid == -1);
	FAILS(lock(b, F_SETLK, F_RDLCK, 0, 0), EAGAIN);
	pid = fork();
	if (pid == 0)
		_exit(lock(a, F_OFD_SETLK, F_WRLCK, 0, 0) ? 1 : 0);
	CHECK(waitpid(pid, NULL, 0) == pid);
	CHECK(!close(open("f", O_RDONLY)));
	FAILS(lock(b, F_OFD_SETLK, F_RDLCK, 0, 0), EAGAIN);
	CHECK(!close(a) && !lock(b, F_OFD_SETLK, F_RDLCK, 0, 0));
}

static void flocks(void)
{
	int fd = file_make("f", 10), dir = open(".", O_RDONLY);
	struct other o = other_start(LOCK_SH, 0, 0);

	CHECK(!flock(fd, LOCK_SH | LOCK_NB));
	FAILS(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	CHECK(!lock(fd, F_SETLK, F_WRLCK, 0, 0)); /* another kind */
	other_end(&o);
	CHECK(!flock(fd, LOCK_EX | LOCK_NB));
	CHECK(!flock(dir, LOCK_EX | LOCK_NB) && !flock(dir, LOCK_UN));
	CHECK(!unlink("f") && !flock(fd, LOCK_UN));
}

static void leases(void)
{
	int fd = file_make("f", 10), reader;

	CHECK(!close(fd));
	reader = open("f", O_RDONLY);
	if (fcntl(reader, F_SETLEASE, F_RDLCK) < 0) {
		CHECK(errno == EINVAL || errno == EACCES);
		_exit(SKIPPED);
	}
	CHECK(fcntl(reader, F_GETLEASE) == F_RDLCK);
	CHECK(!fcntl(reader, F_SETLEASE, F_UNLCK));
}

const struct fscase cases_locks[] = {
	{"posix-ranges", posix_ranges, 0},
	{"released-at-close", released_at_close, 0},
	{"interrupted", interrupted, 0},
	{"blocked", blocked, 0},
	{"deadlock", deadlock, 0},
	{"open-file-locks", open_file_locks, 0},
	{"flocks", flocks, 0},
	{"leases", leases, 0},
	{NULL, NULL, 0},
};
