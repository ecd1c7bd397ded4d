/* madvise.c - madvise(2). */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

#define PG             4096UL
#define RW             (PROT_READ | PROT_WRITE)
#define ANON           (MAP_PRIVATE | MAP_ANONYMOUS)
#define POPULATE_READ  22
#define POPULATE_WRITE 23

TEST(madvise, bad_arguments)
{
	char *p = mmap(NULL, 4 * PG, RW, ANON, -1, 0);

	CHECK(p != MAP_FAILED);
	SEE(madvise(p + 1, PG, MADV_NORMAL));
	SEE(madvise(p, PG, 77));
	SEE(madvise(p, 0, MADV_DONTNEED));
	SEE(madvise(p, -1UL, MADV_DONTNEED));
	SEE(munmap(p + PG, PG));
	SEE(madvise(p, 4 * PG, MADV_NORMAL));
	p[2 * PG] = 1;
	SEE(madvise(p, 4 * PG, MADV_DONTNEED));
	SEE(p[2 * PG]);
}

TEST(madvise, hints)
{
	char *p = mmap(NULL, 4 * PG, RW, ANON, -1, 0);

	CHECK(p != MAP_FAILED);
	memset(p, 1, 4 * PG);
	SEE(madvise(p, 4 * PG, MADV_RANDOM));
	SEE(madvise(p, 4 * PG, MADV_SEQUENTIAL));
	SEE(madvise(p + PG, 2 * PG, MADV_NORMAL));
	SEE(madvise(p, 4 * PG, MADV_WILLNEED));
	SEE(madvise(p, 4 * PG, MADV_DONTDUMP));
	SEE(madvise(p, 4 * PG, MADV_DODUMP));
	SEE(madvise(p, 4 * PG, 20 /* MADV_COLD */));
	SEE(p[3 * PG]);
}

TEST(madvise, dontneed_zeroes_anonymous_memory)
{
	char *p = mmap(NULL, 40 * PG, RW, ANON, -1, 0);

	CHECK(p != MAP_FAILED);
	memset(p, 1, 40 * PG);
	SEE(madvise(p + PG, 30 * PG, MADV_DONTNEED));
	SEE(p[0] + p[31 * PG]);
	SEE(p[PG] + p[30 * PG]);
}

TEST(madvise, dontneed_shows_the_file_again)
{
	char name[] = "/tmp/madvise.XXXXXX", *p;
	int fd = mkstemp(name);

	CHECK(fd >= 0 && write(fd, "file", 4) == 4 && ftruncate(fd, PG) == 0);
	unlink(name);
	p = mmap(NULL, PG, RW, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED);
	p[0] = 'F';
	SEE(madvise(p, PG, MADV_DONTNEED));
	SEE(p[0]);
	p = mmap(NULL, PG, RW, MAP_SHARED, fd, 0);
	p[0] = 'F';
	SEE(madvise(p, PG, MADV_DONTNEED));
	SEE(p[0]);
}

TEST(madvise, free_only_for_private_anonymous_memory)
{
	char *p = mmap(NULL, PG, RW, ANON, -1, 0);
	char *s = mmap(NULL, PG, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	*p = 1;
	SEE(madvise(p, PG, MADV_FREE));
	*p = 2;
	SEE(*p);
	SEE(madvise(s, PG, MADV_FREE));
}

TEST(madvise, remove_makes_a_hole)
{
	char *p = mmap(NULL, 4 * PG, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *q = mmap(NULL, PG, RW, ANON, -1, 0);

	CHECK(p != MAP_FAILED);
	memset(p, 1, 4 * PG);
	SEE(madvise(p + PG, 2 * PG, MADV_REMOVE));
	SEE(p[0] + p[3 * PG]);
	SEE(p[PG] + p[2 * PG]);
	SEE(madvise(q, PG, MADV_REMOVE));
}

TEST(madvise, what_a_child_gets)
{
	char *p = mmap(NULL, 3 * PG, RW, ANON, -1, 0);
	char *s = mmap(NULL, PG, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;

	CHECK(p != MAP_FAILED);
	memset(p, 1, 3 * PG);
	SEE(madvise(p, PG, MADV_WIPEONFORK));
	SEE(madvise(p + PG, PG, MADV_DONTFORK));
	SEE(madvise(s, PG, MADV_WIPEONFORK));
	if (fork() == 0) {
		printf("\t%d %d\n", p[0], p[2 * PG]);
		printf("\t%zd\n", write(1, p + PG, 1));
		_exit(0);
	}
	CHECK(wait(&status) > 0);
	SEE(p[0] + p[PG]);
	SEE(madvise(p, PG, MADV_KEEPONFORK));
	SEE(madvise(p + PG, PG, MADV_DOFORK));
	if (fork() == 0)
		_exit(p[0] + p[PG]);
	CHECK(wait(&status) > 0);
	SEE(WEXITSTATUS(status));
}

TEST(madvise, populate)
{
	char *p = mmap(NULL, 4 * PG, RW, ANON, -1, 0);

	SEE(madvise(p, 4 * PG, POPULATE_WRITE));
	SEE(madvise(p, 4 * PG, POPULATE_READ));
	SEE(mprotect(p, PG, PROT_READ));
	SEE(madvise(p, 4 * PG, POPULATE_WRITE));
	SEE(mprotect(p, PG, PROT_NONE));
	SEE(madvise(p, 4 * PG, POPULATE_READ));
	SEE(munmap(p + PG, PG));
	SEE(madvise(p + PG, PG, POPULATE_READ));
}
