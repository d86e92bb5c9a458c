/* layer: journal */
#ifndef MIRRORFS_RECORD_H
#define MIRRORFS_RECORD_H

/*
 * A record: one change of the tree, who made it and when. Pure data.
 *
 * seq orders all records of a journal for ever: the upper 24 bits are the
 * epoch, which grows at each start of a mount, the lower 40 count within it.
 * Rows of the last moments before a power cut may be lost *after* they were
 * replicated; the epoch keeps their numbers from being given again.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"

#define SEQ_EPOCH_SHIFT 40
#define SEQ_FIRST(epoch) (((uint64_t)(epoch) << SEQ_EPOCH_SHIFT) + 1)
#define SEQ_EPOCH(seq) ((uint64_t)(seq) >> SEQ_EPOCH_SHIFT)
#define SEQ_COUNT(seq) ((uint64_t)(seq) & ((1ULL << SEQ_EPOCH_SHIFT) - 1))

enum record_op {
#define OP(sym, num, word, text) OP_##sym = num,
#include "tbl/ops.h"
#undef OP
};

enum record_flag {
	RF_OPEN = 1 << 0,     /* CREATE: dirty until its SETTLE */
	RF_EXCHANGE = 1 << 1, /* RENAME */
	RF_MODE = 1 << 2,     /* SETATTR */
	RF_OWNER = 1 << 3,
	RF_TIMES = 1 << 4,
	RF_IDLE = 1 << 5,     /* SETTLE: still open, but idle or too old */
	RF_REPLACED = 1 << 6, /* RENAME: path2 existed and was replaced */
	RF_LAST = 1 << 7,     /* UNLINK, RMDIR: no name is left; other
			       * operations: path is where it was last, it has
			       * no name there now */
	RF_WHITEOUT = 1 << 8, /* RENAME: a whiteout was left at path */
	RF_OBJECT = 1 << 9,   /* UNSURE: what is meant is obj, whatever its path
			       * is; path is "". Files that changed in it since
			       * `size` (a ctime, ns) count as changed */
	RF_DEEP = 1 << 10,    /* with RF_OBJECT: all below it; with path2: of its
			       * entry path2 */
	RF_CONTENT = 1 << 11, /* with RF_OBJECT: its content; GAP: files that
			       * changed since `size` (a ctime, ns) count as
			       * changed */
	RF_APPENDS = 1 << 12, /* DIRTY: only what lies behind `size` changes,
			       * until another DIRTY says more */
};

/* What names an object for as long as it lives, whatever its paths are:
 * the file handle of the lower file system, generation included. */
#define FHANDLE_MAX 128
struct fhandle {
	uint32_t len; /* 0: none */
	int32_t type;
	uint8_t bytes[FHANDLE_MAX];
};

/* A file system without handles: device and inode number, as good as they
 * are: they are used again, and overlayfs changes them. */
#define FHANDLE_BY_NUMBER 0x6d726e75 /* a type that no file system has */
void fhandle_by_number(uint64_t dev, uint64_t ino, uint32_t type,
		       struct fhandle *ret);
/* fhandle_is_number - and then *ret_type (may be NULL) is its S_IFMT. */
bool fhandle_is_number(const struct fhandle *h, uint32_t *ret_type);

bool fhandle_equal(const struct fhandle *a, const struct fhandle *b);
/* fhandle_size - bytes of `h` in use from its start: a key for hash tables,
 * as the bytes behind `len` are ignored. */
size_t fhandle_size(const struct fhandle *h);

struct who {
	uint32_t uid, gid;
	int32_t pid;      /* 0: the kernel, or not known */
	char program[16]; /* as in /proc/PID/comm */
	char title[256];  /* process title: FTP daemons put user and client here */
};

struct range {
	uint64_t off, len; /* bytes */
};

#define RECORD_RANGES_MAX 64 /* more are merged to their hull */

struct record {
	uint64_t seq;    /* 0 until it is appended */
	int64_t time_ns; /* wall clock */
	enum record_op op;
	uint32_t flags;  /* enum record_flag */
	struct who who;
	struct fhandle obj;
	char *path;  /* tree path; NULL only for START, STOP, GAP */
	char *path2; /* or NULL */
	uint32_t mode; /* type and permissions after the change */
	uint32_t uid, gid; /* owner after the change */
	uint64_t size; /* of the file after the change, bytes */
	uint32_t n_ranges;
	struct range *ranges;
};

/* record_op_word - "create" …, or "?" for an unknown number. */
const char *record_op_word(enum record_op op);
/* record_op_parse - the operation of a word; -EINVAL when there is none. */
int record_op_parse(const char *word);

/* record_makes_object - its object was not there before. */
bool record_makes_object(const struct record *r);

/* record_unsure - it becomes UNSURE: perhaps it was done. */
void record_unsure(struct record *r);

/* record_done - free what `r` points to (not `r`). NULL is fine. */
void record_done(struct record *r);

/* record_encode - append `r` to `b`, in the form that ring and tests use. */
void record_encode(struct buf *b, const struct record *r);
/*
 * record_decode - read one record; on success `r` owns its pointers.
 * Returns 0, or a negative errno: -EBADMSG when the bytes are not a record.
 */
int record_decode(struct buf *b, struct record *r);

/*
 * range_add - merge [off, off+len) into the sorted, disjoint `ranges` of
 * `*n`; at most RECORD_RANGES_MAX remain: the two with the smallest gap
 * between them become one.
 */
void range_add(struct range *ranges, uint32_t *n, uint64_t off, uint64_t len);
/* range_total - the sum of the lengths, bytes. */
uint64_t range_total(const struct range *ranges, uint32_t n);

#endif
