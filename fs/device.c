/*
 * The kernel sends INIT once. Its bytes and those of the answer are kept. The
 * next worker gives the same request to libfuse again, less what was not
 * agreed upon, holds the answer back and compares: it must be the same, or
 * both sides would mean different things by the same bytes.
 *
 * Whether a request is still to be answered can be asked for: the kernel takes
 * an answer to the interruption of a request that it knows, and does nothing
 * with it; of one that it does not know it says ENOENT (fuse_dev_do_write).
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fs/change.h"
#include "fs/kept.h"
#include "fs/ops.h"
#include "fs/device.h"
#include "log.h"

#define INTERRUPT_BIT 1u /* FUSE_INT_REQ_BIT of the kernel */

/* What follows from a reply is asked after it: the kernel orders our threads
 * there, which the thread sanitizer cannot know. */
#if defined(__SANITIZE_THREAD__)
#define TELL_ORDER
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TELL_ORDER
#endif
#endif
#ifdef TELL_ORDER
static _Atomic unsigned replies;
#endif

/* One thread, before the others: the answer to INIT is held back here. */
static struct {
	bool on;
	size_t len;
	uint8_t bytes[sizeof(((struct kept_init *)0)->answer)];
} held_back;

static size_t join(const struct iovec *iov, int count, uint8_t *out,
		   size_t size)
{
	size_t len = 0;
	for (int i = 0; i < count; i++) {
		if (len + iov[i].iov_len > size)
			return 0;
		memcpy(out + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	return len;
}

/* The answer to INIT is kept before the kernel has it. */
static void keep_answer(const struct iovec *iov, int count)
{
	struct kept_init *k = kept_init();
	const struct fuse_in_header *in = (void *)k->request;
	const struct fuse_out_header *out = iov[0].iov_base;
	if (!k->request_len || k->answer_len || out->unique != in->unique)
		return;
	k->answer_len =
		(uint32_t)join(iov, count, k->answer, sizeof(k->answer));
}

static ssize_t io_read(int fd, void *buf, size_t size, void *userdata)
{
	return read(fd, buf, size);
}

static ssize_t io_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	if (held_back.on) {
		held_back.len = join(iov, count, held_back.bytes,
				     sizeof(held_back.bytes));
		return (ssize_t)held_back.len;
	}
	if (!kept_init()->answer_len)
		keep_answer(iov, count);
#ifdef TELL_ORDER
	replies++;
#endif
	return writev(fd, iov, count);
}

static void session_log(enum fuse_log_level level, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

static void session_log(enum fuse_log_level level, const char *fmt, va_list ap)
{
	char *text = NULL;
	if (vasprintf(&text, fmt, ap) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	log_write(level <= FUSE_LOG_ERR ? LL_ERROR : LL_DEBUG, "libfuse: %s",
		  text);
	free(text);
}

/* The session owns a duplicate: it closes what it is given. */
int device_open(int fuse_fd, unsigned without, struct fuse_session **ret)
{
	static const struct fuse_custom_io io = {
		.read = io_read,
		.writev = io_writev,
	};
	char *argv[] = {(char *)"mirrorfs", NULL};
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	fuse_set_log_func(session_log);
	*ret = fuse_session_new(&args, &fs_ops, sizeof(fs_ops), NULL);
	fuse_opt_free_args(&args);
	if (!*ret)
		return -ENOMEM;
	int fd = fcntl(fuse_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0) {
		close(fd);
		return -errno;
	}
	ops_start(*ret, without);
	return fuse_session_custom_io(*ret, &io, fd);
}

/* ---- INIT ---- */

/* The kernel offers no more than what was taken the first time. */
static void offer_less(uint8_t *request, const struct kept_init *k)
{
	struct fuse_init_in *in =
		(void *)(request + sizeof(struct fuse_in_header));
	const struct fuse_init_out *out =
		(const void *)(k->answer + sizeof(struct fuse_out_header));
	in->flags &= out->flags;
	if (k->request_len >= sizeof(struct fuse_in_header) + sizeof(*in))
		in->flags2 &= out->flags2;
}

int device_resume(struct fuse_session *se)
{
	const struct kept_init *k = kept_init();
	const struct fuse_in_header *in = (const void *)k->request;
	_Alignas(8) uint8_t request[sizeof(k->request)];
	/* not asked yet, or not answered: then it is served as it is */
	if (!k->answer_len || device_is_owed(se, in->unique))
		return 0;
	if (k->request_len < sizeof(*in) || k->request_len > sizeof(request) ||
	    k->answer_len > sizeof(k->answer)) {
		log_error("what was agreed with the kernel is not known");
		return -EPROTO;
	}
	memcpy(request, k->request, k->request_len);
	offer_less(request, k);
	struct fuse_buf buf = {.mem = request, .size = k->request_len};
	held_back.on = true;
	fuse_session_process_buf(se, &buf);
	held_back.on = false;
	if (held_back.len == k->answer_len &&
	    memcmp(held_back.bytes, k->answer, k->answer_len) == 0)
		return 0;
	log_error("this version would agree otherwise with the kernel than the "
		  "one that serves the mount");
	return -EPROTO;
}

/* ---- requests ---- */

static void keep_init(const struct fuse_in_header *in, size_t bytes)
{
	struct kept_init *k = kept_init();
	if (in->opcode != FUSE_INIT || bytes > sizeof(k->request))
		return;
	memcpy(k->request, in, bytes);
	k->answer_len = 0;
	k->request_len = (uint32_t)bytes;
}

/* read_request - a request that is just being read when the mount goes away fails as
 * if the connection had been cut (fuse_dev_do_read, where fpq->connected is not set
 * any more; Linux 6.18). Which of the two it was the next read tells. */
static ssize_t read_request(int fd, struct flight *f)
{
	ssize_t n = read(fd, f->request, sizeof(f->request));
	if (n >= 0 || errno != ECONNABORTED)
		return n;
	usleep(1000); /* the kernel has said it everywhere by then */
	return read(fd, f->request, sizeof(f->request));
}

int device_read(struct fuse_session *se, struct flight *f)
{
	ssize_t n = read_request(fuse_session_fd(se), f);
#ifdef TELL_ORDER
	(void)atomic_load(&replies);
#endif
	if (n >= (ssize_t)sizeof(struct fuse_in_header)) {
		f->got = (uint32_t)n;
		return (int)n;
	}
	if (n >= 0)
		return -EIO;
	/* interrupted before we got it; unmounted */
	return errno == ENOENT ? -EINTR : errno == ENODEV ? 0 : -errno;
}

void device_serve(struct fuse_session *se, struct flight *f, size_t bytes)
{
	struct fuse_buf buf = {.mem = f->request, .size = bytes};
	flight_begin(f);
	change_request(flight_number(f), flight_again());
	keep_init(buf.mem, bytes);
	op_tmpfile_translate(&buf);
	fuse_session_process_buf(se, &buf);
	flight_done(f);
}

static bool tell(struct fuse_session *se, uint64_t unique, int error)
{
	const struct fuse_out_header out = {
		.len = sizeof(out),
		.error = error,
		.unique = unique,
	};
	return write(fuse_session_fd(se), &out, sizeof(out)) ==
	       (ssize_t)sizeof(out);
}

bool device_is_owed(struct fuse_session *se, uint64_t number)
{
	/* an interruption itself is not answered */
	return !(number & INTERRUPT_BIT) && tell(se, number | INTERRUPT_BIT, 0);
}

void device_refuse(struct fuse_session *se, uint64_t number, int error)
{
	tell(se, number, -error);
}
