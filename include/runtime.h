/* layer: base */
#ifndef MIRRORFS_RUNTIME_H
#define MIRRORFS_RUNTIME_H

/*
 * Where living mounts are found: a folder /run/mirrorfs/NAME for each, with
 * `lock` (held by the supervisor), `info` (root, state folder, pid), `control`
 * (its socket), and perhaps `log`. One line asked on the socket, one line
 * answered:
 *
 *   status  {"supervisor_pid":…,"worker_pid":…,"sync_pid":…,"last_seq":…}
 *   wake    the list of replicas has changed           → ok
 *   stop    unmount and end → ok, or "error …" (then nothing has changed)
 *   upgrade FILE  the children run FILE from now on → ok, or "error …"
 */

#include <stdbool.h>
#include <sys/types.h>

struct runtime_info {
	char *name;
	char *root;
	char *state_dir;
	pid_t pid;
	bool alive; /* its supervisor runs */
};

void runtime_info_done(struct runtime_info *info);
/* runtime_list - all, dead ones too; array and members owned by the caller. */
int runtime_list(struct runtime_info **ret, unsigned *ret_n);

/*
 * runtime_claim - make the folder and take its lock, which lasts as long as
 * this process and its forks. Returns the lock's descriptor (close-on-exec),
 * or a negative errno: -EBUSY when a living supervisor has it.
 */
int runtime_claim(const char *name);
int runtime_publish(const char *name, const char *root, const char *state_dir);
/* runtime_listen - the control socket, mode 0600. */
int runtime_listen(const char *name);
/* runtime_log - where to log what the state folder cannot take; owned by the
 * caller. */
char *runtime_log(const char *name);
/* runtime_withdraw - remove the folder's files. */
void runtime_withdraw(const char *name);

#define RUNTIME_SOON_MS 5000  /* it answers at once */
#define RUNTIME_LATE_MS 90000 /* it has to do something first */

/*
 * runtime_ask - send `line`, wait for the answer.
 * Returns 0 with the answer in *ret (owned by the caller, no newline), or a
 * negative errno: -ENOTCONN when nobody listens, -ETIMEDOUT when no answer
 * comes within limit_ms. What changes the mount (stop, upgrade) is not done for
 * one who has given up.
 */
int runtime_ask(const char *name, const char *line, int limit_ms, char **ret);

#endif
