/* Addresses of replicas, and what is saved on one. */
#include "confdefs.h"

#include <string.h>

#include "cleanup.h"
#include "remote.h"
#include "sync/engine.h"
#include "tests/fuzz/fuzz.h"

static void parse_url(const char *text)
{
	struct remote_url url;
	const char *why = NULL;

	if (remote_url_parse(text, &url, &why) < 0) {
		FUZZ_CHECK(why && *why);
		return;
	}
	FUZZ_CHECK(url.path && *url.path == '/');
	FUZZ_CHECK(!url.host || (*url.host && *url.host != '-' &&
				 url.port > 0 && url.port < 65536));
	FUZZ_CHECK(!strstr(url.path, "/../") && !strstr(url.path, "//"));
	remote_url_done(&url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *text = fuzz_text(data, size);
	struct stage_state state = {0};

	parse_url(text);
	if (stage_state_parse(text, &state) == 0)
		FUZZ_CHECK(memchr(state.uuid, 0, sizeof(state.uuid)));
	return 0;
}

static const char *const seeds[] = {
	"sftp://root@web1.example:2222/srv/www",
	"sftp://[2001:db8::1]:22/a/../b//c/",
	"sftp://us%40er@host/%2fpath%20x%",
	"sftp://user:secret@host/",
	"sftp://host",
	"/local/folder",
	"relative",
	"sftp://-oProxyCommand=x/",
	"sftp://host:0/ sftp://host:99999/",
	"uuid=01234567-89ab-cdef-0123-456789abcdef\nseq=123456789012\n",
	"uuid=0123456789012345678901234567890123456789012345\nseq=-1\n",
	"uuid=\nseq=\n",
	"uuid=01234567-89ab-cdef-0123-456789abcdef\nseq=1\nsum=0\n",
};

bool fuzz_seed(unsigned n, struct buf *out)
{
	const unsigned count = sizeof(seeds) / sizeof(*seeds);

	buf_put(out, seeds[n % count], strlen(seeds[n % count]));
	return n < count;
}
