/*
 * sftpfault - an SFTP server that goes wrong
 *
 *	sftpfault FOLDER SERVER [ARGUMENT...]
 *
 * Stands between a client and a real sftp-server, and speaks only the framing
 * of the protocol. What it does is told by files in FOLDER:
 *
 *	hold     "TYPE TEXT": from the first request of that number (0: any)
 *	         on that has this text in it, requests wait, also when the
 *	         client has gone; `held` then tells the process and how many,
 *	         and so does `held.PROCESS`
 *	release  they are carried out after all; `release.PROCESS`: there
 *	cut      "N TEXT [PID]": the connection ends in place of the Nth
 *	         request, counted from the first one that has this text in it;
 *	         PID is killed before; the file goes with it
 *	refuse   "TEXT [N [SKIP]]": requests that have this text in them fail;
 *	         N: so many, behind the first SKIP, then the file goes
 *	made     MKDIR never fails, as it seems
 *	open     if it is there, appended to: how many files a client had open,
 *	         each time that it was more than before
 *	vanish   "N TEXT FOLDER": the first N renames that have this text in
 *	         them fail, each when FOLDER was there, is empty, and was
 *	         removed
 *	faults   "SEED SPAN KIND...": each connection draws one of the kinds
 *	         and a request up to number SPAN for it ("=N": that one), and
 *	         perhaps one of the manners; none when there is `calm`. With
 *	         "behind" among the kinds: counted from behind the probing
 *	requests if it is there, appended to: "> ID TYPE TEXT" of each request,
 *	         and "< ID STATUS" of each that is answered with one
 *	log      appended to: the connection, how many requests it had, what
 *	         was done, and how many it had behind the probing
 *
 * Kinds: cut-before, cut-after (the connection ends there), failure (instead
 * of carrying it out, again and again), oversize, unknown-id, duplicate,
 * wrong-type, truncated, long-string (what is wrong with the reply), and the
 * manners chopped, shuffled and slow, of all replies.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"
#include "sftpfault.h"
#include "sync/probe.h"
#include "sync/remote/codec.h"

#define CHUNK	  65536
#define SHUFFLED  8
#define CHOPS_MAX 2000 /* then in larger pieces */
#define HELD_MS	  20

static const char *const kinds[] = {"cut-before", "cut-after",	"failure",
				    "oversize",	  "unknown-id", "duplicate",
				    "wrong-type", "truncated",	"long-string"};
/* clang-format off */
enum kind { CUT_BEFORE, CUT_AFTER, FAILURE, OVERSIZE, UNKNOWN_ID, DUPLICATE,
	    WRONG_TYPE, TRUNCATED, LONG_STRING, KINDS };
/* clang-format on */

static struct buf from_client, to_server, from_server, to_client;
static struct buf waiting; /* requests that are held */
static unsigned n_waiting, n_requests, n_counted, n_chops, connection;
static unsigned n_refused, n_skipped, n_mkdirs, n_open, most_open, n_shuffle;
static uint32_t mkdirs[16]; /* ids of the newest, while they seem to be made */
static bool holding, client_gone, released;
static int fault = -1; /* enum kind */
static unsigned fault_at, span, n_work, n_vanished;
static bool behind, probing, working; /* is n_work what counts? */
static uint32_t fault_id, vanish_id;
static bool fault_due;	/* at the reply to fault_id */
static bool vanish_due; /* when the folder is gone */
static char vanishing[4096];
static bool chopped, shuffled, slow, noted[3];
static struct buf shuffle[SHUFFLED];
static uint64_t seed;

static unsigned rnd(unsigned n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(seed >> 33) % n;
}

static void note(const char *what)
{
	FILE *f = control("log", "a");

	if (f && fprintf(f, "%u %u %s %u\n", connection, n_requests, what,
			 n_work))
		fclose(f);
}

/* note_once - a manner, where it shows first in the work. */
static void note_once(const char *what, bool *done)
{
	if (working && !*done)
		note(what);
	*done |= working;
}

/* ---- what is to go wrong ---- */

