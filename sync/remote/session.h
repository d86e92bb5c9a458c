/* layer: remote */
#ifndef MIRRORFS_REMOTE_SESSION_H
#define MIRRORFS_REMOTE_SESSION_H

/*
 * An SSH session while it is set up: connect, host key, login, subsystem. The
 * session never blocks inside libssh; each step is a call that says "again"
 * until it is done, and session_wait between the tries.
 */

#include <stdbool.h>
#include <stdint.h>

#include <libssh/libssh.h>

#include "remote.h"

struct session_setup {
	ssh_session ssh;
	const struct remote_url *url;
	const struct remote_config *cfg;
	int timeout_ms;
	int64_t end;             /* of the step, on the monotonic clock */
	bool agent_silent;       /* it was tried, and did not answer in time */
	struct remote_error *err;
};

/* session_step - a new step begins, and has the whole time-out. */
void session_step(struct session_setup *s);

/* session_wait - sleep until the session may go on. Returns whether there is
 * time left, and a peer: libssh says "again" of an ended session, too; and
 * nobody has told us to stop. */
bool session_wait(struct session_setup *s);

/* session_why - libssh's words for the newest failure, borrowed; *ret_by_peer:
 * they are the server's, who ended the session. (libssh's own call for them
 * answers only in a state in which it never is.) */
const char *session_why(ssh_session ssh, bool *ret_by_peer);

/* hostkey_set_files - before connecting: which files hold known keys. */
void hostkey_set_files(struct session_setup *s);
/* hostkey_check - the key that the server has proved to own is one that we
 * know, or may learn now. Returns 0, or -1 with *s->err filled. */
int hostkey_check(struct session_setup *s);

/* agent_is_there - SSH_AUTH_SOCK names one. agent_try - its keys, within one
 * step; returns as ssh_userauth_agent. */
bool agent_is_there(void);
int agent_try(struct session_setup *s);

/* auth_login - by key; never by password. Returns 0, or -1 with *s->err
 * filled. */
int auth_login(struct session_setup *s);

#endif
