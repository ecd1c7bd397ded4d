/*
 * vdso.c - the code that runs in the guest instead of a system call.
 *
 * Freestanding, position-independent, no data of its own: all it knows is the
 * page in front of the image.  vdso(7) is the contract.
 */
#include <stdint.h>
#include <sys/time.h>
#include <time.h>

#include "kernel/loader/vdso/vvar.h"

#define NR_gettimeofday  96
#define NR_time          201
#define NR_clock_gettime 228
#define NR_clock_getres  229
#define NR_getcpu        309
#define NSEC             1000000000LL

int __vdso_clock_gettime(clockid_t clk, struct timespec *ts);
int __vdso_gettimeofday(struct timeval *tv, void *tz);
time_t __vdso_time(time_t *t);
int __vdso_clock_getres(clockid_t clk, struct timespec *res);
int __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);

extern const struct vvar vvar_page __attribute__((visibility("hidden")));

static long call(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

/* Division by a constant is a multiplication: no run-time support is needed. */
static void split(int64_t ns, struct timespec *ts)
{
	ts->tv_sec = ns / NSEC;
	ts->tv_nsec = ns % NSEC;
}

/* Is @clk one that we can answer, now? */
static int read_clock(clockid_t clk, int64_t *ns)
{
	int64_t mono, real, boot;

	switch (clk) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
		break;
	default:
		return 0;
	}
	if (!vvar_read(&vvar_page, &mono, &real, &boot))
		return 0;
	if (clk == CLOCK_REALTIME || clk == CLOCK_REALTIME_COARSE)
		mono += real;
	else if (clk == CLOCK_BOOTTIME)
		mono += boot;
	*ns = mono;
	return 1;
}

int __vdso_clock_gettime(clockid_t clk, struct timespec *ts)
{
	int64_t ns;

	if (!read_clock(clk, &ns))
		return (int)call(NR_clock_gettime, clk, (long)ts, 0);
	split(ns, ts);
	return 0;
}

int __vdso_gettimeofday(struct timeval *tv, void *tz)
{
	struct timespec ts;
	int64_t ns;

	if (tz || !read_clock(CLOCK_REALTIME, &ns))
		return (int)call(NR_gettimeofday, (long)tv, (long)tz, 0);
	if (tv) {
		split(ns, &ts);
		tv->tv_sec = ts.tv_sec;
		tv->tv_usec = ts.tv_nsec / 1000;
	}
	return 0;
}

time_t __vdso_time(time_t *t)
{
	int64_t ns;
	time_t now;

	if (!read_clock(CLOCK_REALTIME, &ns))
		return call(NR_time, (long)t, 0, 0);
	now = ns / NSEC;
	if (t)
		*t = now;
	return now;
}

int __vdso_clock_getres(clockid_t clk, struct timespec *res)
{
	return (int)call(NR_clock_getres, clk, (long)res, 0);
}

/* The CPU that runs us is the host's: only the kernel knows the guest's number.
 */
int __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
	return (int)call(NR_getcpu, (long)cpu, (long)node, (long)unused);
}

#define ALIAS(name)                     \
	__attribute__((weak, alias("__" \
				   "vdso_" #name))) __typeof__(__vdso_##name)
ALIAS(clock_gettime) clock_gettime;
ALIAS(gettimeofday) gettimeofday;
ALIAS(time) time;
ALIAS(clock_getres) clock_getres;
ALIAS(getcpu) getcpu;
