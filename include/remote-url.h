/* layer: remote */
#ifndef MIRRORFS_REMOTE_URL_H
#define MIRRORFS_REMOTE_URL_H

/* Where a replica is. */

struct remote_url {
	char *user; /* NULL: none given */
	char *host; /* NULL: a local folder */
	unsigned port;
	char *path; /* absolute, normalised */
};
/*
 * remote_url_parse - "sftp://[user@]host[:port]/path" (IPv6 in brackets,
 * %XX in user and path) or "/path".
 * Returns 0, or -EINVAL with a line for the user in *ret_why (static).
 * A password in the URL is refused.
 */
int remote_url_parse(const char *text, struct remote_url *ret,
		     const char **ret_why);
void remote_url_done(struct remote_url *url);

#endif
