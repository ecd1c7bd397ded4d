/*
 * timerfd.c - a timer to wait on: timerfd_create(2).
 *
 * As in Linux, a periodic timer that nobody reads fires once: the expirations
 * since then are counted when it is read, so a short period costs nothing.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "core/clock.h"
#include "core/str.h"
#include "core/timer.h"
#include "core/waitq.h"
#include "kernel/fs/anon.h"
#include "kernel/fs/eventfd.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/time/clocks.h"
#include "kernel/time/ptimer.h"
#include "kernel/vfs/file.h"

struct timerfd {
	struct file f;
	struct mutex lock;
	struct timer timer;
	clockid_t clk;                      /* I */
	int64_t next GUARDED_BY(lc_evfile); /* monotonic; 0: disarmed */
	int64_t interval GUARDED_BY(lc_evfile);
	uint64_t ticks GUARDED_BY(lc_evfile); /* since the last read */
	int settime_flags GUARDED_BY(lc_evfile);
	struct waitq waitq;
};
LOCK_OPS(evfile, struct timerfd, lock)

static struct timerfd *timerfd_of(struct file *f)
{
	return container_of(f, struct timerfd, f);
}

static void timerfd_fire(struct timer *timer)
{
	struct timerfd *tf = container_of(timer, struct timerfd, timer);
	bool fired = false;

	evfile_lock(tf);
	if (tf->next && mono_now() >= tf->next && !tf->ticks) {
		tf->ticks = 1;
		fired = true;
		if (!tf->interval)
			tf->next = 0;
	}
	evfile_unlock(tf);
	if (fired)
		waitq_wake(&tf->waitq, EPOLLIN | EPOLLRDNORM);
}

/* Brings "next" past now; returns how many periods went by. */
HOLDS(lc_evfile)
static uint64_t timerfd_forward(struct timerfd *tf, int64_t now)
{
	uint64_t n;

	if (!tf->interval || now < tf->next)
		return 0;
	n = (uint64_t)(now - tf->next) / (uint64_t)tf->interval + 1;
	/* Up to now it fits; one more may not. */
	tf->next = deadline_after(
		tf->next + (int64_t)(n - 1) * tf->interval, tf->interval);
	return n;
}

static ssize_t timerfd_read(struct file *f, struct uio *to, UNUSED int64_t *pos)
{
	struct timerfd *tf = timerfd_of(f);
	ssize_t ret = -EAGAIN;
	uint64_t n;

	if (uio_left(to) < sizeof n)
		return -EINVAL;
	evfile_lock(tf);
	if (tf->ticks) {
		n = tf->ticks;
		if (tf->next && tf->interval)
			n += timerfd_forward(tf, mono_now()) - 1;
		ret = uio_put(to, &n, sizeof n) == sizeof n ? 8 : -EFAULT;
		if (ret > 0) {
			tf->ticks = 0;
			if (tf->next)
				timer_set(&tf->timer, tf->next);
		} else {
			tf->ticks = n;
		}
	}
	evfile_unlock(tf);
	return ret;
}

static unsigned timerfd_poll(struct file *f)
{
	struct timerfd *tf = timerfd_of(f);
	unsigned ev;

	evfile_lock(tf);
	ev = tf->ticks ? EPOLLIN : 0;
	evfile_unlock(tf);
	return ev;
}

static struct waitq *timerfd_waitq(struct file *f)
{
	return &timerfd_of(f)->waitq;
}

HOLDS(lc_evfile)
static void timerfd_show(struct timerfd *tf, struct itimer_k *it)
{
	int64_t now = mono_now();

	if (tf->ticks && tf->next)
		tf->ticks += timerfd_forward(tf, now) - 1;
	it->interval = tf->interval;
	it->value = tf->next ? MAX(tf->next - now, 1L) : 0;
}

