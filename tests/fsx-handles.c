/* Descriptors and mappings of a process of fsx. */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/wait.h>

#include "tests/fsx.h"

#define N_MAPS 3

static struct handle handles[N_HANDLES];
static struct map {
	uint8_t *at; /* NULL: none */
	bool writable;
} maps[N_MAPS];
static int memory; /* for sendfile */

void handles_start(void)
{
	for (int k = 0; k < N_HANDLES; k++)
		handles[k].fd = -1;
	memset(maps, 0, sizeof(maps));
	OK(memory = memfd_create("fsx", MFD_CLOEXEC));
}

struct handle *some_handle(int can)
{
	size_t first = below(N_HANDLES);

	for (size_t k = 0; k < N_HANDLES; k++) {
		struct handle *h = &handles[(first + k) % N_HANDLES];
		int access = h->flags & O_ACCMODE;
		int does = access == O_RDONLY	? READS
			   : access == O_WRONLY ? WRITES
						: READS | WRITES;

		if (h->fd >= 0 && does & can)
			return h;
	}
	return NULL;
}

size_t send_to_buffer(int fd, size_t off, size_t len)
{
	size_t wanted = expected_length(off, len), done = 0;
	off_t at = (off_t)off;

	OK(lseek(memory, 0, SEEK_SET));
	while (done < wanted) {
		ssize_t n = sendfile(memory, fd, &at, wanted - done);

		if (n <= 0)
			fail("sendfile");
		done += (size_t)n;
	}
	expect(pread(memory, buffer, wanted, 0), wanted);
	return wanted;
}

void maps_end(void)
{
	for (size_t k = 0; k < N_MAPS; k++) {
		if (maps[k].at)
			OK(munmap(maps[k].at, FSX_BYTES));
		maps[k].at = NULL;
	}
}

void handles_end(void)
{
	for (size_t k = 0; k < N_HANDLES; k++) {
		if (handles[k].fd >= 0)
			OK(close(handles[k].fd));
		handles[k].fd = -1;
	}
}

void handle_keep(int fd, int flags)
{
	handles[0] = (struct handle){fd, flags};
}

/* Who reads and writes keeps the file from being passed from then on, unless
 * mappings do not let it be anything else. */
static int some_access(void)
{
	static const int accesses[] = {O_RDONLY, O_WRONLY, O_RDWR};

	if (passed && !model->maps_stay && !one_in(16))
		return accesses[below(2)];
	return accesses[below(3)];
}

void op_handle_open(void)
{
	static const int more[] = {0, 0, 0, 0, O_APPEND, O_SYNC, O_DIRECT,
				   O_DSYNC, O_TRUNC};
	struct handle *h = &handles[below(N_HANDLES)];
	int flags = some_access() | more[below(9)];

	if (h->fd >= 0)
		return;
	if ((flags & O_ACCMODE) == O_RDONLY)
		flags &= ~O_TRUNC;
	if (flags & O_TRUNC && !one_in(3))
		flags &= ~O_TRUNC;
	tell("open %#o", (unsigned)flags);
	int fd = open(path, flags | O_CLOEXEC);
	if (fd < 0 && errno == EINVAL && flags & O_DIRECT)
		return; /* a file system without */
	OK(fd);
	*h = (struct handle){fd, flags};
	if (flags & O_TRUNC)
		model_resize(0);
}

void op_handle_close(void)
{
	struct handle *h = &handles[below(N_HANDLES)];

	if (h->fd < 0)
		return;
	tell("close(%d)", h->fd);
	OK(close(h->fd));
	h->fd = -1;
}

static struct map *some_map(bool stores)
{
	size_t first = below(N_MAPS);

	for (size_t k = 0; k < N_MAPS; k++) {
		struct map *m = &maps[(first + k) % N_MAPS];

		if (m->at && (m->writable || !stores))
			return m;
	}
	return NULL;
}

void op_map(void)
{
	struct map *m = &maps[below(N_MAPS)];
	struct handle *h = some_handle(READS);

	if (m->at || !h)
		return;
	m->writable = (h->flags & O_ACCMODE) == O_RDWR && !one_in(4);
	tell("mmap(%d) %s", h->fd, m->writable ? "writable" : "read-only");
	void *p = mmap(NULL, FSX_BYTES,
		       PROT_READ | (m->writable ? PROT_WRITE : 0), MAP_SHARED,
		       h->fd, 0);
	if (p == MAP_FAILED)
		fail("mmap");
	m->at = p;
}

void op_unmap(void)
{
	struct map *m = &maps[below(N_MAPS)];

	if (!m->at)
		return;
	tell("munmap %d", (int)(m - maps));
	OK(munmap(m->at, FSX_BYTES));
	m->at = NULL;
}

static void store(uint8_t *at)
{
	size_t off = below(model->size);
	size_t len = expected_length(off, 1 + below(MAX_LEN - 1));

	random_bytes(buffer, len);
	tell("store %zu+%zu", off, len);
	memcpy(at + off, buffer, len);
	model->stored = off;
	model_write(buffer, off, len);
}

void op_store(void)
{
	struct map *m = some_map(true);

	if (!m)
		return;
	store(m->at);
	if (one_in(8))
		OK(msync(m->at, FSX_BYTES, one_in(2) ? MS_SYNC : MS_ASYNC));
}

void op_mapped(void)
{
	struct map *m = some_map(false);
	size_t off = below(model->size), len = below(MAX_LEN);

	if (!m)
		return;
	if (one_in(2))
		off = model->stored; /* nothing may have written it back */
	tell("mapped %zu+%zu", off, len);
	len = expected_length(off, len);
	compare(m->at + off, off, len);
}

void op_mapper_dies(void)
{
	int status;

	if (passed && !one_in(4))
		return;
	tell("a mapper dies");
	pid_t pid = fork();
	if (pid == 0) {
		int fd = open(path, O_RDWR);
		uint8_t *p = mmap(NULL, FSX_BYTES, PROT_READ | PROT_WRITE,
				  MAP_SHARED, fd, 0);
		if (fd < 0 || p == MAP_FAILED)
			fail("mapper");
		if (one_in(2))
			close(fd);
		store(p);
		raise(SIGKILL);
	}
	OK(pid);
	OK(waitpid(pid, &status, 0));
	if (!WIFSIGNALED(status))
		fail("the mapper ended by itself");
	below(2); /* or the next one does the same */
}

void names_swap(void)
{
	char other[sizeof(path) + 8];

	snprintf(other, sizeof(other), "%s.other", path);
	OK(rename(path, other));
	OK(rename(other, path));
}
