/* What fsx does with -P only: rounds, and whether a reader is passed. */
#include "confdefs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fsx.h"

static unsigned round_now; /* that this process has joined */

void file_renew(void)
{
	char fresh[sizeof(path) + 8];
	size_t size = FSX_BYTES / 2 + FSX_BYTES / 8 + below(FSX_BYTES * 3 / 8);
	bool in_place = one_in(2);
	int fd;

	snprintf(fresh, sizeof(fresh), "%s%s", path, in_place ? "" : ".fresh");
	tell("made anew, %zu%s", size, in_place ? ", unlinked before" : "");
	if (in_place)
		OK(unlink(path));
	OK(fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
	model_resize(0);
	while (model->size < size) {
		size_t n = size - model->size;

		n = n < MAX_LEN ? n : MAX_LEN;
		random_bytes(buffer, n);
		expect(pwrite(fd, buffer, n, (off_t)model->size), n);
		model_write(buffer, model->size, n);
	}
	OK(close(fd));
	if (!in_place)
		OK(rename(fresh, path));
}

/*
 * A round ends with nothing open, and the next one begins: with the same file
 * or a new one, and mostly with a reader that stays and comes when what was
 * closed has been released, so that who comes after it is passed, too. Or all
 * mappings stay, and nothing else.
 */
void op_round(unsigned processes)
{
	model->round++;
	model->letting_go = processes;
	model->maps_stay = one_in(3);
	if (!model->maps_stay && one_in(3))
		file_renew();
}

static void round_begin(void)
{
	int fd;

	if (!model->maps_stay && !one_in(4))
		file_renew();
	usleep(2000);
	if (model->maps_stay || one_in(8))
		return;
	tell("the first reader");
	OK(fd = open(path, O_RDONLY | O_CLOEXEC));
	handle_keep(fd, O_RDONLY);
}

bool round_joined(void)
{
	if (round_now != model->round) {
		round_now = model->round;
		handles_end();
		if (!model->maps_stay)
			maps_end();
		if (--model->letting_go == 0)
			round_begin();
	}
	return model->letting_go == 0;
}

static long long worker_read(void)
{
	char name[64], line[128];
	long long n = -1;

	snprintf(name, sizeof(name), "/proc/%d/io", worker);
	FILE *f = fopen(name, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "rchar: %lld", &n) == 1)
			break;
	if (n < 0)
		fail("%s", name);
	fclose(f);
	return n;
}

/* Once, with nothing of it in the page cache. */
void op_look(void)
{
	size_t len = expected_length(0, MAX_LEN);

	if (!worker || len < MAX_LEN)
		return;
	tell("is it passed?");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	OK(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	long long before = worker_read();
	expect(pread(fd, buffer, len, 0), len);
	model->looks++;
	model->n_passed += worker_read() - before < MAX_LEN / 2;
	compare(buffer, 0, len);
	OK(close(fd));
}