static void timerfd_fdinfo(struct file *f, struct strbuf *out)
{
	struct timerfd *tf = timerfd_of(f);
	struct itimer_k it;
	uint64_t ticks;
	int flags;

	evfile_lock(tf);
	it.interval = tf->interval;
	it.value = tf->next ? MAX(tf->next - mono_now(), 0L) : 0;
	ticks = tf->ticks;
	flags = tf->settime_flags;
	evfile_unlock(tf);
	sb_printf(out,
		"clockid: %d\nticks: %llu\nsettime flags: 0%o\n"
		"it_value: (%lld, %lld)\nit_interval: (%lld, %lld)\n",
		tf->clk, (unsigned long long)ticks, flags,
		(long long)(it.value / NSEC_PER_SEC),
		(long long)(it.value % NSEC_PER_SEC),
		(long long)(it.interval / NSEC_PER_SEC),
		(long long)(it.interval % NSEC_PER_SEC));
}

static void timerfd_release(struct file *f)
{
	struct timerfd *tf = timerfd_of(f);

	timer_cancel(&tf->timer);
	file_fini(f);
	free(tf);
}

static const struct file_ops timerfd_ops = {
	.name = "anon_inode:[timerfd]",
	.seek = anon_seek,
	.read = timerfd_read,
	.poll = timerfd_poll,
	.waitq = timerfd_waitq,
	.fdinfo = timerfd_fdinfo,
	.release = timerfd_release,
};

static bool clock_has_timers(struct task *t, clockid_t clk, int *err)
{
	*err = -EINVAL;
	switch (clk) {
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		*err = -EPERM;
		return task_capable(t, CAP_WAKE_ALARM);
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
		return true;
	}
	return false;
}

LOCKS_UNCHECKED /* not published yet */
	int
	timerfd_open(
		struct task *t, clockid_t clk, int flags, struct file **out)
{
	struct timerfd *tf;
	int err;

	if (!clock_has_timers(t, clk, &err))
		return err;
	tf = calloc(1, sizeof *tf);
	if (!tf)
		return -ENOMEM;
	err = anon_file_init(&tf->f, &timerfd_ops,
		O_RDWR | (flags & O_NONBLOCK), 0600, t->cred);
	if (err) {
		free(tf);
		return err;
	}
	mutex_init(&tf->lock, &lc_evfile);
	waitq_init(&tf->waitq);
	timer_init(&tf->timer, timerfd_fire);
	tf->clk = clk;
	*out = &tf->f;
	return 0;
}

/* The time as a CLOCK_MONOTONIC deadline, never 0. */
static int64_t timerfd_deadline(
	const struct timerfd *tf, int flags, int64_t value)
{
	clockid_t clk = tf->clk;

	if (!(flags & TFD_TIMER_ABSTIME))
		return deadline_after(mono_now(), value);
	if (clk == CLOCK_REALTIME_ALARM)
		clk = CLOCK_REALTIME;
	if (clk == CLOCK_BOOTTIME_ALARM)
		clk = CLOCK_BOOTTIME;
	return MAX(clock_deadline(clk, value), 1L);
}

/*
 * GAP: the clock is the host's and never set by the guest, so a timer with
 * TFD_TIMER_CANCEL_ON_SET is never cancelled.
 */
int timerfd_set(struct file *f, int flags, const struct itimer_k *new,
	struct itimer_k *old)
{
	struct timerfd *tf;

	if (f->ops != &timerfd_ops)
		return -EINVAL;
	tf = timerfd_of(f);
	evfile_lock(tf);
	/* A callback that runs now waits for the lock, and sees the new time.
	 */
	(void)timer_cancel_nowait(&tf->timer);
	if (old)
		timerfd_show(tf, old);
	tf->ticks = 0;
	tf->interval = new->interval;
	tf->settime_flags = flags;
	tf->next = new->value ? timerfd_deadline(tf, flags, new->value) : 0;
	if (tf->next)
		timer_set(&tf->timer, tf->next);
	evfile_unlock(tf);
	return 0;
}

int timerfd_left(struct file *f, struct itimer_k *now)
{
	struct timerfd *tf;

	if (f->ops != &timerfd_ops)
		return -EINVAL;
	tf = timerfd_of(f);
	evfile_lock(tf);
	timerfd_show(tf, now);
	evfile_unlock(tf);
	return 0;
}
