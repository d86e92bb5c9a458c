/* The model and the processes of fsx. */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>

#include "tests/fsx.h"

#define MAX_PROCESSES 16

struct model *model;
uint8_t *buffer;
char path[4096];
bool passed;
int worker;
static unsigned number; /* of this process */
static unsigned short seed[3];
static const char *doing = "a call"; /* side by side: what was compared */

static struct options {
	unsigned seed, processes;
	unsigned long calls;
	long seconds;
	bool beside; /* side by side only */
} options = {1, 3, 20000, 0, false};

/* ---- chance ---- */

size_t below(size_t n)
{
	return n ? (size_t)nrand48(seed) % n : 0;
}

bool one_in(size_t n)
{
	return below(n) == 0;
}

void random_bytes(uint8_t *p, size_t n)
{
	uint8_t first = (uint8_t)(1 + below(255)), step = (uint8_t)below(7);

	for (size_t k = 0; k < n; k++)
		p[k] = (uint8_t)(first + k * step);
}

/* ---- what was done, and what went wrong ---- */

void tell(const char *fmt, ...)
{
	char *line = model->story[model->told++ % 64];
	va_list ap;

	int n = snprintf(line, 100, "%u: ", number);
	va_start(ap, fmt);
	vsnprintf(line + n, 100 - (size_t)n, fmt, ap);
	va_end(ap);
}

void fail(const char *fmt, ...)
{
	int error = errno;
	va_list ap;

	model->failed = true;
	for (unsigned k = 0; k < 64; k++)
		fprintf(stderr, "%s\n", model->story[(model->told + k) % 64]);
	fprintf(stderr, "fsx: seed %u, call %lu, process %u, size %zu: ",
		options.seed, model->calls, number, model->size);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " (%s)\n", strerror(error));
	_exit(1);
}

void expect(ssize_t got, size_t wanted)
{
	if (got != (ssize_t)wanted)
		fail("got %zd, wanted %zu", got, wanted);
}

size_t expected_length(size_t off, size_t len)
{
	if (off >= model->size)
		return 0;
	return len < model->size - off ? len : model->size - off;
}

void compare(const uint8_t *got, size_t off, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		if (got[k] == model->bytes[off + k])
			continue;
		errno = 0;
		fail("%s: byte %zu is %02x, wanted %02x", doing, off + k,
		     got[k], model->bytes[off + k]);
	}
}

/* ---- the model; what lies behind the end is zero ---- */

void model_write(const uint8_t *from, size_t off, size_t len)
{
	memcpy(model->bytes + off, from, len);
	if (off + len > model->size)
		model->size = off + len;
}

void model_resize(size_t size)
{
	if (size < model->size)
		memset(model->bytes + size, 0, model->size - size);
	model->size = size;
}

void model_fallocate(int mode, size_t off, size_t len)
{
	uint8_t *at = model->bytes + off;
	size_t behind = off < model->size ? model->size - off : 0;

	switch (mode & ~FALLOC_FL_KEEP_SIZE) {
	case FALLOC_FL_COLLAPSE_RANGE:
		memmove(at, at + len, behind - len);
		model_resize(model->size - len);
		return;
	case FALLOC_FL_INSERT_RANGE:
		memmove(at + len, at, behind);
		memset(at, 0, len);
		model->size += len;
		return;
	case FALLOC_FL_PUNCH_HOLE:
	case FALLOC_FL_ZERO_RANGE:
		memset(at, 0, len);
		break;
	}
	if (!(mode & FALLOC_FL_KEEP_SIZE) && off + len > model->size)
		model->size = off + len;
}

/* ---- the processes ---- */

static bool over(unsigned long calls, time_t until)
{
	return model->failed || (options.seconds ? time(NULL) >= until
						 : calls >= options.calls);
}

