/* The configuration file: any text is read, or refused with one line. */
#include "confdefs.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cleanup.h"
#include "settings.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *why = NULL;
	CLEANUP_CLOSE int fd = memfd_create("settings", MFD_CLOEXEC);
	struct settings s;
	char path[64];

	FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	settings_init(&s);
	int r = settings_load(&s, path, &why);
	FUZZ_CHECK(r == 0 || (why && *why && !strchr(why, '\n')));
	for (unsigned i = 0; r == 0 && i < s.n_replicas; i++)
		FUZZ_CHECK(settings_name_ok(s.replicas[i].name));
	settings_done(&s);
	return 0;
}

static const char *const seeds[] = {
	"[mount]\nroot = /srv/www\nstate-dir = /var/lib/x\nhistory = 90d\n"
	"settle-idle = 300\nsettle-age = 1h\ndelta-above = 1M\n",
	"; a comment\n[mount]\nroot=/a b\n[replica web1]\n"
	"url = sftp://root@web1:22/srv/www\naccept-new = yes\n",
	"[replica web2]\nurl = /mnt/copy\nidentity = ~/.ssh/id\n"
	"known-hosts = /etc/hosts\n[replica web3]\nurl=\n",
	"[mount]\njournal = required\nwithout = passthrough\nowner = ignore\n",
	"[mount\nroot\n = x\n[]\n[replica ]\n[replica ../x]\nurl = sftp://\n",
	"\xef\xbb\xbf[mount]\n  continued\nhistory = 99999999999999999999y\n",
};

bool fuzz_seed(unsigned n, struct buf *out)
{
	const unsigned count = sizeof(seeds) / sizeof(*seeds);

	buf_put(out, seeds[n % count], strlen(seeds[n % count]));
	return n < count;
}
