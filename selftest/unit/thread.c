/* thread.c - core/thread: parks lose no wake-up and keep deadlines. */
#include "core/thread.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/clock.h"
#include "selftest/unit/unit.h"

#define MSEC 1000000LL

TEST(park, a_wake_before_the_wait_is_remembered)
{
	struct park p;

	park_init(&p);
	park_wake(&p);
	park_wake(&p);
	CHECK(park_wait(&p, NO_DEADLINE) == 0);
	CHECK(park_wait(&p, mono_now()) == -ETIMEDOUT);
}

TEST(park, a_deadline_ends_the_wait)
{
	int64_t start = mono_now();
	struct park p;

	park_init(&p);
	CHECK(park_wait(&p, start + 20 * MSEC) == -ETIMEDOUT);
	CHECK(mono_now() - start >= 20 * MSEC);
	CHECK(park_wait(&p, -1) == -ETIMEDOUT);
}

static struct park ping, pong;
static atomic_int turns;

static void echo(void *arg)
{
	(void)arg;
	for (;;) {
		park_wait(&ping, NO_DEADLINE);
		atomic_fetch_add(&turns, 1);
		park_wake(&pong);
	}
}

TEST(park, ping_pong_loses_nothing)
{
	park_init(&ping);
	park_init(&pong);
	CHECK(thread_start(echo, NULL, "echo", 0) == 0);
	for (int i = 1; i <= 2000; i++) {
		park_wake(&ping);
		while (atomic_load(&turns) < i)
			park_wait(&pong, NO_DEADLINE);
	}
}

static atomic_int started;
static char name[16];
static sigset_t mask;

static void look(void *arg)
{
	prctl(PR_GET_NAME, name);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	atomic_store(&started, arg == &started);
}

TEST(thread, has_its_name_and_no_signals)
{
	sigset_t before, after;

	sigprocmask(SIG_BLOCK, NULL, &before);
	CHECK(thread_start(look, &started, "a-name-that-is-far-too-long", 0) ==
		0);
	while (!atomic_load(&started))
		usleep(100);
	CHECK(!strcmp(name, "a-name-that-is-"));
	CHECK(sigismember(&mask, SIGTERM) == 1);
	CHECK(sigismember(&mask, SIGSYS) == 0);
	sigprocmask(SIG_BLOCK, NULL, &after);
	CHECK(sigismember(&after, SIGTERM) == sigismember(&before, SIGTERM));
}

TEST(clock, deadlines_saturate)
{
	CHECK(deadline_after(5, 10) == 15);
	CHECK(deadline_after(5, -10) == 5);
	CHECK(deadline_after(INT64_MAX - 1, 10) == NO_DEADLINE);
	CHECK(deadline_after(1, INT64_MAX) == NO_DEADLINE);
}
