/*
 * Reading and writing STATE/activity; see activity-file.h.
 *
 * A power cut leaves each sector old or new. A mark that was not synced yet
 * may be missing: nothing was changed then. A slot that was emptied may be
 * full again: what it names is compared in vain. A reset may be half done:
 * by then the journal has records for all that was marked, so it does not
 * matter which marks of the last epoch are still there. What is neither an
 * empty slot nor a mark was spoilt by something else, and the whole file is
 * not believed.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "buf.h"
#include "cleanup.h"
#include "clock.h"
#include "paths.h"
#include "lib/journal/activity-file.h"

#define ACTIVITY_FILE  "activity"
#define ACTIVITY_MAGIC 0x6d66616374697631ULL /* "mfactiv1" */
#define ACTIVITY_MAX   (1u << 20)	     /* slots */

static int open_file(const char *state_dir, int flags)
{
	CLEANUP_FREE char *path = path_join(state_dir, ACTIVITY_FILE);
	int fd = open(path, flags | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

static int write_at(int fd, const void *data, size_t n, off_t off)
{
	ssize_t m = pwrite(fd, data, n, off);
	return m < 0 ? -errno : m < (ssize_t)n ? -EIO : 0;
}

/* `b` becomes one sector: checksum in front, zeros behind. */
static int put_sector(int fd, off_t off, struct buf *b)
{
	uint8_t sector[ACTIVITY_SECTOR] = {0};
	int r = -E2BIG;
	if (b->len <= sizeof(sector) - 4) {
		memcpy(sector + 4, b->data, b->len);
		uint32_t crc =
			(uint32_t)crc32(0, sector + 4, sizeof(sector) - 4);
		for (int i = 0; i < 4; i++)
			sector[i] = (uint8_t)(crc >> (24 - 8 * i));
		r = write_at(fd, sector, sizeof(sector), off);
	}
	buf_done(b);
	return r;
}

/* 1: it holds something behind the checksum; 0: empty. */
static int check_sector(const uint8_t sector[ACTIVITY_SECTOR])
{
	static const uint8_t empty[ACTIVITY_SECTOR];
	uint32_t crc = 0;
	if (memcmp(sector, empty, sizeof(empty)) == 0)
		return 0;
	for (int i = 0; i < 4; i++)
		crc = crc << 8 | sector[i];
	return crc == crc32(0, sector + 4, ACTIVITY_SECTOR - 4) ? 1 : -EUCLEAN;
}

/* As check_sector. */
static int get_sector(int fd, off_t off, uint8_t sector[ACTIVITY_SECTOR])
{
	ssize_t n = pread(fd, sector, ACTIVITY_SECTOR, off);
	if (n != ACTIVITY_SECTOR)
		return n < 0 ? -errno : -EUCLEAN;
	return check_sector(sector);
}

/* ---- header ---- */

int activity_put_head(int fd, const struct activity_head *h)
{
	struct buf b = BUF_INIT;
	buf_put_u64(&b, ACTIVITY_MAGIC);
	buf_put_u32(&b, h->slots);
	buf_put_u32(&b, h->flags);
	buf_put_u64(&b, h->epoch);
	buf_put_u64(&b, (uint64_t)h->since_ns);
	buf_put(&b, h->uuid, sizeof(h->uuid));
	buf_put_u64(&b, h->synced);
	return put_sector(fd, 0, &b);
}

static int get_head(int fd, struct activity_head *h)
{
	uint8_t sector[ACTIVITY_SECTOR];
	struct buf b = {.data = sector, .off = 4, .len = sizeof(sector)};
	uint64_t magic, since;
	int r = get_sector(fd, 0, sector);
	if (r <= 0)
		return r < 0 ? r : -EUCLEAN;
	if (buf_get_u64(&b, &magic) < 0 || magic != ACTIVITY_MAGIC ||
	    buf_get_u32(&b, &h->slots) < 0 || buf_get_u32(&b, &h->flags) < 0 ||
	    buf_get_u64(&b, &h->epoch) < 0 || buf_get_u64(&b, &since) < 0 ||
	    buf_get(&b, h->uuid, sizeof(h->uuid)) < 0 ||
	    buf_get_u64(&b, &h->synced) < 0 || h->slots == 0 ||
	    h->slots > ACTIVITY_MAX)
		return -EUCLEAN;
	h->since_ns = (int64_t)since; /* an older version has zeros behind */
	h->uuid[sizeof(h->uuid) - 1] = 0;
	return 0;
}

int activity_open(const char *state_dir, struct activity_head *ret)
{
	CLEANUP_CLOSE int fd = open_file(state_dir, O_RDWR);
	int r = fd < 0 ? fd : get_head(fd, ret);
	if (r < 0)
		return r;
	r = fd;
	fd = -1;
	return r;
}

/* ---- slots ---- */

static off_t slot_at(unsigned slot)
{
	return ACTIVITY_PAGE + (off_t)slot * ACTIVITY_SECTOR;
}

static void put_handle(struct buf *b, const struct fhandle *h)
{
	buf_put_u32(b, (uint32_t)h->type);
	buf_put_bytes(b, h->bytes, h->len);
}

static int get_handle(struct buf *b, struct fhandle *h)
{
	const uint8_t *p;
	size_t n;
	uint32_t type;
	if (buf_get_u32(b, &type) < 0 || buf_get_bytes(b, &p, &n) < 0 ||
	    n > sizeof(h->bytes))
		return -EUCLEAN;
	h->type = (int32_t)type;
	h->len = (uint32_t)n;
	memcpy(h->bytes, p, n);
	return 0;
}

int activity_put_slot(int fd, unsigned slot, const struct mark *m)
{
	struct buf b = BUF_INIT;
	buf_put_u32(&b, slot);
	buf_put_u32(&b, m->kind);
	put_handle(&b, &m->obj);
	put_handle(&b, &m->dir);
	buf_put_text(&b, m->name);
	buf_put_u32(&b, m->stays); /* an older version has zeros behind */
	return put_sector(fd, slot_at(slot), &b);
}

int activity_zero_slot(int fd, unsigned slot)
{
	static const uint8_t empty[ACTIVITY_SECTOR];
	return write_at(fd, empty, sizeof(empty), slot_at(slot));
}

/* Is it what activity_put_slot has written there? */
static int decode_slot(struct buf *b, unsigned slot, struct mark *m)
{
	uint32_t number, kind, stays;
	const uint8_t *name;
	size_t n;
	*m = (struct mark){.kind = MARK_NONE};
	if (buf_get_u32(b, &number) < 0 || number != slot ||
	    buf_get_u32(b, &kind) < 0 || get_handle(b, &m->obj) < 0 ||
	    get_handle(b, &m->dir) < 0 || buf_get_bytes(b, &name, &n) < 0 ||
	    buf_get_u32(b, &stays) < 0 || n >= sizeof(m->name) ||
	    kind == MARK_NONE || kind > MARK_NEW_DIR)
		return -EUCLEAN;
	m->kind = (enum mark_kind)kind;
	m->stays = stays && kind == MARK_FILE;
	memcpy(m->name, name, n);
	bool named = kind == MARK_NEW_DIR;
	bool ok = named ? m->dir.len && n && !strchr(m->name, '/')
			: m->obj.len > 0;
	return ok ? 1 : -EUCLEAN;
}

/* read_slots - `slot` and those beside it. */
static int read_slots(struct activity_reader *r, unsigned slot)
{
	unsigned first = slot - slot % ACTIVITY_READ;
	ssize_t n = pread(r->fd, r->data, sizeof(r->data), slot_at(first));
	if (n < 0)
		return -errno;
	r->first = first;
	r->n = (unsigned)(n / ACTIVITY_SECTOR);
	return slot - first < r->n ? 0 : -EUCLEAN;
}

int activity_get_slot(struct activity_reader *r, unsigned slot,
		      struct mark *ret)
{
	if (slot < r->first || slot - r->first >= r->n) {
		int e = read_slots(r, slot);
		if (e < 0)
			return e;
	}
	uint8_t *sector = r->data + (slot - r->first) * ACTIVITY_SECTOR;
	struct buf b = {.data = sector, .off = 4, .len = ACTIVITY_SECTOR};
	int e = check_sector(sector);
	return e <= 0 ? e : decode_slot(&b, slot, ret);
}

/* ---- the time before ---- */

static const char *doubt_head(const struct activity_head *h, const char *uuid,
			      uint64_t epoch)
{
	if (strcmp(h->uuid, uuid) != 0)
		return "it belongs to another journal";
	/* the epoch before: cut off between the journal's and this file's */
	if (h->epoch != epoch && h->epoch + 1 != epoch)
		return "it is of another time than the journal";
	return NULL;
}

static const char *load_slots(int fd, unsigned slots,
			      struct activity_past *past)
{
	struct activity_reader reader = {.fd = fd};
	past->marks = calloc(slots, sizeof(*past->marks));
	if (!past->marks)
		abort();
	for (unsigned i = 0; i < slots; i++) {
		int r = activity_get_slot(&reader, i, &past->marks[past->n]);
		if (r < 0)
			return r == -EUCLEAN ? "it is damaged"
					     : "it cannot be read";
		past->n += (unsigned)r;
	}
	return NULL;
}

static const char *load(const char *state_dir, const char *uuid, uint64_t epoch,
			struct activity_past *past)
{
	struct activity_head h;
	CLEANUP_CLOSE int fd = activity_open(state_dir, &h);
	if (fd < 0)
		return fd == -ENOENT	? "there is none"
		       : fd == -EUCLEAN ? "it is damaged"
					: "it cannot be read";
	const char *why = doubt_head(&h, uuid, epoch);
	if (why)
		return why;
	past->since_ns = h.since_ns - CTIME_SLACK_NS;
	if (h.flags & ACTIVITY_LOST)
		return "a disk has lost what was to be synced";
	if (h.flags & ACTIVITY_ALL) {
		past->since_ns = 0;
		return "it could not be written";
	}
	past->verdict = h.flags & ACTIVITY_OFF ? PAST_OFF : PAST_MARKS;
	return past->verdict == PAST_OFF ? NULL : load_slots(fd, h.slots, past);
}

void activity_load(const char *state_dir, const char *uuid, uint64_t epoch,
		   struct activity_past *ret)
{
	*ret = (struct activity_past){.verdict = PAST_DOUBT};
	ret->why = load(state_dir, uuid, epoch, ret);
	if (!ret->why)
		return;
	activity_past_done(ret);
	ret->verdict = PAST_DOUBT;
}

void activity_past_done(struct activity_past *p)
{
	free(p->marks);
	p->marks = NULL;
	p->n = 0;
}

/* ---- a new epoch ---- */

/* clear_sector - but what stays: who can write to that file past all mounts may
 * do so in this epoch, too. Nowhere else is that known, so it is never away. */
static void clear_sector(uint8_t *sector, unsigned slot)
{
	struct buf b = {.data = sector, .off = 4, .len = ACTIVITY_SECTOR};
	struct mark m;
	if (check_sector(sector) <= 0 || decode_slot(&b, slot, &m) < 0 ||
	    !m.stays)
		memset(sector, 0, ACTIVITY_SECTOR);
}

static int clear_page(int fd, off_t at)
{
	uint8_t page[ACTIVITY_PAGE] = {0};
	unsigned first = (unsigned)(at - ACTIVITY_PAGE) / ACTIVITY_SECTOR;
	/* of what cannot be read, or is not there, nothing stays */
	if (pread(fd, page, sizeof(page), at) != (ssize_t)sizeof(page))
		memset(page, 0, sizeof(page));
	for (unsigned i = 0; i < sizeof(page) / ACTIVITY_SECTOR; i++)
		clear_sector(page + i * ACTIVITY_SECTOR, first + i);
	return write_at(fd, page, sizeof(page), at);
}

/* Its blocks are written once, so that later writes need no new ones: a sync
 * is then a matter of the data alone, and a full disk does no harm. Where the
 * file system would write each block elsewhere (btrfs), it shall not. */
static int fill(int fd, unsigned slots)
{
	off_t end = slot_at(slots);
	struct stat st;
	int flags = FS_NOCOW_FL;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size == 0)
		(void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
	for (off_t at = ACTIVITY_PAGE; at < end; at += ACTIVITY_PAGE) {
		int r = clear_page(fd, at);
		if (r < 0)
			return r;
	}
	return st.st_size > end && ftruncate(fd, end) < 0 ? -errno : 0;
}

static int sync_folder(const char *state_dir)
{
	CLEANUP_CLOSE int fd =
		open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int activity_reset(const char *state_dir, const char *uuid, uint64_t epoch,
		   unsigned slots)
{
	struct activity_head h = {
		.slots = slots ? slots : ACTIVITY_SLOTS,
		.epoch = epoch,
		.since_ns = clock_wall_ns(),
	};
	strncpy(h.uuid, uuid, sizeof(h.uuid) - 1);
	CLEANUP_CLOSE int fd = open_file(state_dir, O_RDWR | O_CREAT);
	int r = fd < 0 ? fd : fill(fd, h.slots);
	if (r == 0)
		r = activity_put_head(fd, &h);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r == 0 ? sync_folder(state_dir) : r;
}

int activity_discard(const char *state_dir)
{
	CLEANUP_FREE char *path = path_join(state_dir, ACTIVITY_FILE);
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	return sync_folder(state_dir);
}

bool activity_has_lost(const char *state_dir)
{
	struct activity_head h;
	CLEANUP_CLOSE int fd = activity_open(state_dir, &h);
	return fd >= 0 && h.flags & ACTIVITY_LOST;
}

static int put_head_durably(int fd, const struct activity_head *h)
{
	int r = activity_put_head(fd, h);
	return r == 0 && fsync(fd) < 0 ? -errno : r;
}

/* set_flag - durably. */
static int set_flag(const char *state_dir, uint32_t flag)
{
	struct activity_head h;
	CLEANUP_CLOSE int fd = activity_open(state_dir, &h);
	if (fd < 0)
		return fd;
	h.flags |= flag;
	return put_head_durably(fd, &h);
}

uint64_t activity_synced(const char *state_dir, const char *uuid)
{
	struct activity_head h;
	CLEANUP_CLOSE int fd = activity_open(state_dir, &h);
	return fd >= 0 && strcmp(h.uuid, uuid) == 0 ? h.synced : 0;
}

int activity_set_synced(const char *state_dir, uint64_t seq)
{
	struct activity_head h;
	CLEANUP_CLOSE int fd = activity_open(state_dir, &h);
	if (fd < 0)
		return fd;
	h.synced = seq;
	return put_head_durably(fd, &h);
}

int activity_lose(const char *state_dir)
{
	int r = set_flag(state_dir, ACTIVITY_LOST);
	return r < 0 ? activity_discard(state_dir) : 0;
}

int activity_doubt(const char *state_dir)
{
	struct activity_head h;
	CLEANUP_CLOSE int fd = activity_open(state_dir, &h);
	if (fd == -ENOENT || (fd >= 0 && h.flags & ACTIVITY_ALL))
		return 0;
	h.flags |= ACTIVITY_ALL;
	int r = fd < 0 ? fd : put_head_durably(fd, &h);
	return r < 0 ? activity_discard(state_dir) : 0;
}

bool activity_is_at(int fd, const char *state_dir)
{
	CLEANUP_FREE char *path = path_join(state_dir, ACTIVITY_FILE);
	struct stat here, there;
	return fstat(fd, &here) == 0 && stat(path, &there) == 0 &&
	       here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

int activity_disable(const char *state_dir)
{
	return set_flag(state_dir, ACTIVITY_OFF);
}
