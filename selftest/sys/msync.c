/* msync.c - msync(2). */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "selftest/test.h"

#define PG 4096UL
#define RW (PROT_READ | PROT_WRITE)

TEST(msync, bad_arguments)
{
	char *p = mmap(NULL, 4 * PG, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	SEE(msync(p + 1, PG, MS_SYNC));
	SEE(msync(p, PG, 64));
	SEE(msync(p, PG, MS_SYNC | MS_ASYNC));
	SEE(msync(p, 0, MS_SYNC));
	SEE(msync(p, PG, 0));
	SEE(msync(p, -PG, MS_SYNC));
	SEE(munmap(p + PG, PG));
	SEE(msync(p, 4 * PG, MS_SYNC));
	SEE(msync(p, 4 * PG, MS_ASYNC));
}

TEST(msync, writes_a_file)
{
	char name[] = "/tmp/msync.XXXXXX", *p, c = 0;
	int fd = mkstemp(name);

	CHECK(fd >= 0 && ftruncate(fd, 4 * PG) == 0);
	p = mmap(NULL, 4 * PG, RW, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	p[3 * PG + 5] = 'm';
	SEE(msync(p, 4 * PG, MS_SYNC));
	SEE(pread(fd, &c, 1, 3 * PG + 5));
	SEE(c);
	SEE(msync(p, 4 * PG, MS_ASYNC | MS_INVALIDATE));
	SEE(unlink(name));
}
