/* The shared memory: made once by the supervisor, mapped by all. */
#include "confdefs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "lib/journal/db.h"
#include "lib/journal/memory.h"

#define PATIENCE_NS (10 * NS_PER_S)

_Static_assert((RING_BYTES & (RING_BYTES - 1)) == 0, "a power of two");
_Static_assert(sizeof(struct intent) == INTENT_BYTES, "no padding");

static struct memory *memory_map(int fd)
{
	void *p = mmap(NULL, sizeof(struct memory), PROT_READ | PROT_WRITE,
		       MAP_SHARED, fd, 0);
	return p == MAP_FAILED ? NULL : p;
}

int shared_create(uint64_t first_seq, int *ret_fd)
{
	CLEANUP_CLOSE int fd = memfd_create("mirrorfs-shared",
					    MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, sizeof(struct memory)) < 0)
		return -errno;
	/* A shrunk file would kill everybody who has it mapped. */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	struct memory *m = memory_map(fd);
	if (!m)
		return -errno;
	int r = ring_init(&m->ring, first_seq);
	if (r == 0) {
		m->version = MEMORY_VERSION;
		m->size = sizeof(struct memory);
		m->format = (uint32_t)schema_version();
		m->magic = MEMORY_MAGIC;
		*ret_fd = fd;
		fd = -1;
	}
	munmap(m, sizeof(*m));
	return r;
}

int shared_map(int fd, struct shared **ret)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size != sizeof(struct memory))
		return -EPROTO;
	struct memory *m = memory_map(fd);
	if (!m)
		return -errno;
	if (m->magic != MEMORY_MAGIC || m->version != MEMORY_VERSION ||
	    m->size != sizeof(struct memory)) {
		munmap(m, sizeof(*m));
		return -EPROTO;
	}
	if (m->format != (uint32_t)schema_version()) {
		munmap(m, sizeof(*m));
		return -EOPNOTSUPP;
	}
	struct shared *s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->mem = m;
	s->patience_ns = PATIENCE_NS;
	s->taken_end = m->ring.head;
	s->dropped_seen = m->ring.dropped;
	*ret = s;
	return 0;
}

void shared_unmap(struct shared *s)
{
	if (!s)
		return;
	munmap(s->mem, sizeof(*s->mem));
	for (unsigned i = 0; i < SHARED_THREADS; i++)
		buf_done(&s->scratch[i]);
	buf_done(&s->unwrapped);
	free(s);
}