static void draw_fault(char *line)
{
	char *save, *at, *word = strtok_r(line, " \n", &save);
	int drawn[KINDS], n = 0;

	seed = word ? strtoull(word, NULL, 10) + connection * 7919 : 0;
	rnd(2);
	at = strtok_r(NULL, " \n", &save);
	while ((word = strtok_r(NULL, " \n", &save))) {
		chopped |= strcmp(word, "chopped") == 0 && rnd(2);
		shuffled |= strcmp(word, "shuffled") == 0 && rnd(2);
		slow |= strcmp(word, "slow") == 0 && rnd(2);
		behind |= strcmp(word, "behind") == 0;
		for (int k = 0; k < KINDS; k++)
			if (strcmp(word, kinds[k]) == 0)
				drawn[n++] = k;
	}
	if (!at || n == 0)
		return;
	fault = drawn[rnd((unsigned)n)];
	span = (unsigned)atoi(at);
	fault_at = *at == '=' ? (unsigned)atoi(at + 1) : 1 + rnd(span);
}

static void read_faults(void)
{
	char line[1024], name[32];
	FILE *f = NULL;

	do
		snprintf(name, sizeof(name), "connection%u", ++connection);
	while (connection < 100000 && !(f = control(name, "wx")));
	if (f)
		fclose(f);
	f = there("calm") ? NULL : control("faults", "r");
	if (f && fgets(line, sizeof(line), f))
		draw_fault(line);
	if (f)
		fclose(f);
}

/* ---- requests ---- */

static bool must_hold(const struct packet *p, const uint8_t *packet,
		      size_t size)
{
	char text[256] = "";
	int type = 0;
	FILE *f = holding || released ? NULL : control("hold", "r");

	if (!f)
		return holding;
	if (fscanf(f, "%d %255s", &type, text) != 2)
		type = -1;
	fclose(f);
	return (type == 0 || type == p->type) &&
	       memmem(packet, size, text, strlen(text));
}

/* must_cut - what came before this request is still carried out. */
static bool must_cut(const uint8_t *packet, size_t size)
{
	char text[256] = "";
	int n = 0, pid = 0;
	FILE *f = control("cut", "r");

	if (!f)
		return false;
	if (fscanf(f, "%d %255s %d", &n, text, &pid) < 2)
		n = 0;
	fclose(f);
	if (n == 0 || (!n_counted && !memmem(packet, size, text, strlen(text))))
		return false;
	if (++n_counted < (unsigned)n)
		return false;
	note("cut");
	if (pid > 0)
		kill(pid, SIGKILL);
	unlink(control_path("cut"));
	return true;
}

/* must_refuse - it is not carried out. */
static bool must_refuse(const uint8_t *packet, size_t size)
{
	char text[256] = "";
	unsigned most = 0, skip = 0;
	FILE *f = control("refuse", "r");

	if (!f)
		return false;
	bool told = fscanf(f, "%255s %u %u", text, &most, &skip) >= 1;
	fclose(f);
	if (!told || !memmem(packet, size, text, strlen(text)))
		return false;
	if (n_skipped < skip) {
		n_skipped++;
		return false;
	}
	if (most && ++n_refused >= most) {
		note("refused");
		unlink(control_path("refuse"));
		n_refused = n_skipped = 0;
	}
	return true;
}

/* must_vanish - it is answered when the folder is gone. */
static bool must_vanish(const struct packet *p, const uint8_t *packet,
			size_t size)
{
	char text[256] = "";
	FILE *f = p->type == FXP_RENAME || p->type == FXP_EXTENDED
			  ? control("vanish", "r")
			  : NULL;
	unsigned n;

	if (!f)
		return false;
	bool told = fscanf(f, "%u %255s %4095s", &n, text, vanishing) == 3;
	fclose(f);
	if (!told || vanish_due || n_vanished >= n ||
	    !memmem(packet, size, text, strlen(text)))
		return false;
	n_vanished++;
	vanish_due = true;
	vanish_id = p->id;
	note("vanish");
	return true;
}

/* end_connection - the server ends when it has done what it was told. */
static void end_connection(void)
{
	client_gone = true;
	buf_done(&from_client);
	close(0);
	close(1);
}

enum status { NO_SUCH_FILE = 2, FAILED = 4 };

static void answer(uint32_t id, enum status status)
{
	size_t at = codec_begin(&to_client, FXP_STATUS, id);

	control_list('<', id, status, NULL, 0);
	buf_put_u32(&to_client, status);
	buf_put_text(&to_client, "Failure");
	buf_put_text(&to_client, "");
	codec_end(&to_client, at);
}

/* count_work - what comes behind the end of the probing, when that removes what
 * it made; a second connection does not probe. */
static void count_work(uint8_t type, const uint8_t *packet, size_t size)
{
	n_work += working;
	if (memmem(packet, size, PROBE_NOWHERE, strlen(PROBE_NOWHERE)))
		probing = true;
	working |= type == (probing ? FXP_REMOVE : FXP_WRITE);
}

