/* sys_signal.c - signals. */
#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "kernel/arch/arch.h"
#include "kernel/mm/mm.h"
#include "kernel/syscall/syscall.h"
#include "kernel/task/internal.h"
#include "kernel/time/clocks.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif
#define MINSIGSTKSZ_KERNEL 2048

/* --- masks and actions */

static int copyin_set(struct task *t, uaddr_t u, size_t size, ksigset_t *set)
{
	if (size != sizeof *set)
		return -EINVAL;
	return copyin(t, set, u, sizeof *set);
}

long sys_rt_sigprocmask(struct task *t, struct sysargs a)
{
	ksigset_t old = t->blocked, set;

	if (arg_size(a, 3) != sizeof set)
		return -EINVAL;
	if (!uaddr_null(arg_addr(a, 1))) {
		if (copyin(t, &set, arg_addr(a, 1), sizeof set))
			return -EFAULT;
		switch (arg_int(a, 0)) {
		case SIG_BLOCK:
			signal_set_blocked(t, old | set);
			break;
		case SIG_UNBLOCK:
			signal_set_blocked(t, old & ~set);
			break;
		case SIG_SETMASK:
			signal_set_blocked(t, set);
			break;
		default:
			return -EINVAL;
		}
	}
	if (uaddr_null(arg_addr(a, 2)))
		return 0;
	return copyout(t, arg_addr(a, 2), &old, sizeof old);
}

long sys_rt_sigaction(struct task *t, struct sysargs a)
{
	bool set = !uaddr_null(arg_addr(a, 1));
	struct sigaction_k new, old;
	int ret;

	if (arg_size(a, 3) != sizeof new.mask)
		return -EINVAL;
	if (set && copyin(t, &new, arg_addr(a, 1), sizeof new))
		return -EFAULT;
	ret = signal_action(t, arg_int(a, 0), set ? &new : NULL, &old);
	if (ret || uaddr_null(arg_addr(a, 2)))
		return ret;
	return copyout(t, arg_addr(a, 2), &old, sizeof old);
}

long sys_rt_sigpending(struct task *t, struct sysargs a)
{
	ksigset_t set = signal_pending_set(t) & t->blocked;

	if (arg_size(a, 1) > sizeof set)
		return -EINVAL;
	return copyout(t, arg_addr(a, 0), &set, arg_size(a, 1));
}

long sys_rt_sigreturn(struct task *t, struct sysargs a)
{
	(void)a;
	return arch_sigreturn(t);
}

/* --- waiting */

long sys_pause(struct task *t, struct sysargs a)
{
	int ret;

	(void)a;
	t->wait_what = "signal";
	do
		ret = task_block(t, NO_DEADLINE);
	while (!ret);
	t->wait_what = NULL;
	return ret == -ERESTARTSYS ? -ERESTARTNOHAND : ret;
}

long sys_rt_sigsuspend(struct task *t, struct sysargs a)
{
	ksigset_t set;
	int ret;

	ret = copyin_set(t, arg_addr(a, 0), arg_size(a, 1), &set);
	if (ret)
		return ret;
	signal_set_temporary(t, set);
	return sys_pause(t, a);
}

long sys_rt_sigtimedwait(struct task *t, struct sysargs a)
{
	int64_t ns, deadline = NO_DEADLINE;
	ksigset_t set;
	siginfo_t si;
	long ret;

	ret = copyin_set(t, arg_addr(a, 0), arg_size(a, 3), &set);
	if (ret)
		return ret;
	if (!uaddr_null(arg_addr(a, 2))) {
		ret = copyin_timespec(t, arg_addr(a, 2), &ns);
		if (ret)
			return ret;
		deadline = ns ? deadline_after(mono_now(), ns) : 0;
	}
	t->wait_what = "signal";
	ret = signal_timedwait(t, set, &si, deadline);
	t->wait_what = NULL;
	if (ret > 0 && !uaddr_null(arg_addr(a, 1)) &&
		copyout(t, arg_addr(a, 1), &si, sizeof si))
		return -EFAULT;
	return ret;
}

long sys_restart_syscall(struct task *t, struct sysargs a)
{
	long (*fn)(struct task *) = t->restart.fn;

	(void)a;
	return fn ? fn(t) : -EINTR;
}

/* --- sending */

/* One process that the caller may signal; sig 0 only asks. */
long sys_kill(struct task *t, struct sysargs a)
{
	siginfo_t si;

	siginfo_user(&si, arg_int(a, 1), SI_USER, t);
	return signal_kill_pid(t, arg_int(a, 0), arg_int(a, 1), &si);
}

static long do_tkill(
	struct task *t, int tgid, int tid, int sig, const siginfo_t *si)
{
	struct task *o;
	long ret;

