/* sys_futex.c - futex, futex_waitv, robust lists. */
#include <errno.h>
#include <linux/futex.h>
#include <time.h>

#include "core/clock.h"
#include "kernel/mm/mm.h"
#include "kernel/syscall/syscall.h"
#include "kernel/task/futex.h"
#include "kernel/task/task.h"
#include "kernel/time/clocks.h"

#define ROBUST_HEAD_SIZE 24

static bool takes_timeout(int cmd)
{
	return cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET ||
	       cmd == FUTEX_LOCK_PI || cmd == FUTEX_LOCK_PI2 ||
	       cmd == FUTEX_WAIT_REQUEUE_PI;
}

/* FUTEX_WAIT's time-out is relative; the others are absolute, of a clock. */
static int read_deadline(struct task *t, uaddr_t utime, struct futex_op *f)
{
	bool realtime = f->realtime || f->op == FUTEX_LOCK_PI;
	int64_t ns;
	int err;

	f->deadline = NO_DEADLINE;
	if (uaddr_null(utime))
		return 0;
	err = copyin_timespec(t, utime, &ns);
	if (err)
		return err;
	if (f->op == FUTEX_WAIT)
		f->deadline = deadline_after(mono_now(), ns);
	else
		f->deadline = clock_deadline(
			realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC, ns);
	return 0;
}

/* GAP: a lock with an owner passes no priority on: task/futex_pi.c. */
long sys_futex(struct task *t, struct sysargs a)
{
	int op = arg_int(a, 1);
	struct futex_op f = { .addr = a.r[0],
		.addr2 = a.r[4],
		.op = op & FUTEX_CMD_MASK,
		.shared = !(op & FUTEX_PRIVATE_FLAG),
		.realtime = op & FUTEX_CLOCK_REALTIME,
		.val = arg_uint(a, 2),
		.val2 = arg_uint(a, 3),
		.val3 = arg_uint(a, 5),
		.deadline = NO_DEADLINE };
	int err;

	if (f.realtime && f.op != FUTEX_WAIT && f.op != FUTEX_WAIT_BITSET &&
		f.op != FUTEX_LOCK_PI2 && f.op != FUTEX_WAIT_REQUEUE_PI)
		return -ENOSYS;
	if (takes_timeout(f.op)) {
		err = read_deadline(t, arg_addr(a, 3), &f);
		if (err)
			return err;
	}
	return futex_do(t, &f);
}

/* FUTEX2_SIZE_U32 is the only size that Linux has. */
long sys_futex_waitv(struct task *t, struct sysargs a)
{
	struct futex_waitv_k v[FUTEX_WAITV_MAX];
	unsigned n = arg_uint(a, 1);
	int clk = arg_int(a, 4);
	int64_t deadline = NO_DEADLINE, ns;
	int err;

	if (arg_uint(a, 2) || n == 0 || n > FUTEX_WAITV_MAX ||
		uaddr_null(arg_addr(a, 0)))
		return -EINVAL;
	if (!uaddr_null(arg_addr(a, 3))) {
		if (clk != CLOCK_MONOTONIC && clk != CLOCK_REALTIME)
			return -EINVAL;
		err = copyin_timespec(t, arg_addr(a, 3), &ns);
		if (err)
			return err;
		deadline = clock_deadline(clk, ns);
	}
	err = copyin(t, v, arg_addr(a, 0), n * sizeof v[0]);
	if (err)
		return err;
	for (unsigned i = 0; i < n; i++)
		if (v[i].reserved || v[i].val >> 32 ||
			(v[i].flags & ~(uint32_t)FUTEX_PRIVATE_FLAG) !=
				FUTEX_32)
			return -EINVAL;
	return futex_wait_many(t, v, n, deadline);
}

long sys_set_robust_list(struct task *t, struct sysargs a)
{
	if (arg_size(a, 1) != ROBUST_HEAD_SIZE)
		return -EINVAL;
	t->robust_list = a.r[0];
	t->robust_len = arg_size(a, 1);
	return 0;
}

long sys_get_robust_list(struct task *t, struct sysargs a)
{
	uint64_t out[2] = { 0, ROBUST_HEAD_SIZE };
	int tid = arg_int(a, 0), err = 0;
	struct task *of = tid ? task_lookup(t->tg->pid_ns, tid) : task_get(t);

	if (!of)
		return -ESRCH;
	if (of != t)
		err = task_may_access(t, of);
	out[0] = of->robust_list;
	task_put(of);
	if (!err)
		err = copyout(t, arg_addr(a, 2), &out[1], sizeof out[1]);
	if (!err)
		err = copyout(t, arg_addr(a, 1), &out[0], sizeof out[0]);
	return err;
}
