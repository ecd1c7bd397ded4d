/* selftest/sys/move_pages.c - move_pages(2). */
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "selftest/test.h"

#define N 200000

static void ignore(int sig)
{
	(void)sig;
}

TEST(move_pages, a_signal_does_not_end_it)
{
	struct itimerval every = { { 0, 200 }, { 0, 200 } };
	static void *pages[N];
	static int status[N];
	char *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*m = 1;
	for (int i = 0; i < N; i++)
		pages[i] = m;
	signal(SIGALRM, ignore);
	SEE(setitimer(ITIMER_REAL, &every, NULL));
	SEE(syscall(SYS_move_pages, 0, N, pages, NULL, status, 0));
	SEE(status[0]);
	SEE(status[N - 1]);
	SEE(syscall(SYS_move_pages, 0, N, pages, NULL, status, 1));
}
