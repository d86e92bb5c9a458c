/*
 * Is this the server that it says it is? Only a key that is in the known
 * hosts is taken; an unknown one only at first contact and only when asked
 * for; a changed one never.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "log.h"
#include "sync/remote/session.h"
#include "sync/remote/status.h"

/* libssh expands %x and a ~ in front; a path is a path. */
static char *unexpanded(const char *path)
{
	char *out = malloc(strlen(path) * 2 + 3), *o = out;
	if (!out)
		abort();
	if (*path == '~')
		o = stpcpy(o, "./");
	for (; *path; path++) {
		if (*path == '%')
			*o++ = '%';
		*o++ = *path;
	}
	*o = 0;
	return out;
}

void hostkey_set_files(struct session_setup *s)
{
	if (!s->cfg->known_hosts)
		return; /* libssh's defaults are those of ssh(1) */
	CLEANUP_FREE char *path = unexpanded(s->cfg->known_hosts);
	ssh_options_set(s->ssh, SSH_OPTIONS_KNOWNHOSTS, path);
	ssh_options_set(s->ssh, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
}

/* fingerprint - "ssh-ed25519 SHA256:…" of the server's key; owned by the
 * caller. */
static char *fingerprint(ssh_session ssh)
{
	ssh_key key = NULL;
	unsigned char *hash = NULL;
	size_t n = 0;
	char *print = NULL, *text = NULL;
	if (ssh_get_server_publickey(ssh, &key) == SSH_OK &&
	    ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash,
				   &n) == 0)
		print = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256,
						 hash, n);
	if (asprintf(&text, "%s %s",
		     key ? ssh_key_type_to_char(ssh_key_type(key)) : "",
		     print ? print : "(no fingerprint)") < 0)
		abort();
	if (hash)
		ssh_clean_pubkey_hash(&hash);
	ssh_string_free_char(print);
	ssh_key_free(key);
	return text;
}

static const char *known_hosts_name(const struct session_setup *s)
{
	return s->cfg->known_hosts ? s->cfg->known_hosts : "~/.ssh/known_hosts";
}

/* mend_last_line - a file that was edited by hand may lack the newline that
 * the appended line needs. */
static void mend_last_line(const char *path)
{
	CLEANUP_CLOSE int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
	char last = '\n';
	if (fd < 0 || lseek(fd, -1, SEEK_END) < 0 || read(fd, &last, 1) != 1 ||
	    last == '\n')
		return;
	ssize_t n = write(fd, "\n", 1);
	(void)n; /* then the store below fails, and says so */
}

static int learn(struct session_setup *s, const char *print)
{
	char *path = NULL;
	if (ssh_options_get(s->ssh, SSH_OPTIONS_KNOWNHOSTS, &path) == SSH_OK) {
		mend_last_line(path);
		ssh_string_free_char(path);
	}
	/* libssh does not notice a full disk: look whether it is there */
	if (ssh_session_update_known_hosts(s->ssh) != SSH_OK ||
	    ssh_session_is_known_server(s->ssh) != SSH_KNOWN_HOSTS_OK)
		return status_fail(s->err, REMOTE_HOSTKEY_UNKNOWN,
			"cannot store the host key of %s in %s: %s",
			s->url->host, known_hosts_name(s),
			ssh_get_error(s->ssh));
	log_notice("new host key: host=%s port=%u key=\"%s\" file=%s",
		   s->url->host, s->url->port, print, known_hosts_name(s));
	return 0;
}

static int unknown(struct session_setup *s, const char *print)
{
	return status_fail(s->err, REMOTE_HOSTKEY_UNKNOWN,
		"the host key of %s port %u is not known (it offers %s): "
		"compare it with the server's own and add it to %s, for "
		"example with ssh-keyscan -p %u %s, or use --accept-new",
		s->url->host, s->url->port, print, known_hosts_name(s),
		s->url->port, s->url->host);
}

static int changed(struct session_setup *s, const char *print)
{
	return status_fail(s->err, REMOTE_HOSTKEY_CHANGED,
		"the host key of %s port %u has CHANGED (it offers %s): "
		"somebody may sit in between. If the server was installed "
		"anew, remove the old key from %s (ssh-keygen -R) and add the "
		"new one", s->url->host, s->url->port, print,
		known_hosts_name(s));
}

int hostkey_check(struct session_setup *s)
{
	enum ssh_known_hosts_e known = ssh_session_is_known_server(s->ssh);
	if (known == SSH_KNOWN_HOSTS_OK)
		return 0;
	CLEANUP_FREE char *print = fingerprint(s->ssh);
	switch (known) {
	case SSH_KNOWN_HOSTS_NOT_FOUND:
	case SSH_KNOWN_HOSTS_UNKNOWN:
		return s->cfg->accept_new ? learn(s, print)
					  : unknown(s, print);
	case SSH_KNOWN_HOSTS_CHANGED:
	case SSH_KNOWN_HOSTS_OTHER:
		return changed(s, print);
	default:
		return status_fail(s->err, REMOTE_HOSTKEY_UNKNOWN,
			"cannot check the host key of %s: %s", s->url->host,
			ssh_get_error(s->ssh));
	}
}