static void start_process(unsigned k)
{
	number = k;
	seed[0] = (unsigned short)options.seed;
	seed[1] = (unsigned short)(options.seed >> 16);
	seed[2] = (unsigned short)k;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	buffer = mmap(NULL, 2 * MAX_LEN, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	handles_start();
}

/* In turns; the next in turn is whoever gets the lock. */
static void take_turns(time_t until)
{
	for (;;) {
		pthread_mutex_lock(&model->lock);
		if (over(model->calls, until))
			break;
		bool goes = round_joined();
		if (goes) {
			model->calls++;
			op_random(options.processes);
		}
		pthread_mutex_unlock(&model->lock);
		if (!goes)
			sched_yield();
	}
	pthread_mutex_unlock(&model->lock);
}

/* One writes, another reads: files that passthrough may serve. The reader is
 * opened before, or after, or the writer is left for it alone. */
static void apart(size_t first, size_t part, uint8_t *mine)
{
	size_t at = below(part), len = 1 + below(part - at - 1);
	bool early = one_in(2);
	int reader = early ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	int writer = open(path, O_WRONLY | O_CLOEXEC);
	uint8_t *p = MAP_FAILED;

	OK(writer);
	if (len > MAX_LEN)
		len = MAX_LEN;
	if (early)
		OK(reader);
	if (early && one_in(2)) {
		p = mmap(NULL, FSX_BYTES, PROT_READ, MAP_SHARED, reader, 0);
		if (p == MAP_FAILED)
			fail("mmap");
		doing = "a mapping before a writer";
		compare(p + first + at, first + at, len);
	}
	random_bytes(buffer, len);
	expect(pwrite(writer, buffer, len, (off_t)(first + at)), len);
	memcpy(mine + at, buffer, len);
	if (one_in(2)) {
		OK(close(writer));
		writer = -1;
	}
	if (!early)
		OK(reader = open(path, O_RDONLY | O_CLOEXEC));
	expect(pread(reader, buffer, len, (off_t)(first + at)), len);
	doing = "a reader after a writer";
	compare(buffer, first + at, len);
	if (p == MAP_FAILED)
		p = mmap(NULL, FSX_BYTES, PROT_READ, MAP_SHARED, reader, 0);
	if (p == MAP_FAILED)
		fail("mmap");
	OK(close(reader));
	doing = "a mapping after a writer";
	compare(p + first, first, part);
	OK(munmap(p, FSX_BYTES));
	if (writer >= 0)
		OK(close(writer));
}

/* All at once, each its own pages of the whole; nobody else's bytes change. */
static void side_by_side(time_t until)
{
	size_t part = FSX_BYTES / options.processes / ALIGN * ALIGN;
	size_t first = part * number;
	uint8_t *mine = model->bytes + first;
	unsigned long n = 0;
	int flags[] = {O_RDWR, O_RDWR | O_SYNC, O_RDWR};

	while (!over(n++ * options.processes, until)) {
		if (passed && !(options.seed % 2 && one_in(100))) {
			apart(first, part, mine);
			continue;
		}
		int fd = open(path, flags[below(3)] | O_CLOEXEC);
		size_t at = below(part), len = 1 + below(part - at - 1);

		OK(fd);
		random_bytes(buffer, len < MAX_LEN ? len : MAX_LEN);
		if (len > MAX_LEN)
			len = MAX_LEN;
		uint8_t *p = mmap(NULL, FSX_BYTES, PROT_READ | PROT_WRITE,
				  MAP_SHARED, fd, 0);
		if (p == MAP_FAILED)
			fail("mmap");
		if (one_in(2)) {
			OK(close(fd));
			fd = -1;
		}
		bool stores = fd < 0 || one_in(2);
		if (stores)
			memcpy(p + first + at, buffer, len);
		else
			expect(pwrite(fd, buffer, len, (off_t)(first + at)),
			       len);
		memcpy(mine + at, buffer, len);
		if (fd >= 0) {
			expect(pread(fd, buffer, part < MAX_LEN ? part : MAX_LEN,
				     (off_t)first),
			       part < MAX_LEN ? part : MAX_LEN);
			doing = stores ? "pread after a store"
				       : "pread after pwrite";
			compare(buffer, first, part < MAX_LEN ? part : MAX_LEN);
			OK(close(fd));
		}
		doing = stores ? "mapping after a store" : "mapping after pwrite";
		compare(p + first, first, part);
		OK(munmap(p, FSX_BYTES));
	}
}

/* Returns whether all ended well. */
static bool run_all(time_t until)
{
	pid_t pids[MAX_PROCESSES];
	bool ok = true;

	for (unsigned k = 0; k < options.processes; k++) {
		pids[k] = fork();
		if (pids[k] == 0) {
			start_process(k);
			options.beside ? side_by_side(until)
				       : take_turns(until);
			_exit(0);
		}
	}
	for (unsigned n = 0; n < options.processes; n++) {
		int status;

		if (wait(&status) >= 0 && status == 0)
			continue;
		/* it may have had the lock */
		for (unsigned k = 0; ok && k < options.processes; k++)
			kill(pids[k], SIGKILL);
		ok = false;
	}
	return ok;
}

/* What is there in the end, by an untouched process. */
static void look_at_all(void)
{
	struct stat st;
	int fd = open(path, O_RDONLY);

	OK(fd);
	OK(fstat(fd, &st));
	expect((ssize_t)st.st_size, model->size);
	for (size_t off = 0; off < model->size;) {
		size_t n = expected_length(off, MAX_LEN);

		expect(pread(fd, buffer, n, (off_t)off), n);
		compare(buffer, off, n);
		off += n;
	}
	OK(close(fd));
}

static void model_start(void)
{
	pthread_mutexattr_t attr;

	model = mmap(NULL, sizeof(*model), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (model == MAP_FAILED) {
		perror("fsx");
		exit(1);
	}
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&model->lock, &attr);
}

static bool parse(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "bPw:s:n:t:p:")) != -1) {
		long n = optarg ? atol(optarg) : 0;

		switch (c) {
		case 'b': options.beside = true; break;
		case 'P': passed = true; break;
		case 'w': worker = (int)n; break;
		case 's': options.seed = (unsigned)n; break;
		case 'n': options.calls = (unsigned long)n; break;
		case 't': options.seconds = n; break;
		case 'p': options.processes = (unsigned)n; break;
		default: return false;
		}
	}
	return optind == argc - 1 && options.processes >= 1 &&
	       options.processes <= MAX_PROCESSES;
}

int main(int argc, char **argv)
{
	int fd;

	if (!parse(argc, argv)) {
		fputs("usage: fsx [-b] [-P] [-w PID] [-s SEED] "
		      "[-n CALLS | -t SECONDS] [-p PROCESSES] FILE\n",
		      stderr);
		return 2;
	}
	snprintf(path, sizeof(path), "%s", argv[optind]);
	model_start();
	start_process(MAX_PROCESSES);
	OK(fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
	OK(close(fd));
	time_t until = time(NULL) + options.seconds;
	if (options.beside) {
		OK(truncate(path, FSX_BYTES));
		model_resize(FSX_BYTES);
	}
	if (passed && !options.beside)
		file_renew();
	/* an odd seed: somebody reads all the time, so all are passed */
	usleep(passed ? 10000 : 0);
	if (options.beside && passed && options.seed % 2)
		OK(open(path, O_RDONLY | O_CLOEXEC));
	if (!run_all(until))
		return 1;
	look_at_all();
	printf("fsx: seed %u, %lu calls: ok\n", options.seed,
	       options.beside ? options.calls : model->calls);
	if (model->looks)
		printf("passed %lu of %lu\n", model->n_passed, model->looks);
	return 0;
}
