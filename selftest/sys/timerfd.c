/* timerfd.c - timerfd_create(2). */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "selftest/test.h"

static struct itimerspec in_ms(long value, long interval)
{
	return (struct itimerspec){
		.it_value = { value / 1000, value % 1000 * 1000000 },
		.it_interval = { interval / 1000, interval % 1000 * 1000000 },
	};
}

TEST(timerfd, once)
{
	struct itimerspec it = in_ms(20, 0), now;
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	uint64_t n = 0;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	SEE(read(fd, &n, 8));
	SEE(timerfd_settime(fd, 0, &it, NULL));
	SEE(timerfd_gettime(fd, &now));
	CHECK(now.it_value.tv_nsec > 0 && now.it_value.tv_nsec <= 20000000);
	SEE(poll(&p, 1, 5000));
	SEE(read(fd, &n, 8));
	SEE(n);
	SEE(timerfd_gettime(fd, &now));
	SEE(now.it_value.tv_nsec);
	SEE(read(fd, &n, 8));
}

TEST(timerfd, periodic_counts_what_was_missed)
{
	struct itimerspec it = in_ms(5, 5);
	struct timespec nap = { 0, 52000000 };
	int fd = timerfd_create(CLOCK_REALTIME, 0);
	uint64_t n = 0;

	SEE(timerfd_settime(fd, 0, &it, NULL));
	nanosleep(&nap, NULL);
	SEE(read(fd, &n, 8));
	CHECK(n >= 10);
	it = in_ms(0, 0);
	SEE(timerfd_settime(fd, 0, &it, &it));
	SEE(it.it_interval.tv_nsec);
}

TEST(timerfd, absolute_time_in_the_past)
{
	struct itimerspec it = in_ms(1, 0);
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	uint64_t n = 0;

	SEE(timerfd_settime(fd, TFD_TIMER_ABSTIME, &it, NULL));
	SEE(read(fd, &n, 8));
	SEE(n);
}

TEST(timerfd, errors)
{
	struct itimerspec it = in_ms(1, 0);
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	char c[4];

	SEE(timerfd_create(CLOCK_THREAD_CPUTIME_ID, 0));
	SEE(timerfd_create(CLOCK_MONOTONIC, 1));
	SEE(timerfd_settime(fd, 8, &it, NULL));
	it.it_value.tv_nsec = 1000000000;
	SEE(timerfd_settime(fd, 0, &it, NULL));
	SEE(timerfd_settime(1, 0, bad_addr, NULL));
	SEE(read(fd, c, 4));
	SEE(write(fd, c, 4));
}

static volatile int alarms;

static void count(int sig)
{
	(void)sig;
	alarms = alarms + 1;
}

/* The next time after the first is beyond what a clock can say. */
TEST(timerfd, an_interval_of_ages)
{
	struct itimerspec ts = { .it_value = { 0, 1000000 },
		.it_interval = { 9223372036, 854775807 } };
	struct itimerval tv = { .it_value = { 0, 1000 },
		.it_interval = { 9223372036, 854775 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	uint64_t n = 0;

	signal(SIGALRM, count);
	SEE(timerfd_settime(fd, 0, &ts, NULL));
	SEE(setitimer(ITIMER_REAL, &tv, NULL));
	while (alarms < 1)
		;
	usleep(50000);
	SEE(alarms);
	SEE(read(fd, &n, sizeof n));
	SEE((long)n);
	SEE(read(fd, &n, sizeof n));
}
