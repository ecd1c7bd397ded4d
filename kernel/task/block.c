/*
 * block.c - sleeping, waking and kicking.
 *
 * A task sleeps on its park.  Whoever wants it sets bits in t->work first, then
 * wakes the park and, when it may be in guest code, kicks its context.  No
 * wake-up is lost:
 *
 *	task				kicker
 *	in_guest = true			work |= bits
 *	test work			park_wake()
 *	pctx_switch() or not		test in_guest: pctx_kick()
 *
 * Both sides are sequentially consistent, so at least one of them sees the
 * other; a kick is remembered until the next switch, and a wake-up until
 * the next park_wait().
 *
 * task_block() looks at t->work only on its way in: a caller that was woken
 * tests its condition first, so that data that came together with a signal
 * wins, as in Linux.
 *
 * task_barrier() waits for others to leave guest code.  TASK_WORK_CALL makes
 * each pass task_called(), which wakes it: on the way back to guest code, or on
 * the way to sleep.
 */
#include <errno.h>

#include "core/waitq.h"
#include "kernel/task/internal.h"
#include "platform/platform.h"

#define WORK_INTERRUPTS (TASK_WORK_SIGNAL | TASK_WORK_EXIT | TASK_WORK_STOP)

void task_set_state(struct task *t, enum task_state s)
{
	atomic_store_explicit(&t->state, s, memory_order_relaxed);
}

static int task_sleep(struct task *t, int64_t deadline, enum task_state s)
{
	int ret;

	task_set_state(t, s);
	atomic_fetch_add_explicit(&t->nvcsw, 1, memory_order_relaxed);
	if (platform->pctx_block && t->pctx)
		platform->pctx_block(t->pctx, true);
	ret = park_wait(&t->park, deadline);
	if (platform->pctx_block && t->pctx)
		platform->pctx_block(t->pctx, false);
	task_set_state(t, TASK_RUNNING);
	return ret;
}

/* Those who wait in task_barrier(), all containers together. */
static struct waitq barrier_waitq;

void task_block_init(void)
{
	waitq_init(&barrier_waitq);
}

void task_called(struct task *t)
{
	if (!(atomic_load(&t->work) & TASK_WORK_CALL))
		return;
	atomic_fetch_and(&t->work, ~TASK_WORK_CALL);
	waitq_wake(&barrier_waitq, 0);
}

int task_block(struct task *t, int64_t deadline)
{
	unsigned work = atomic_load(&t->work);

	if (unlikely(work)) {
		if (work & WORK_INTERRUPTS)
			return -ERESTARTSYS;
		/* Frozen where it is: the caller sees a spurious wake-up. */
		if (work & TASK_WORK_FREEZE) {
			task_freeze(t);
			return 0;
		}
		task_called(t);
	}
	return task_sleep(t, deadline, TASK_SLEEPING);
}

int task_block_killable(struct task *t, int64_t deadline)
{
	unsigned work = atomic_load(&t->work);

	if (unlikely(work)) {
		if (work & TASK_WORK_EXIT)
			return -EINTR;
		if (work & TASK_WORK_FREEZE) {
			task_freeze(t);
			return 0;
		}
		task_called(t);
	}
	return task_sleep(t, deadline, TASK_DISK);
}

void task_kick(struct task *t, unsigned work)
{
	atomic_fetch_or(&t->work, work);
	park_wake(&t->park);
	if (!atomic_load(&t->in_guest) || t == current)
		return;
	/* The context goes away under this lock only. */
	mutex_acquire(&t->res_lock);
	if (t->pctx && atomic_load(&t->in_guest))
		platform->pctx_kick(t->pctx);
	mutex_release(&t->res_lock);
}

void waiter_init_task(struct waiter *w, struct task *t)
{
	*w = (struct waiter){ .park = &t->park };
	list_init(&w->link);
}

void task_freeze(struct task *t)
{
	enum task_state old = atomic_load(&t->state);
	struct pid_ns *ns = t->tg->pid_ns;

	atomic_store(&t->frozen, true);
	waitq_wake(&ns->waitq, 0);
	task_set_state(t, TASK_STOPPED);
	while ((atomic_load(&t->work) & (TASK_WORK_FREEZE | TASK_WORK_EXIT)) ==
		TASK_WORK_FREEZE)
		(void)park_wait(&t->park, NO_DEADLINE); /* no deadline: 0 */
	task_set_state(t, old);
	atomic_store(&t->frozen, false);
}

/* False: @o is not in guest code, or has been out of it since @seen. */
static bool still_inside(struct task *o, unsigned seen)
{
	return atomic_load(&o->in_guest) && atomic_load(&o->switches) == seen;
}

/* One thread at a time: the others leave guest code meanwhile, too. */
static int wait_outside(struct task *t, struct task *o)
{
	unsigned seen = atomic_load(&o->switches);
	int ret = 0;

	if (!still_inside(o, seen))
		return 0;
	task_kick(o, TASK_WORK_CALL);
	while (!ret && still_inside(o, seen))
		ret = task_block_killable(t, NO_DEADLINE);
	return ret;
}

int task_barrier(struct task *t, bool everyone)
{
	struct pid_ns *ns = t->tg->pid_ns;
	struct task *o;
	struct waiter w;
	int ret = 0;

	waiter_init_task(&w, t);
	waitq_add(&barrier_waitq, &w, 0);
	t->wait_what = "membarrier";
	for (int tid = 1; !ret && (o = task_next(ns, tid)); task_put(o)) {
		tid = o->tid + 1;
		if (o != t && (everyone || o->mm == t->mm))
			ret = wait_outside(t, o);
	}
	t->wait_what = NULL;
	waitq_remove(&barrier_waitq, &w);
	return ret;
}
