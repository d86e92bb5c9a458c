/* Set-id bits, where the file systems below do not agree: a file that is cut
 * when it is empty already, and one that gets or loses an ACL. */
#include "confdefs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/secprobe.h"

#define NAME	"file"
#define ACCESS	"system.posix_acl_access"
#define ENTRIES 5
#define NO_ID	UINT32_MAX

/* An ACL as the kernel takes it: version 2, then tag, permissions, id. */
struct acl {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} e[ENTRIES];
};

static const struct acl for_a_user = {2,
				      {{1, 7, NO_ID},
				       {2, 7, USER},
				       {4, 7, NO_ID},
				       {0x10, 7, NO_ID},
				       {0x20, 7, NO_ID}}};
static const struct acl like_a_mode = {
	2, {{1, 7, NO_ID}, {4, 7, NO_ID}, {0x20, 7, NO_ID}}};

static int set_acl(const struct acl *a, size_t n)
{
	return setxattr(NAME, ACCESS, a,
			sizeof(*a) - (ENTRIES - n) * sizeof(*a->e), 0);
}

static int by_open_wronly(void *arg)
{
	return open(NAME, O_WRONLY | O_TRUNC) < 0 ? -1 : 0;
}

static int by_open_rdwr(void *arg)
{
	return open(NAME, O_RDWR | O_TRUNC) < 0 ? -1 : 0;
}

static int by_open_rdonly(void *arg)
{
	return open(NAME, O_RDONLY | O_TRUNC) < 0 ? -1 : 0;
}

static int by_truncate(void *arg)
{
	return truncate(NAME, 0);
}

static int by_ftruncate(void *arg)
{
	int fd = open(NAME, O_WRONLY);

	return fd < 0 ? -1 : ftruncate(fd, 0);
}

static int by_acl(void *arg)
{
	return set_acl(&for_a_user, ENTRIES);
}

static int by_acl_like_mode(void *arg)
{
	return set_acl(&like_a_mode, 3);
}

static int by_removing_acl(void *arg)
{
	return removexattr(NAME, ACCESS);
}

enum before { FULL, EMPTY, WITH_ACL };

static const char *const befores[] = {"full", "empty", "with an acl"};

static const struct {
	const char *name;
	int (*run)(void *);
	enum before befores[2];
} ways[] = {
	{"open-wronly", by_open_wronly, {FULL, EMPTY}},
	{"open-rdwr", by_open_rdwr, {FULL, EMPTY}},
	{"open-rdonly", by_open_rdonly, {FULL, EMPTY}},
	{"truncate", by_truncate, {FULL, EMPTY}},
	{"ftruncate", by_ftruncate, {FULL, EMPTY}},
	{"acl", by_acl, {FULL, WITH_ACL}},
	{"acl-like-mode", by_acl_like_mode, {FULL, WITH_ACL}},
	{"acl-remove", by_removing_acl, {FULL, WITH_ACL}},
};

static void probe_way(const struct caller *c, size_t way, mode_t mode,
		      enum before before)
{
	char after[80];

	make_file(NAME, OWNER, TEAM, mode);
	if (before == EMPTY)
		SETUP(!truncate(NAME, 0) && !chmod(NAME, mode));
	if (before == WITH_ACL) /* not everywhere */
		SETUP(!set_acl(&for_a_user, ENTRIES) || errno == EOPNOTSUPP);
	int e = as_caller(c, ways[way].run, NULL);
	printf("lower %s %s %05o %s: %s %s\n", c->name, ways[way].name, mode,
	       befores[before], error_word(e), look(NAME, after));
	SETUP(!unlink(NAME));
}

void probe_lower(void)
{
	/* one that its group may execute, and one where it is a lock */
	static const mode_t modes[] = {06777, 02767};

	SETUP(!chmod(".", 0777));
	for (const struct caller *c = callers; c->name; c++) {
		for (size_t w = 0; w < sizeof(ways) / sizeof(*ways); w++) {
			for (int k = 0; k < 4; k++)
				probe_way(c, w, modes[k / 2],
					  ways[w].befores[k % 2]);
		}
	}
}
