/* Paths as text. Nothing here looks at the disk. */
#include "confdefs.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "paths.h"

static char *path_format(const char *a, size_t n, const char *sep,
			 const char *b)
{
	char *s = malloc(n + strlen(sep) + strlen(b) + 1);
	if (!s)
		abort();
	memcpy(s, a, n);
	strcpy(s + n, sep);
	strcat(s + n, b);
	return s;
}

char *path_escape(const char *absolute)
{
	char *out = malloc(strlen(absolute) * 4 + 2), *o = out;
	if (!out)
		abort();
	const char *p = absolute;
	while (*p == '/')
		p++;
	if (!*p)
		*o++ = '-';
	for (bool first = true; *p; p++, first = false) {
		unsigned char c = (unsigned char)*p;
		if (c == '/') {
			while (p[1] == '/')
				p++;
			if (p[1])
				*o++ = '-';
		} else if (isascii(c) && (isalnum(c) || c == '_' || c == ':' ||
					  (c == '.' && !first))) {
			*o++ = (char)c;
		} else {
			o += sprintf(o, "\\x%02x", c);
		}
	}
	*o = 0;
	return out;
}

char *path_join(const char *dir, const char *name)
{
	return path_format(dir, strlen(dir), *dir ? "/" : "", name);
}

size_t path_parent_len(const char *path, size_t len)
{
	while (len > 0 && path[len - 1] != '/')
		len--;
	return len > 0 ? len - 1 : 0;
}

char *path_parent(const char *path)
{
	return path_format(path, path_parent_len(path, strlen(path)), "", "");
}

const char *path_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

bool path_is_long(const char *path)
{
	return strlen(path) >= PATH_LONG;
}

bool path_is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);
	if (n == 0)
		return true;
	return strncmp(path, dir, n) == 0 && (path[n] == 0 || path[n] == '/');
}

bool path_related(const char *a, const char *b)
{
	return path_is_below(a, b) || path_is_below(b, a);
}

char *path_rebase(const char *path, const char *from, const char *to)
{
	const char *rest = path + strlen(from);
	while (*rest == '/')
		rest++;
	return *rest ? path_join(to, rest)
		     : path_format(to, strlen(to), "", "");
}

bool path_is_reserved(const char *path)
{
	return path_is_below(path, RESERVED_NAME);
}

char *path_normalise(const char *path, const char *cwd)
{
	char *in = *path == '/' ? path_format(path, strlen(path), "", "")
				: path_format(cwd, strlen(cwd), "/", path);
	char *out = malloc(strlen(in) + 2);
	if (!out)
		abort();
	size_t n = 0;
	char *save = NULL;
	for (char *part = strtok_r(in, "/", &save); part;
	     part = strtok_r(NULL, "/", &save)) {
		if (strcmp(part, ".") == 0)
			continue;
		if (strcmp(part, "..") == 0) {
			while (n > 0 && out[--n] != '/')
				;
			continue;
		}
		out[n++] = '/';
		memcpy(out + n, part, strlen(part));
		n += strlen(part);
	}
	if (n == 0)
		out[n++] = '/';
	out[n] = 0;
	free(in);
	return out;
}
