/*
 * What is looked at before anything is changed: replicas, as text and over
 * the network.
 */
#include "confdefs.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "cli/cli.h"
#include "clock.h"
#include "paths.h"
#include "sync.h"

#define PROBE_TIMEOUT_MS 10000
/* Of many that do not answer the others are left to sync, which says the same
 * in "status": systemd waits for a mount no longer than a minute. */
#define PROBES_NS (15 * NS_PER_S)

struct settings_replica *replica_parse(struct settings *s, const char *text)
{
	const char *equals = strchr(text, '=');
	CLEANUP_FREE char *name =
		strndup(text, equals ? (size_t)(equals - text) : 0);
	if (!equals || !settings_name_ok(name)) {
		fail_usage("\"%s\" is not NAME=URL, as in "
			   "web1=sftp://deploy@web1/var/www",
			   text);
		return NULL;
	}
	struct settings_replica *r = settings_replica(s, name);
	free(r->url);
	r->url = strdup(equals + 1);
	return r;
}

struct replica_row replica_row_from(const struct settings_replica *r)
{
	return (struct replica_row){.name = r->name,
				    .url = r->url,
				    .identity = r->identity,
				    .known_hosts = r->known_hosts,
				    .accept_new = r->accept_new,
				    .adopt = r->adopt,
				    .from_config = r->configured,
				    .given = r->options};
}

bool options_given(const struct option_list *list, struct replica_given *given)
{
	for (unsigned i = 0; i < list->n; i++) {
		CLEANUP_FREE char *why = NULL;
		if (replica_given_list(given, list->items[i], &why) < 0) {
			fail_usage("%s", why);
			return false;
		}
	}
	return true;
}

static bool is_this_host(const char *host)
{
	char self[256] = "";
	gethostname(self, sizeof(self) - 1);
	return !host || strcmp(host, "localhost") == 0 ||
	       strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
	       strcmp(host, self) == 0;
}

/* A replica must not lie in the tree, nor the tree in the replica: the one
 * would copy itself without end, the other would be deleted. */
static bool replica_is_apart(const struct settings_replica *r,
			     const struct remote_url *url, const char *root)
{
	if (!is_this_host(url->host))
		return true;
	CLEANUP_FREE char *real = realpath(url->path, NULL);
	const char *path = real ? real : url->path;
	if (path_is_below(path, root)) {
		fail("replica %s: %s lies inside the tree %s", r->name,
		     url->path, root);
		return false;
	}
	if (path_is_below(root, path) || strcmp(path, "/") == 0) {
		fail("replica %s: the tree %s lies inside %s", r->name, root,
		     url->path);
		return false;
	}
	return true;
}

/* readable - an option that names a file must name one. */
static bool readable(const struct settings_replica *r, const char *what,
		     const char *file)
{
	if (!file || access(file, R_OK) == 0)
		return true;
	fail("replica %s: cannot read the %s file %s", r->name, what, file);
	return false;
}

static struct sync_ahead *ahead;

const struct sync_ahead *preflight_ahead(void)
{
	return ahead;
}

struct sync_ahead *preflight_take(void)
{
	struct sync_ahead *list = ahead;
	ahead = NULL;
	return list;
}

void preflight_end(void)
{
	sync_ahead_end(preflight_take());
}

void preflight_forget(void)
{
	sync_ahead_forget(preflight_take());
}

/* out_of_time - too long was waited for others. */
static bool out_of_time(void)
{
	static int64_t end_ns;
	int64_t now = clock_mono_ns();
	if (!end_ns)
		end_ns = now + PROBES_NS;
	return now > end_ns;
}

bool preflight_replica(const struct settings_replica *r, const char *root,
		       const char *uuid, bool keep)
{
	struct remote_url url;
	const char *why;
	if (remote_url_parse(r->url, &url, &why) < 0) {
		fail("replica %s: %s", r->name, why);
		return false;
	}
	bool ok = replica_is_apart(r, &url, root) &&
		  readable(r, "identity", r->identity) &&
		  (r->accept_new || readable(r, "known-hosts", r->known_hosts));
	remote_url_done(&url);
	if (!ok)
		return false;
	if (out_of_time()) {
		fprintf(stderr,
			"mirrorfs: note: replica %s: not asked, as others do "
			"not answer; it is tried after the mount\n",
			r->name);
		return true;
	}
	const struct remote_config cfg = {.url = r->url,
					  .identity = r->identity,
					  .known_hosts = r->known_hosts,
					  .accept_new = r->accept_new,
					  .timeout_ms = PROBE_TIMEOUT_MS};
	struct remote_error err = {0};
	if (sync_probe(&cfg, uuid, r->adopt, keep ? &ahead : NULL, &err) == 0)
		return true;
	if (err.kind < REMOTE_REFUSED) {
		fprintf(stderr,
			"mirrorfs: note: replica %s: %s; it is tried again "
			"until it answers\n",
			r->name, err.text);
		return true;
	}
	fail("replica %s: %s", r->name, err.text);
	return false;
}
