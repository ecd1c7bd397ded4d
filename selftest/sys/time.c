/* time.c - clock_gettime(2), nanosleep(2), setitimer(2), timer_create(2). */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "selftest/test.h"

static volatile int hits;
static volatile int last_code;

static void on_signal(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	hits++;
	last_code = si->si_code;
}

static void catch (int sig, int flags)
{
	struct sigaction sa = { .sa_sigaction = on_signal,
		.sa_flags = SA_SIGINFO | flags };

	sigaction(sig, &sa, NULL);
}

static int64_t now(clockid_t c)
{
	struct timespec ts;

	syscall(SYS_clock_gettime, c, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

TEST(time, clocks_and_their_errors)
{
	struct timespec ts;

	for (int c = 0; c < 8; c++) /* 8 and 9 need a clock chip */
		SEE(syscall(SYS_clock_gettime, c, &ts));
	SEE(syscall(SYS_clock_gettime, CLOCK_TAI, &ts));
	SEE(syscall(SYS_clock_gettime, 12, &ts));
	SEE(syscall(SYS_clock_gettime, 0, bad_addr));
	SEE(syscall(SYS_clock_getres, CLOCK_MONOTONIC, &ts));
	SEE(ts.tv_nsec);
	SEE(syscall(SYS_clock_getres, CLOCK_MONOTONIC, NULL));
	SEE(syscall(SYS_clock_getres, 99, NULL));
}

TEST(time, vdso_agrees_with_the_system_call)
{
	struct timespec ts;

	for (int i = 0; i < 1000; i++) {
		int64_t a = now(CLOCK_MONOTONIC), b, c;

		clock_gettime(CLOCK_MONOTONIC, &ts);
		b = ts.tv_sec * 1000000000LL + ts.tv_nsec;
		c = now(CLOCK_MONOTONIC);
		CHECK(a <= b && b <= c);
	}
}

TEST(time, nanosleep_sleeps_at_least_as_long)
{
	struct timespec ts = { 0, 3000000 }, rem = { 9, 9 };
	int64_t t0 = now(CLOCK_MONOTONIC);

	SEE(nanosleep(&ts, &rem));
	CHECK(now(CLOCK_MONOTONIC) - t0 >= 3000000);
	SEE(rem.tv_sec);
	ts.tv_nsec = -1;
	SEE(nanosleep(&ts, NULL));
	SEE(syscall(SYS_nanosleep, bad_addr, NULL));
	SEE(syscall(SYS_clock_nanosleep, 99, 0, &rem, NULL));
	SEE(syscall(
		SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &rem, NULL));
	rem = (struct timespec){ 0, 0 };
	SEE(syscall(SYS_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &rem,
		NULL));
}

TEST(time, a_handler_interrupts_nanosleep)
{
	struct itimerval it = { .it_value = { 0, 5000 } };
	struct timespec ts = { 10, 0 }, rem = { 0, 0 };

	catch (SIGALRM, SA_RESTART);
	SEE(setitimer(ITIMER_REAL, &it, NULL));
	SEE(nanosleep(&ts, &rem));
	SEE(rem.tv_sec);
	SEE(hits);
}

TEST(time, itimer_repeats_until_it_is_stopped)
{
	struct itimerval it = { { 0, 2000 }, { 0, 2000 } }, old;

	catch (SIGALRM, 0);
	SEE(setitimer(ITIMER_REAL, &it, NULL));
	while (hits < 3)
		pause();
	SEE(last_code == SI_KERNEL);
	memset(&it, 0, sizeof it);
	SEE(setitimer(ITIMER_REAL, &it, &old));
	SEE(old.it_interval.tv_usec);
	SEE(getitimer(ITIMER_REAL, &old));
	SEE(old.it_value.tv_usec);
	SEE(setitimer(9, &it, NULL));
	SEE(getitimer(9, &old));
}

TEST(time, profiling_timer_counts_cpu_time)
{
	struct itimerval it = { { 0, 0 }, { 0, 20000 } };

	catch (SIGPROF, 0);
	SEE(setitimer(ITIMER_PROF, &it, NULL));
	while (!hits)
		;
	SEE(hits);
}

static void *burn_until_told(void *stop)
{
	while (!*(atomic_int *)stop)
		;
	return NULL;
}

/* Another thread's work does not count; the process's clock has it. */
TEST(time, a_timer_on_a_thread_counts_that_thread)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGUSR1 };
	struct itimerspec its = { .it_value = { 0, 30000000 } }, cur;
	atomic_int stop = 0;
	clockid_t clk;
	pthread_t th;
	int id;

	catch (SIGUSR1, 0);
	pthread_create(&th, NULL, burn_until_told, &stop);
	SEE(syscall(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &ev, &id));
	SEE(syscall(SYS_timer_settime, id, 0, &its, NULL));
	SEE(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &its.it_value, NULL));
	SEE(hits);
	SEE(syscall(SYS_timer_gettime, id, &cur));
	CHECK(cur.it_value.tv_nsec > 0);
	SEE(pthread_getcpuclockid(th, &clk));
	SEE(syscall(SYS_clock_nanosleep, clk, 0, &its.it_value, NULL));
	SEE(hits);
	stop = 1;
	pthread_join(th, NULL);
	while (!hits)
		;
	SEE(hits);
}

