/* Where a replica is, as the administrator wrote it. */
#include "confdefs.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "paths.h"
#include "remote.h"

#define SCHEME       "sftp://"
#define DEFAULT_PORT 22

static int refuse(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EINVAL;
}

static char *copy_part(const char *s, size_t n)
{
	char *copy = strndup(s, n);
	if (!copy)
		abort();
	return copy;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* percent_decode - in place; -EINVAL for a bad %XX or a NUL. */
static int percent_decode(char *s)
{
	char *to = s;
	for (; *s; s++) {
		if (*s != '%') {
			*to++ = *s;
			continue;
		}
		int hi = hex_digit(s[1]);
		int lo = hi < 0 ? -1 : hex_digit(s[2]);
		if (lo < 0 || (hi | lo) == 0)
			return -EINVAL;
		*to++ = (char)(hi << 4 | lo);
		s += 2;
	}
	*to = 0;
	return 0;
}

static int parse_user(struct remote_url *u, const char *s, size_t n,
		      const char **ret_why)
{
	if (memchr(s, ':', n))
		return refuse(ret_why, "a URL must not hold a password: use a "
				       "key (--identity) or an agent");
	u->user = copy_part(s, n);
	if (percent_decode(u->user) < 0)
		return refuse(ret_why, "bad %XX in the user of the URL");
	for (const char *p = u->user; *p; p++)
		if (iscntrl((unsigned char)*p))
			return refuse(ret_why, "control character in the user "
					       "of the URL");
	if (!*u->user || *u->user == '-')
		return refuse(ret_why, "the user of the URL is empty or "
				       "starts with \"-\"");
	return 0;
}

static int parse_port(struct remote_url *u, const char *s, const char *end,
		      const char **ret_why)
{
	unsigned port = 0;
	for (; s < end && isdigit((unsigned char)*s) && port <= 65535; s++)
		port = port * 10 + (unsigned)(*s - '0');
	if (s != end || port == 0 || port > 65535)
		return refuse(ret_why, "the port of the URL is not a number "
				       "from 1 to 65535");
	u->port = port;
	return 0;
}

/* parse_host - "host", "host:port", "[v6]", "[v6]:port" in [s, end). */
static int parse_host(struct remote_url *u, const char *s, const char *end,
		      const char **ret_why)
{
	static const char name_bytes[] = "abcdefghijklmnopqrstuvwxyz"
					 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "0123456789._-";
	static const char v6_bytes[] = "0123456789abcdefABCDEF:.";
	bool v6 = s < end && *s == '[';
	s += v6;
	size_t n = strspn(s, v6 ? v6_bytes : name_bytes);
	/* a zone, as in fe80::1%eth0 */
	if (v6 && s[n] == '%')
		n += 1 + strspn(s + n + 1, name_bytes);
	if (n == 0 || *s == '-' || *s == '.')
		return refuse(ret_why, "the URL has no valid host");
	u->host = copy_part(s, n);
	s += n;
	if (v6 && *s++ != ']')
		return refuse(ret_why, "the URL has no valid IPv6 address in "
				       "brackets");
	u->port = DEFAULT_PORT;
	if (s == end)
		return 0;
	if (*s != ':')
		return refuse(ret_why, "the URL has no valid host");
	return parse_port(u, s + 1, end, ret_why);
}

static int parse_sftp(struct remote_url *u, const char *s,
		      const char **ret_why)
{
	const char *path = strchr(s, '/');
	if (!path)
		return refuse(ret_why, "the URL has no path: "
				       "sftp://[user@]host[:port]/path");
	const char *at = memrchr(s, '@', (size_t)(path - s));
	int r = at ? parse_user(u, s, (size_t)(at - s), ret_why) : 0;
	if (r == 0)
		r = parse_host(u, at ? at + 1 : s, path, ret_why);
	if (r < 0)
		return r;
	CLEANUP_FREE char *decoded = copy_part(path, strlen(path));
	if (percent_decode(decoded) < 0)
		return refuse(ret_why, "bad %XX in the path of the URL");
	u->path = path_normalise(decoded, "/");
	return 0;
}

int remote_url_parse(const char *text, struct remote_url *ret,
		     const char **ret_why)
{
	struct remote_url u = {0};
	int r = 0;
	if (strncmp(text, SCHEME, strlen(SCHEME)) == 0)
		r = parse_sftp(&u, text + strlen(SCHEME), ret_why);
	else if (*text == '/')
		u.path = path_normalise(text, "/");
	else
		r = refuse(ret_why, "a replica is sftp://[user@]host[:port]/"
				    "path or an absolute /path");
	if (r < 0) {
		remote_url_done(&u);
		return r;
	}
	*ret = u;
	return 0;
}

void remote_url_done(struct remote_url *url)
{
	free(url->user);
	free(url->host);
	free(url->path);
	*url = (struct remote_url){0};
}
