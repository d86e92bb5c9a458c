/*
 * Who we are, proved by keys only: the one that was named, or the agent's,
 * then those that ssh(1) would take. Nothing asks for a passphrase, and no
 * key or passphrase is ever in a message.
 */
#include "confdefs.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "sync/remote/session.h"
#include "sync/remote/status.h"

enum key_state { KEY_OK, KEY_MISSING, KEY_UNREADABLE, KEY_LOCKED };

/* Called when a key has a passphrase, which nobody is there to type. */
static int note_locked(const char *prompt, char *buf, size_t len, int echo,
		       int verify, void *arg)
{
	*(bool *)arg = true;
	return -1;
}

static enum key_state load_key(const char *path, ssh_key *ret)
{
	bool locked = false;
	if (access(path, R_OK) < 0)
		return errno == ENOENT ? KEY_MISSING : KEY_UNREADABLE;
	if (ssh_pki_import_privkey_file(path, NULL, note_locked, &locked,
					ret) == SSH_OK)
		return KEY_OK;
	return locked ? KEY_LOCKED : KEY_UNREADABLE;
}

static char *user_name(struct session_setup *s)
{
	char *name = NULL;
	ssh_options_get(s->ssh, SSH_OPTIONS_USER, &name);
	return name;
}

/* ---- one try ---- */

static int try_key(struct session_setup *s, ssh_key key)
{
	int r;
	session_step(s);
	do
		r = ssh_userauth_publickey(s->ssh, NULL, key);
	while (r == SSH_AUTH_AGAIN && session_wait(s));
	return r;
}

/* ---- what a try has brought ---- */

/* hung_up - the session has ended: by the server, which had enough, or by
 * the network. */
static int hung_up(struct session_setup *s)
{
	bool by_peer;
	const char *why = session_why(s->ssh, &by_peer);
	if (by_peer)
		return status_fail(s->err, REMOTE_AUTH,
			"%s ended the login: %s; name the right key with "
			"--identity", s->url->host, why);
	return status_fail(s->err, REMOTE_UNREACHABLE,
			   "the connection to %s was lost at the login: %s",
			   s->url->host, why);
}

/* outcome - 1 logged in, 0 try the next key, -1 it is over. */
static int outcome(struct session_setup *s, int r)
{
	if (r == SSH_AUTH_SUCCESS)
		return 1;
	if (!ssh_is_connected(s->ssh))
		return hung_up(s);
	if (r == SSH_AUTH_AGAIN)
		return status_fail(s->err, REMOTE_UNREACHABLE,
			"%s did not finish the login in time", s->url->host);
	if (r == SSH_AUTH_PARTIAL)
		return status_fail(s->err, REMOTE_AUTH,
			"%s wants more than a key at the login: allow this "
			"user to log in by key alone", s->url->host);
	return 0;
}

static int denied(struct session_setup *s, const char *what)
{
	char *user = user_name(s);
	status_fail(s->err, REMOTE_AUTH,
		"%s did not accept %s for user %s: %sadd the public key to "
		"~/.ssh/authorized_keys of that user there", s->url->host,
		what, user ? user : "?",
		s->agent_silent ? "the agent does not answer; " : "");
	ssh_string_free_char(user);
	return -1;
}

/* ---- which keys ---- */

static int login_locked(struct session_setup *s, const char *path)
{
	if (!agent_is_there())
		return status_fail(s->err, REMOTE_AUTH,
			"the key %s has a passphrase: load it into an agent "
			"(ssh-add, SSH_AUTH_SOCK) or use a key without one",
			path);
	int got = outcome(s, agent_try(s));
	return got ? got : denied(s, "any key of the agent (the named key has "
				     "a passphrase)");
}

static int login_named(struct session_setup *s, const char *path)
{
	ssh_key key = NULL;
	switch (load_key(path, &key)) {
	case KEY_OK:
		break;
	case KEY_LOCKED:
		return login_locked(s, path);
	case KEY_MISSING:
		return status_fail(s->err, REMOTE_AUTH,
				   "the key %s does not exist", path);
	default:
		return status_fail(s->err, REMOTE_AUTH,
			"the key %s cannot be read or is no private key", path);
	}
	int got = outcome(s, try_key(s, key));
	ssh_key_free(key);
	if (got)
		return got;
	CLEANUP_FREE char *what = NULL;
	if (asprintf(&what, "the key %s", path) < 0)
		abort();
	return denied(s, what);
}

static char *default_key(const char *name)
{
	const char *home = getenv("HOME");
	struct passwd *pw = home && *home ? NULL : getpwuid(getuid());
	char *path = NULL;
	if (pw)
		home = pw->pw_dir;
	if (asprintf(&path, "%s/.ssh/%s", home ? home : "", name) < 0)
		abort();
	return path;
}

static int login_defaults(struct session_setup *s)
{
	static const char *const names[] = {"id_ed25519", "id_ecdsa", "id_rsa"};
	bool locked = false, tried = agent_is_there();
	int got = tried ? outcome(s, agent_try(s)) : 0;
	for (size_t i = 0; got == 0 && i < sizeof(names) / sizeof(*names);
	     i++) {
		CLEANUP_FREE char *path = default_key(names[i]);
		ssh_key key = NULL;
		enum key_state state = load_key(path, &key);
		locked = locked || state == KEY_LOCKED;
		if (state != KEY_OK)
			continue;
		tried = true;
		got = outcome(s, try_key(s, key));
		ssh_key_free(key);
	}
	if (got)
		return got;
	if (tried)
		return denied(s, "any of our keys (agent, ~/.ssh/id_*)");
	return status_fail(s->err, REMOTE_AUTH, locked ?
		"the keys in ~/.ssh have passphrases: load one into an agent "
		"(ssh-add, SSH_AUTH_SOCK) or name one without (--identity)" :
		"there is no key to log in with: no agent and none of "
		"~/.ssh/id_ed25519, id_ecdsa, id_rsa; name one with "
		"--identity");
}

int auth_login(struct session_setup *s)
{
	int got = s->cfg->identity ? login_named(s, s->cfg->identity)
				   : login_defaults(s);
	return got > 0 ? 0 : -1;
}
