#ifndef FSX_H
#define FSX_H

/* The parts of fsx: fsx.c the calls, fsx-handles.c descriptors and mappings,
 * fsx-passed.c what is for -P only, fsx-model.c the model and the processes. */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#define FSX_BYTES (passed ? MOST_BYTES : 256u << 10) /* the file, at most */
#define MOST_BYTES (2u << 20)
#define MAX_LEN	  (48u << 10)  /* of one call */
#define ALIGN	  ((size_t)4096)
#define N_HANDLES 5

struct model { /* shared by all processes, under its lock */
	pthread_mutex_t lock;
	size_t size;
	unsigned long calls;
	bool failed;
	unsigned round, letting_go; /* fsx-passed.c */
	bool maps_stay;		    /* from the round before */
	size_t stored; /* where a mapping did last */
	unsigned long looks, n_passed;
	unsigned told;
	char story[64][100]; /* the last calls */
	uint8_t bytes[MOST_BYTES];
};

enum { READS = 1, WRITES = 2 };

struct handle {
	int fd;	   /* -1: none */
	int flags; /* of open(2) */
};

extern struct model *model;
extern uint8_t *buffer; /* this process's, MAX_LEN rounded up, aligned */
extern char path[4096];
extern bool passed; /* -P */

void fail(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));
#define OK(call)                                                               \
	do {                                                                   \
		if ((call) < 0)                                                \
			fail("%s", #call);                                     \
	} while (0)

/* ---- chance ---- */
size_t below(size_t n); /* 0 for n 0 */
bool one_in(size_t n);
void random_bytes(uint8_t *p, size_t n);

/* ---- the model ---- */
void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* expect - what a call returned is what it should. */
void expect(ssize_t got, size_t wanted);
size_t expected_length(size_t off, size_t len);
/* compare - `n` bytes that were read at `off`. */
void compare(const uint8_t *got, size_t off, size_t n);
void model_write(const uint8_t *from, size_t off, size_t len);
void model_resize(size_t size);
void model_fallocate(int mode, size_t off, size_t len);

/* ---- descriptors and mappings of this process ---- */
/* some_handle - one that can do any (of READS and WRITES), or NULL. */
struct handle *some_handle(int can);
size_t send_to_buffer(int fd, size_t off, size_t len);
void handles_start(void);
/* handles_end - none is left; maps_end - nor is a mapping. */
void handles_end(void);
void maps_end(void);
void handle_keep(int fd, int flags);
/* names_swap - the file gets its other name. */
void names_swap(void);
void op_handle_open(void);
void op_handle_close(void);
void op_map(void);
void op_unmap(void);
void op_store(void);
void op_mapped(void);
/* op_mapper_dies - another process maps, stores, and dies by SIGKILL. */
void op_mapper_dies(void);

/* ---- -P: a file that passthrough serves ---- */
extern int worker; /* whose reads are counted; 0: nobody's */
/* file_renew - another inode has the name, with other bytes. */
void file_renew(void);
/* round_joined - the calls may go on: no process has anything open of an
 * earlier round. Of `processes` the last to join begins the next. */
bool round_joined(void);
void op_round(unsigned processes);
/* op_look - is a reader passed just now? */
void op_look(void);

void op_random(unsigned processes);

#endif
