/* membarrier.c - membarrier(2). */
#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "selftest/test.h"

#define M(cmd) syscall(SYS_membarrier, MEMBARRIER_CMD_##cmd, 0)

TEST(membarrier, registration_first)
{
	CHECK(M(QUERY) & MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	SEE(M(PRIVATE_EXPEDITED));
	SEE(M(REGISTER_PRIVATE_EXPEDITED));
	SEE(M(PRIVATE_EXPEDITED));
	SEE(M(PRIVATE_EXPEDITED_SYNC_CORE));
	SEE(M(REGISTER_PRIVATE_EXPEDITED_SYNC_CORE));
	SEE(M(PRIVATE_EXPEDITED_SYNC_CORE));
	SEE(M(GLOBAL));
	SEE(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 77));
	SEE(syscall(SYS_membarrier, 1 << 20, 0));
}

static volatile int x, y, answer, seen_x;

/* Half of a hand-over without a fence: the other side's barrier is for both. */
static void *spin(void *arg)
{
	for (int i = 1; i <= 100; i++) {
		while (y != i)
			;
		seen_x = x;
		answer = i;
	}
	return arg;
}

TEST(membarrier, orders_a_running_thread)
{
	pthread_t t;
	int bad = 0;

	M(REGISTER_PRIVATE_EXPEDITED);
	pthread_create(&t, NULL, spin, NULL);
	for (int i = 1; i <= 100; i++) {
		x = i;
		CHECK(M(PRIVATE_EXPEDITED) == 0);
		y = i;
		while (answer != i)
			;
		bad += seen_x != i;
	}
	pthread_join(t, NULL);
	SEE(bad);
}
