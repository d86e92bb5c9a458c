/* layer: remote */
#ifndef MIRRORFS_REMOTE_H
#define MIRRORFS_REMOTE_H

/*
 * A replica as an SFTP server: our own client for SFTP version 3 with
 * OpenSSH's extensions, pipelined, over a libssh channel or over a pipe to a
 * local sftp-server.
 *
 * One thread owns a `struct remote`, with everything inside (a libssh session
 * belongs to one thread). Requests are sent without waiting; each calls its
 * `done` function once, from remote_pump, with the reply, or with -ENOTCONN
 * when the connection ended. `done` may send more requests; it must not pump.
 * The server handles requests in the order in which they were sent, and goes
 * on after a failed one: never send what depends on an unacknowledged write.
 *
 * Errors of the server, as negative errno: -ENOENT (no such file),
 * -EACCES (permission denied), -EINVAL (bad message), -EOPNOTSUPP,
 * -EREMOTEIO ("failure": exists, not empty, no space … SFTP does not tell),
 * -ENOTCONN (connection lost), -ENODATA (end of file or of a listing).
 *
 * Paths on the wire are the replica's base path and a tree path; all calls
 * here take tree paths. "" is the replica's root.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote-url.h"

struct remote_config {
	const char *url;
	const char *identity;    /* private key file; NULL: agent, default keys */
	const char *known_hosts; /* NULL: ~/.ssh/known_hosts, then system's */
	bool accept_new;         /* store an unknown host key (never a changed one) */
	int timeout_ms;          /* connect, authenticate, and silence later;
				  * 0: 30 s */
	int stop_fd; /* > 0: borrowed; readable: the connection is lost */
};

/* Why a connection could not be had. From REMOTE_REFUSED on, trying again
 * does not help: the administrator must do something. */
enum remote_failure {
	REMOTE_OK,
	REMOTE_UNREACHABLE, /* network, no sshd, time-out */
	REMOTE_LOST,        /* the connection ended */
	REMOTE_REFUSED,     /* from here on */
	REMOTE_BAD_URL = REMOTE_REFUSED,
	REMOTE_HOSTKEY_UNKNOWN,
	REMOTE_HOSTKEY_CHANGED,
	REMOTE_AUTH,
	REMOTE_NO_SFTP,
	REMOTE_PATH_MISSING,
	REMOTE_NOT_WRITABLE,
	REMOTE_NOT_EMPTY,   /* and not ours: needs adopt */
	REMOTE_FOREIGN,     /* belongs to another journal */
	REMOTE_OWNERS,      /* cannot have the owners that were asked for */
};
struct remote_error {
	enum remote_failure kind;
	char text[512]; /* one line for the administrator: what and what to do */
};

enum remote_ext {
	EXT_POSIX_RENAME = 1 << 0,
	EXT_HARDLINK = 1 << 1,
	EXT_FSYNC = 1 << 2,
	EXT_LSETSTAT = 1 << 3,
	EXT_LIMITS = 1 << 4,
	EXT_COPY_DATA = 1 << 5,
	EXT_STATVFS = 1 << 6,
	EXT_USERS_GROUPS = 1 << 7,
};

struct remote_caps {
	uint32_t ext;         /* enum remote_ext: the server has announced them */
	uint32_t write_bytes; /* data in one WRITE at most */
	uint32_t read_bytes;
	uint32_t handles;     /* open at once at most */
};

struct remote;
/*
 * remote_open - connect, check the host key, log in, start SFTP, negotiate.
 * Blocks up to cfg->timeout_ms for each step. The base path is not touched.
 * Returns 0, or -1 with *err filled.
 */
int remote_open(const struct remote_config *cfg, struct remote **ret,
		struct remote_error *err);
/* remote_close - hangs up; requests still under way get -ENOTCONN. */
void remote_close(struct remote *r);
const struct remote_caps *remote_caps(const struct remote *r);
/* remote_is_local - over a pipe, not over the network. */
bool remote_is_local(const struct remote *r);
/* remote_set_root - tree paths start at this one now, which leads back to the
 * root (sync/visit.c), for all connections of a visit; NULL: at the root. */