/* fault_request - true: the request goes no further. */
static bool fault_request(uint32_t id)
{
	if (fault < 0 || (behind ? n_work : n_requests) != fault_at)
		return false;
	fault_id = id;
	fault_due = fault != CUT_BEFORE && fault != FAILURE;
	if (fault_due)
		return false;
	note(kinds[fault]);
	if (fault == CUT_BEFORE)
		exit(0);
	answer(id, FAILED);
	fault_at += span ? 1 + rnd(span) : 0;
	return true;
}

static void tell_held_in(const char *name)
{
	char from[4096], new[32];

	snprintf(new, sizeof(new), "new.%d", (int)getpid());
	FILE *f = control(new, "w");
	if (!f)
		exit(1);
	fprintf(f, "%d %u\n", (int)getpid(), n_waiting);
	fclose(f);
	snprintf(from, sizeof(from), "%s", control_path(new));
	rename(from, control_path(name));
}

static void tell_held(void)
{
	char own[32];

	snprintf(own, sizeof(own), "held.%d", (int)getpid());
	tell_held_in("held");
	tell_held_in(own);
}

/* count_open - as the server has them, which works in order. */
static void count_open(uint8_t type)
{
	if (type == FXP_CLOSE)
		n_open--;
	else if (type == FXP_OPEN || type == FXP_OPENDIR)
		n_open++;
	if (n_open <= most_open || !there("open"))
		return;
	most_open = n_open;
	FILE *f = control("open", "a");
	if (f && fprintf(f, "%u\n", most_open))
		fclose(f);
}

static void take_requests(void)
{
	struct packet p;
	size_t size;

	while (codec_next(&from_client, &p, &size) > 0) {
		const uint8_t *packet = from_client.data + from_client.off;
		control_list('>', p.id, p.type, packet + 9, size - 9);
		holding = must_hold(&p, packet, size);
		if (p.type != FXP_INIT)
			n_requests++;
		count_work(p.type, packet, size);
		count_open(p.type);
		if (p.type == FXP_MKDIR && there("made"))
			mkdirs[n_mkdirs++ % 16] = p.id;
		if (must_cut(packet, size)) {
			end_connection();
			return;
		}
		if (holding) {
			buf_put(&waiting, packet, size);
			n_waiting++;
			tell_held();
		} else if (must_refuse(packet, size)) {
			answer(p.id, FAILED);
		} else if (must_vanish(&p, packet, size)) {
			/* maybe_vanish */
		} else if (!fault_request(p.id)) {
			buf_put(&to_server, packet, size);
		}
		buf_consume(&from_client, size);
	}
}

static void maybe_vanish(void)
{
	if (!vanish_due || rmdir(vanishing) != 0)
		return;
	vanish_due = false;
	answer(vanish_id, NO_SUCH_FILE);
}

static void maybe_release(void)
{
	char own[32];

	snprintf(own, sizeof(own), "release.%d", (int)getpid());
	if (!holding || (!there("release") && !there(own)))
		return;
	holding = false;
	released = true;
	buf_put(&to_server, waiting.data, waiting.len);
	buf_done(&waiting);
}

/* ---- replies ---- */

/* spoil - one reply, in the way that was drawn. */
static void spoil(struct buf *reply)
{
	uint8_t *b = reply->data;

	switch (fault) {
	case OVERSIZE:
		buf_set_u32(reply, 0, 0x7fffffff);
		break;
	case UNKNOWN_ID:
		b[6] ^= 0x5a;
		break;
	case WRONG_TYPE:
		b[4] = b[4] == FXP_STATUS ? FXP_DATA : FXP_INIT;
		break;
	case TRUNCATED: /* a string or a number ends too early */
		reply->len -= rnd((unsigned)reply->len - 9) + 1;
		buf_set_u32(reply, 0, (uint32_t)reply->len - 4);
		break;
	case LONG_STRING: /* a length, or a number that means something */
		buf_set_u32(reply, 9, 0xfffffff0);
		break;
	default:
		break;
	}
}

static bool seems_made(uint32_t id)
{
	unsigned n = n_mkdirs < 16 ? n_mkdirs : 16, i;

	for (i = 0; i < n && mkdirs[i] != id; i++)
		;
	return i < n;
}

