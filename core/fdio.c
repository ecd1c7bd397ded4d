/* fdio.c - whole reads and writes on host descriptors. */
#include "core/fdio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/own.h"
#include "core/str.h"

int read_full(int hfd, void *buf, size_t n)
{
	char *p = buf;

	while (n) {
		ssize_t r = read(hfd, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			return -ENODATA;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

int write_full(int hfd, const void *buf, size_t n)
{
	const char *p = buf;

	while (n) {
		ssize_t w = write(hfd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

/* Reads to the end of file, of which the size is not known (procfs). */
static char *read_all(int hfd, size_t max, size_t *len)
{
	size_t cap = 0, n = 0;
	char *p = NULL, *bigger;
	ssize_t r;

	for (;;) {
		if (n + 1 >= cap) {
			cap = cap ? cap * 2 : 4096;
			bigger = realloc(p, cap);
			if (!bigger)
				break;
			p = bigger;
		}
		r = read(hfd, p + n, cap - n - 1);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			break;
		if (r == 0) {
			p[n] = 0;
			*len = n;
			return p;
		}
		n += (size_t)r;
		if (n > max) {
			errno = EFBIG;
			break;
		}
	}
	free(p);
	return NULL;
}

char *read_file(
	int dirfd, const char *path, size_t max, size_t *len, struct err *e)
{
	own_fd int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t n;
	char *p;

	if (fd < 0) {
		err_set(e, errno, "open %s: %s", path, strerror(errno));
		return NULL;
	}
	p = read_all(fd, max, len ? len : &n);
	if (!p)
		err_set(e, errno, "read %s: %s", path, strerror(errno));
	return p;
}

int write_file(int dirfd, const char *path, const char *text, struct err *e)
{
	own_fd int fd =
		openat(dirfd, path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY);
	int err = errno;

	/* Second, so that a missing cgroup or procfs file is ENOENT. */
	if (fd < 0 && err == ENOENT)
		fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_set(e, err, "open %s: %s", path, strerror(err));
	err = write_full(fd, text, strlen(text));
	if (err)
		return err_set(e, -err, "write %s: %s", path, strerror(-err));
	return 0;
}

static int write_temp(
	int dirfd, const char *temp, const char *text, size_t len, mode_t mode)
{
	own_fd int fd = openat(
		dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	int err;

	if (fd < 0)
		return -errno;
	err = write_full(fd, text, len);
	if (err)
		return err;
	return fchmod(fd, mode) || fsync(fd) ? -errno : 0;
}

int replace_file(int dirfd, const char *path, const char *text, size_t len,
	mode_t mode, struct err *e)
{
	static atomic_uint serial;
	char temp[PATH_MAX];
	struct strbuf s = strbuf(temp, sizeof temp);
	int err;

	sb_printf(&s, "%s.%d.%u.new", path, (int)getpid(), serial++);
	if (s.cut)
		return err_set(
			e, ENAMETOOLONG, "%s: the name is too long", path);
	err = write_temp(dirfd, temp, text, len, mode);
	if (!err && renameat(dirfd, temp, dirfd, path) < 0)
		err = -errno;
	if (err) {
		if (err != -EEXIST)
			unlinkat(dirfd, temp, 0);
		return err_set(e, -err, "write %s: %s", path, strerror(-err));
	}
	return 0;
}

/* Before Linux 5.9: whatever /proc/self/fd shows, or every possible number. */
static void close_listed(unsigned from, unsigned to)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *ent;

	if (!d) {
		for (long i = from; i <= to && i < sysconf(_SC_OPEN_MAX); i++)
			close((int)i);
		return;
	}
	while ((ent = readdir(d))) {
		int fd = atoi(ent->d_name);

		if (ent->d_name[0] != '.' && fd != dirfd(d) &&
			(unsigned)fd >= from && (unsigned)fd <= to)
			close(fd);
	}
	closedir(d);
}

static void close_span(unsigned from, unsigned to)
{
#ifdef SYS_close_range
	if (from > to || syscall(SYS_close_range, from, to, 0) == 0)
		return;
#endif
	if (from <= to)
		close_listed(from, to);
}

void close_others(int from, const int *keep, size_t nkeep)
{
	unsigned next = (unsigned)from;

	for (size_t i = 0; i < nkeep; i++) {
		if (keep[i] < from)
			continue;
		if ((unsigned)keep[i] > next)
			close_span(next, (unsigned)keep[i] - 1);
		next = (unsigned)keep[i] + 1;
	}
	close_span(next, ~0u);
}