void remote_set_root(struct remote *r, const char *path);
/* remote_without - of these extensions (enum remote_ext) the server has
 * announced what it refuses: they are as if they were missing. */
void remote_without(struct remote *r, uint32_t ext);
/* remote_swap_symlink - it has the arguments of SYMLINK as the draft has them,
 * not as OpenSSH. */
void remote_swap_symlink(struct remote *r, bool swap);
/* remote_give_up - as if the connection were lost. */
void remote_give_up(struct remote *r, const char *why);

/* What a server says of a file and is told. Times are seconds. */
enum remote_attr_flag {
	ATTR_SIZE = 1,
	ATTR_OWNER = 2,
	ATTR_MODE = 4,
	ATTR_TIMES = 8,
};
struct remote_attr {
	uint32_t flags;
	uint64_t size;
	uint32_t uid, gid;
	uint32_t mode; /* with the type bits when it comes from a server */
	uint32_t atime, mtime;
	uint32_t links; /* hard links; 0: not told */
};

/* What STATVFS tells of the file system that holds a path. */
struct remote_space {
	uint64_t avail_bytes;  /* f_bavail × f_frsize */
	uint64_t free_bytes;   /* f_bfree × f_frsize: root may use that */
	uint64_t avail_inodes;
	uint64_t inodes;       /* 0: they are not counted there */
	uint64_t fsid;
	uint64_t name_max;     /* bytes */
	bool read_only;
};

struct remote_entry {
	char *name;
	struct remote_attr attr; /* of the link itself */
};
struct remote_reply {
	int status;               /* 0, or a negative errno as above */
	const uint8_t *handle;    /* OPEN, OPENDIR: borrowed, */
	uint32_t handle_len;      /*   remote_keep_handle copies it */
	const struct remote_attr *attr; /* STAT, LSTAT, FSTAT */
	const uint8_t *data;      /* READ: borrowed */
	uint32_t data_len;
	const char *text;         /* READLINK, REALPATH: borrowed */
	struct remote_entry *entries; /* READDIR: borrowed, without . and .. */
	uint32_t n_entries;
	const struct remote_space *space; /* STATVFS */
	char **names[2];          /* NAMES: users, groups; "": not known */
	uint32_t n_names[2];
};
typedef void remote_done_fn(void *arg, const struct remote_reply *reply);
struct remote_handle {
	uint32_t len;
	uint8_t bytes[256];
};
void remote_keep_handle(const struct remote_reply *reply,
			struct remote_handle *ret);

enum remote_open_flag {
	RO_READ = 1, RO_WRITE = 2, RO_APPEND = 4,
	RO_CREATE = 8, RO_TRUNC = 16, RO_EXCL = 32,
};

/* Each sends one request and returns at once; fn (or NULL) is called once. */
void remote_send_open(struct remote *r, const char *path, uint32_t flags,
		      uint32_t mode, remote_done_fn *fn, void *arg);
void remote_send_close(struct remote *r, const struct remote_handle *h,
		       remote_done_fn *fn, void *arg);
void remote_send_read(struct remote *r, const struct remote_handle *h,
		      uint64_t off, uint32_t len, remote_done_fn *fn, void *arg);
/* `data` is copied. len ≤ caps.write_bytes. */
void remote_send_write(struct remote *r, const struct remote_handle *h,
		       uint64_t off, const void *data, uint32_t len,
		       remote_done_fn *fn, void *arg);
void remote_send_lstat(struct remote *r, const char *path,
		       remote_done_fn *fn, void *arg);
void remote_send_fsetstat(struct remote *r, const struct remote_handle *h,
			  const struct remote_attr *a,
			  remote_done_fn *fn, void *arg);
/* follows links */
void remote_send_setstat(struct remote *r, const char *path,
			 const struct remote_attr *a,
			 remote_done_fn *fn, void *arg);