	if (tid <= 0)
		return -EINVAL;
	o = task_lookup(t->tg->pid_ns, tid);
	if (!o)
		return -ESRCH;
	if (tgid && o->tg->tgid != tgid) {
		ret = -ESRCH;
	} else if (sig < 0 || sig > NSIG_GUEST) {
		ret = -EINVAL;
	} else {
		ret = signal_permitted(t, o->tg, sig);
		if (!ret && sig)
			ret = signal_send(o, sig, si);
	}
	task_put(o);
	return ret;
}

long sys_tkill(struct task *t, struct sysargs a)
{
	siginfo_t si;

	siginfo_user(&si, arg_int(a, 1), SI_TKILL, t);
	return do_tkill(t, 0, arg_int(a, 0), arg_int(a, 1), &si);
}

long sys_tgkill(struct task *t, struct sysargs a)
{
	siginfo_t si;

	if (arg_int(a, 0) <= 0)
		return -EINVAL;
	siginfo_user(&si, arg_int(a, 2), SI_TKILL, t);
	return do_tkill(t, arg_int(a, 0), arg_int(a, 1), arg_int(a, 2), &si);
}

/* Nobody may pretend to be the kernel, or kill(2), to another process. */
static bool forged(struct task *t, int pid, const siginfo_t *si)
{
	return (si->si_code >= 0 || si->si_code == SI_TKILL) &&
	       pid != t->tg->tgid;
}

long sys_rt_sigqueueinfo(struct task *t, struct sysargs a)
{
	int pid = arg_int(a, 0), sig = arg_int(a, 1);
	struct tgroup *tg;
	siginfo_t si;
	long ret;

	if (copyin(t, &si, arg_addr(a, 2), sizeof si))
		return -EFAULT;
	si.si_signo = sig;
	if (forged(t, pid, &si))
		return -EPERM;
	if (pid <= 0)
		return -ESRCH;
	tg = tgroup_lookup(t->tg->pid_ns, pid);
	if (!tg) { /* a thread's id names its process, as in kill(2) */
		struct task *o = task_lookup(t->tg->pid_ns, pid);

		if (!o)
			return -ESRCH;
		tg = tgroup_get(o->tg);
		task_put(o);
	}
	ret = signal_kill(t, tg, sig, &si);
	tgroup_put(tg);
	return ret;
}

long sys_rt_tgsigqueueinfo(struct task *t, struct sysargs a)
{
	siginfo_t si;

	if (copyin(t, &si, arg_addr(a, 3), sizeof si))
		return -EFAULT;
	si.si_signo = arg_int(a, 2);
	if (arg_int(a, 0) <= 0)
		return -EINVAL;
	if (forged(t, arg_int(a, 1), &si))
		return -EPERM;
	return do_tkill(t, arg_int(a, 0), arg_int(a, 1), arg_int(a, 2), &si);
}

/* --- alternate stack */

struct stack_abi {
	uint64_t sp;
	int32_t flags;
	uint32_t pad;
	uint64_t size;
};

static bool on_altstack(struct task *t)
{
	uint64_t sp = t->regs.rsp;

	return !((unsigned)t->sas_flags & SS_AUTODISARM) && t->sas_size &&
	       sp > t->sas_sp && sp - t->sas_sp <= t->sas_size;
}

static int set_altstack(struct task *t, const struct stack_abi *s)
{
	unsigned mode = (unsigned)s->flags & ~SS_AUTODISARM;

	if (on_altstack(t))
		return -EPERM;
	if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		t->sas_sp = t->sas_size = 0;
		t->sas_flags = s->flags;
		return 0;
	}
	if (s->size < MINSIGSTKSZ_KERNEL)
		return -ENOMEM;
	t->sas_sp = s->sp;
	t->sas_size = s->size;
	t->sas_flags = s->flags;
	return 0;
}

long sys_sigaltstack(struct task *t, struct sysargs a)
{
	struct stack_abi new, old = { 0 };
	int ret = 0;

	if (!uaddr_null(arg_addr(a, 0)) &&
		copyin(t, &new, arg_addr(a, 0), sizeof new))
		return -EFAULT;
	old.sp = t->sas_sp;
	old.size = t->sas_size;
	old.flags = (!t->sas_size            ? SS_DISABLE
			    : on_altstack(t) ? SS_ONSTACK
					     : 0) |
		    (t->sas_flags & (int32_t)SS_AUTODISARM);
	if (!uaddr_null(arg_addr(a, 0)))
		ret = set_altstack(t, &new);
	if (!ret && !uaddr_null(arg_addr(a, 1)))
		ret = copyout(t, arg_addr(a, 1), &old, sizeof old);
	return ret;
}
