/* mlock.c - mlock(2), mlock2(2), munlock(2), mlockall(2). */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "selftest/test.h"

#define PG   4096UL
#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

TEST(mlock, locks_and_unlocks)
{
	char *p = mmap(NULL, 4 * PG, RW, ANON, -1, 0);

	CHECK(p != MAP_FAILED);
	SEE(mlock(p + 100, 10));
	SEE(madvise(p, PG, MADV_DONTNEED));
	SEE(madvise(p + PG, PG, MADV_DONTNEED));
	SEE(msync(p, PG, MS_INVALIDATE));
	SEE(munlock(p, PG));
	SEE(madvise(p, PG, MADV_DONTNEED));
	SEE(mlock(p, 0));
	SEE(munlock(p, 4 * PG));
}

TEST(mlock, bad_ranges)
{
	char *p = mmap(NULL, 4 * PG, RW, ANON, -1, 0);

	SEE(munmap(p + 2 * PG, PG));
	SEE(mlock(p, 4 * PG));
	SEE(munlock(p, 4 * PG));
	SEE(mlock(p, -PG));
	SEE(munlock(p + 2 * PG, PG));
	SEE(mprotect(p, PG, PROT_NONE));
	SEE(mlock(p, PG));
}

TEST(mlock, mlock2_flags)
{
	char *p = mmap(NULL, 4 * PG, RW, ANON, -1, 0);

	SEE(syscall(SYS_mlock2, p, PG, 1));
	SEE(syscall(SYS_mlock2, p, PG, 0));
	SEE(syscall(SYS_mlock2, p, PG, 2));
	SEE(munlock(p, PG));
}

TEST(mlock, mlockall_flags)
{
	SEE(mlockall(0));
	SEE(mlockall(8));
	SEE(mlockall(4));
	SEE(munlockall());
}

/* The Locked line of the region that begins at @p, in kB; -1: no such region.
 */
static long locked_kb(const char *p)
{
	char line[512], head[32];
	FILE *f = fopen("/proc/self/smaps", "r");
	bool here = false;
	long kb = -1;

	snprintf(head, sizeof head, "%lx-", (unsigned long)p);
	while (kb < 0 && fgets(line, sizeof line, f)) {
		if (strncmp(line, head, strlen(head)) == 0)
			here = true;
		if (here)
			(void)sscanf(line, "Locked: %ld", &kb);
	}
	fclose(f);
	return kb;
}

TEST(mlock, smaps_shows_it)
{
	char *p = mmap(NULL, 4 * PG, RW, ANON, -1, 0);

	memset(p, 1, 4 * PG);
	SEE(locked_kb(p));
	SEE(mlock(p, 2 * PG));
	SEE(locked_kb(p));
	SEE(locked_kb(p + 2 * PG));
}