/* the link itself; -EOPNOTSUPP without EXT_LSETSTAT */
void remote_send_lsetstat(struct remote *r, const char *path,
			  const struct remote_attr *a,
			  remote_done_fn *fn, void *arg);
void remote_send_mkdir(struct remote *r, const char *path, uint32_t mode,
		       remote_done_fn *fn, void *arg);
void remote_send_rmdir(struct remote *r, const char *path,
		       remote_done_fn *fn, void *arg);
void remote_send_remove(struct remote *r, const char *path,
			remote_done_fn *fn, void *arg);
/* replaces the target (posix-rename); without the extension it is RENAME and,
 * when the target is in the way, REMOVE and RENAME, which is not atomic */
void remote_send_rename(struct remote *r, const char *from, const char *to,
			remote_done_fn *fn, void *arg);
void remote_send_link(struct remote *r, const char *old, const char *path,
		      remote_done_fn *fn, void *arg);
void remote_send_symlink(struct remote *r, const char *target,
			 const char *path, remote_done_fn *fn, void *arg);
void remote_send_readlink(struct remote *r, const char *path,
			  remote_done_fn *fn, void *arg);
void remote_send_opendir(struct remote *r, const char *path,
			 remote_done_fn *fn, void *arg);
void remote_send_readdir(struct remote *r, const struct remote_handle *h,
			 remote_done_fn *fn, void *arg);
void remote_send_fsync(struct remote *r, const struct remote_handle *h,
		       remote_done_fn *fn, void *arg);
/* by the server; len > 0. What is missing in `from` is not copied, and that is
 * no error (seen with OpenSSH 9.2). */
void remote_send_copy_data(struct remote *r, const struct remote_handle *from,
			   uint64_t off, uint64_t len,
			   const struct remote_handle *to,
			   remote_done_fn *fn, void *arg);
/* names of numbers (users-groups-by-id) */
void remote_send_names(struct remote *r, const uint32_t *users,
		       uint32_t n_users, const uint32_t *groups,
		       uint32_t n_groups, remote_done_fn *fn, void *arg);
void remote_send_statvfs(struct remote *r, const char *path,
			 remote_done_fn *fn, void *arg);

/* The window. Senders of bulk data look here first and pump while it is
 * closed; small requests may always be sent. */
bool remote_window_open(struct remote *r);
/* remote_set_rate - no more content than so many bytes a second; 0: any. */
void remote_set_rate(struct remote *r, uint64_t bytes);
/* remote_pace_ms - how long until more content may go, a second at most. */
int remote_pace_ms(struct remote *r);
/* The same for pieces of large files, of which no more are under way than keep
 * the wire busy; bytes that such a piece should have. */
bool remote_bulk_open(struct remote *r);
uint32_t remote_bulk_chunk(const struct remote *r);
/* remote_round_trip_ns - the shortest that was seen lately; 0: not known. */
int64_t remote_round_trip_ns(const struct remote *r);
/* remote_pending - requests without a reply; _written - bytes of content. */
uint64_t remote_written(const struct remote *r);
unsigned remote_pending(const struct remote *r);

/*
 * remote_pump - send what is buffered, read what is there, call `done`
 * functions. Sleeps up to `timeout_ms` (-1: the configured time-out of
 * silence) when nothing can move; also wakes when `wake_fd` (or -1) becomes
 * readable, which it leaves unread. Raises no SIGPIPE.
 * A connection with requests under way dies when the peer gives no sign of
 * life for the configured time-out. A server that lives but does not answer (it
 * lists a large folder), and a local one, are given ten times as long, and
 * sixty times while it is asked to sync or copy a file.
 * Returns the number of replies handled (0: time-out or wake-up), or
 * -ENOTCONN: the connection is dead, all `done` functions were called, only
 * remote_close is left. remote_why() says why.
 */
int remote_pump(struct remote *r, int timeout_ms, int wake_fd);
const char *remote_why(const struct remote *r);

/* remote_keepalive - for an idle connection: a dead peer is then found. */
void remote_keepalive(struct remote *r);
#endif
