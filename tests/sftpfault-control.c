/* The folder by which tests tell sftpfault what to do, and hear what it did. */
#include "confdefs.h"

#include <stdio.h>
#include <unistd.h>

#include "sftpfault.h"

const char *control_folder;

const char *control_path(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/%s", control_folder, name);
	return path;
}

FILE *control(const char *name, const char *mode)
{
	return fopen(control_path(name), mode);
}

bool there(const char *name)
{
	return access(control_path(name), F_OK) == 0;
}

void control_list(char sign, uint32_t id, unsigned n, const uint8_t *text,
		  size_t size)
{
	FILE *f = there("requests") ? control("requests", "a") : NULL;

	if (f)
		fprintf(f, "%c %u %u ", sign, id, n);
	for (size_t i = 0; f && i < size && i < 1000; i++)
		fprintf(f, text[i] > ' ' && text[i] < 127 ? "%c" : "\\%02x",
			text[i]);
	if (f && fputc('\n', f))
		fclose(f);
}
