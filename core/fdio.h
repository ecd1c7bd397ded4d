/* fdio.h - whole reads and writes on host descriptors; EINTR is retried. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "core/attr.h"
#include "core/err.h"

/* All of @n bytes: 0, or -errno (-ENODATA: end of file came first). */
int read_full(int hfd, void *buf, size_t n) MUST_CHECK;
int write_full(int hfd, const void *buf, size_t n) MUST_CHECK;
/* A whole file, malloc'ed and NUL-terminated; at most @max bytes (-EFBIG). */
char *read_file(int dirfd, const char *path, size_t max, size_t *len, struct err *e);
int write_file(int dirfd, const char *path, const char *text, struct err *e) MUST_CHECK;
/* Writes a temporary name, fsyncs, renames: readers see the old or the new text. */
int replace_file(int dirfd, const char *path, const char *text, size_t len, mode_t mode,
	struct err *e) MUST_CHECK;
/* Closes every descriptor >= @from except those in @keep (sorted ascending). */
void close_others(int from, const int *keep, size_t nkeep);