static void give_reply(const uint8_t *packet, size_t size, uint32_t id)
{
	struct buf reply = BUF_INIT;
	bool due = fault_due && id == fault_id;

	if (due)
		note(kinds[fault]);
	if (due && fault == CUT_AFTER)
		exit(0);
	buf_put(&reply, packet, size);
	if (seems_made(id))
		buf_set_u32(&reply, 9, 0);
	if (reply.len > 12 && reply.data[4] == FXP_STATUS)
		control_list('<', id, reply.data[12], NULL, 0);
	if (due && reply.len > 10)
		spoil(&reply);
	fault_due &= !due;
	if (due && fault == DUPLICATE)
		buf_put(&to_client, reply.data, reply.len);
	if (shuffled) {
		shuffle[n_shuffle++] = reply;
		return;
	}
	buf_put(&to_client, reply.data, reply.len);
	buf_done(&reply);
}

static void give_shuffled(void)
{
	for (bool first = true; n_shuffle > 0; first = false) {
		unsigned i = rnd(n_shuffle);

		if (first && i > 0)
			note_once("shuffled", &noted[0]);
		buf_put(&to_client, shuffle[i].data, shuffle[i].len);
		buf_done(&shuffle[i]);
		shuffle[i] = shuffle[--n_shuffle];
		shuffle[n_shuffle] = (struct buf)BUF_INIT;
	}
}

static void take_replies(void)
{
	struct packet p;
	size_t size;

	while (codec_next(&from_server, &p, &size) > 0) {
		if (slow && rnd(60) == 0) {
			usleep(1000 * (1 + rnd(20)));
			note_once("slow", &noted[1]);
		}
		give_reply(from_server.data + from_server.off, size, p.id);
		buf_consume(&from_server, size);
		if (n_shuffle == SHUFFLED)
			give_shuffled();
	}
}

/* ---- bytes ---- */

/* fill - false at the end. */
static bool fill(int fd, struct buf *b)
{
	ssize_t n = read(fd, buf_reserve(b, CHUNK), CHUNK);

	if (n > 0)
		b->len += (size_t)n;
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool drain(int fd, struct buf *b, size_t most)
{
	size_t len = buf_left(b) < most ? buf_left(b) : most;
	ssize_t n = len ? write(fd, b->data + b->off, len) : 0;

	if (n > 0)
		buf_consume(b, (size_t)n);
	return n >= 0 || errno == EAGAIN || errno == EINTR;
}

static size_t piece(void)
{
	if (!chopped)
		return SIZE_MAX;
	size_t n = 1 + (n_chops++ < CHOPS_MAX ? rnd(7) : rnd(900));
	if (n < buf_left(&to_client))
		note_once("chopped", &noted[2]);
	return n;
}

static void serve(int server_in, int server_out)
{
	for (;;) {
		bool late = client_gone && !holding && !buf_left(&to_server);
		struct pollfd p[] = {
			{client_gone ? -1 : 0, POLLIN, 0},
			{buf_left(&to_client) && !client_gone ? 1 : -1, POLLOUT,
			 0},
			{buf_left(&to_server) ? server_in : -1, POLLOUT, 0},
			{server_out, POLLIN, 0},
		};
		if (late && server_in >= 0) {
			close(server_in);
			server_in = -1;
		}
		if (poll(p, 4, n_shuffle ? 2 : HELD_MS) == 0)
			give_shuffled();
		maybe_release();
		maybe_vanish();
		if (p[0].revents && !fill(0, &from_client))
			client_gone = true;
		take_requests();
		if (p[3].revents && !fill(server_out, &from_server))
			exit(0);
		take_replies();
		if (p[1].revents && !drain(1, &to_client, piece()))
			client_gone = true;
		if (p[2].revents && !drain(server_in, &to_server, SIZE_MAX))
			exit(0);
	}
}

static void become_server(char **argv, const int *in, const int *out)
{
	dup2(in[0], 0);
	dup2(out[1], 1);
	close(in[0]);
	close(in[1]);
	close(out[0]);
	close(out[1]);
	signal(SIGPIPE, SIG_DFL);
	execv(argv[0], argv);
	_exit(127);
}

int main(int argc, char **argv)
{
	int in[2], out[2];

	if (argc < 3) {
		fputs("usage: sftpfault FOLDER SERVER [ARGUMENT...]\n", stderr);
		return 2;
	}
	control_folder = argv[1];
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (pipe(in) || pipe(out))
		return 1;
	read_faults();
	pid_t pid = fork();
	if (pid == 0)
		become_server(argv + 2, in, out);
	if (pid < 0)
		return 1;
	close(in[0]);
	close(out[1]);
	fcntl(0, F_SETFL, O_NONBLOCK);
	fcntl(1, F_SETFL, O_NONBLOCK);
	fcntl(in[1], F_SETFL, O_NONBLOCK);
	serve(in[1], out[0]);
}
