#ifndef TESTS_SFTPFAULT_H
#define TESTS_SFTPFAULT_H

/* sftpfault-control.c: the files of the folder that sftpfault.c tells of. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

extern const char *control_folder; /* constant after the start */

/* control_path - valid until the next one. */
const char *control_path(const char *name);
/* control - a file of it, or NULL; there - is it there? */
FILE *control(const char *name, const char *mode);
bool there(const char *name);
/* control_list - in `requests`, with the begin of `text`. */
void control_list(char sign, uint32_t id, unsigned n, const uint8_t *text,
		  size_t size);

#endif