TEST(time, sleeping_on_a_cpu_clock)
{
	struct timespec ts = { 0, 20000000 }, rem = { 9, 9 };
	struct itimerval it = { .it_value = { 0, 20000 } };
	clockid_t own = (clockid_t)(~0u << 3 | 6); /* this thread, SCHED */

	SEE(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &ts, 0));
	SEE(syscall(SYS_clock_nanosleep, own, 0, &ts, NULL));
	SEE(syscall(SYS_clock_nanosleep, (clockid_t)(~999999u << 3 | 2), 0, &ts,
		NULL));
	catch (SIGALRM, 0);
	SEE(setitimer(ITIMER_REAL, &it, NULL));
	ts.tv_sec = 5;
	SEE(syscall(
		SYS_clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, 0, &ts, &rem));
	CHECK(rem.tv_sec == 5 || rem.tv_sec == 4);
	ts.tv_sec = 0;
	ts.tv_nsec = 1;
	SEE(syscall(SYS_clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID,
		TIMER_ABSTIME, &ts, NULL));
}

TEST(time, alarm_rounds_up)
{
	SEE(alarm(100));
	SEE(alarm(50));
	SEE(alarm(0));
}

TEST(time, posix_timer_signals_with_its_value)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGUSR1 };
	struct itimerspec its = { .it_value = { 0, 1000000 } }, cur;
	int id = -1;

	catch (SIGUSR1, 0);
	SEE(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id));
	SEE(id);
	SEE(syscall(SYS_timer_gettime, id, &cur));
	SEE(cur.it_value.tv_nsec);
	SEE(syscall(SYS_timer_settime, id, 0, &its, NULL));
	while (!hits)
		pause();
	SEE(last_code == SI_TIMER);
	SEE(syscall(SYS_timer_getoverrun, id));
	SEE(syscall(SYS_timer_delete, id));
	SEE(syscall(SYS_timer_delete, id));
	SEE(syscall(SYS_timer_settime, id, 0, &its, NULL));
	SEE(syscall(SYS_timer_create, 99, NULL, &id));
	SEE(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, bad_addr));
}

TEST(time, an_interval_timer_counts_its_overruns)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGUSR1 };
	struct itimerspec its = { { 0, 1000000 }, { 0, 1000000 } };
	sigset_t set;
	siginfo_t si;
	int id;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	SEE(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id));
	SEE(syscall(SYS_timer_settime, id, 0, &its, NULL));
	usleep(30000);
	SEE(sigwaitinfo(&set, &si));
	CHECK(si.si_overrun > 5);
	CHECK(syscall(SYS_timer_getoverrun, id) == si.si_overrun);
}

TEST(time, cpu_clocks_advance_with_work)
{
	int64_t a = now(CLOCK_PROCESS_CPUTIME_ID);
	int64_t b = now(CLOCK_THREAD_CPUTIME_ID);

	for (volatile int i = 0; i < 10000000; i++)
		;
	CHECK(now(CLOCK_PROCESS_CPUTIME_ID) - a > 1000000);
	CHECK(now(CLOCK_THREAD_CPUTIME_ID) - b > 1000000);
}

TEST(time, times_and_gettimeofday)
{
	struct timeval tv;
	struct tms t;

	CHECK(times(&t) > 0);
	SEE(syscall(SYS_gettimeofday, &tv, NULL));
	SEE(syscall(SYS_times, bad_addr));
	SEE(syscall(SYS_gettimeofday, bad_addr, NULL));
	SEE(syscall(SYS_time, bad_addr));
}
