/*
 * exec.c - execve(2): the calling task begins a new program.
 *
 * Everything that can fail comes first: names and strings are copied in, the
 * new address space and a context in it are built beside the old ones.  Then
 * the other threads end, and the new parts are swapped in; from there on
 * nothing can fail.
 */
#include "kernel/task/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include "core/log.h"
#include "kernel/arch/arch.h"
#include "kernel/kernel.h"
#include "kernel/loader/loader.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/task/futex.h"
#include "kernel/task/internal.h"
#include "kernel/time/ptimer.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"
#include "platform/platform.h"

#define ARG_STRING_MAX 131072 /* MAX_ARG_STRLEN */
#define ARG_SPACE_MIN  (128UL << 10)
#define ARG_SPACE_MAX  (6UL << 20)
/* What a program that gains rights must not inherit: PER_CLEAR_ON_SETID. */
#define PERSONALITY_UNSAFE \
	(ADDR_NO_RANDOMIZE | ADDR_COMPAT_LAYOUT | MMAP_PAGE_ZERO)
#define VFS_CAP_REVISION_1 0x01000000u
#define VFS_CAP_REVISION_2 0x02000000u
#define VFS_CAP_REVISION_3 0x03000000u

/* --- argv and envp of the guest */

/* One string onto the end of @v; E2BIG when it or the sum is too long. */
static int add_user_string(
	struct task *t, struct exec *x, struct strvec *v, uint64_t addr)
{
	size_t room = 256;

	for (;;) {
		ssize_t n;

		if (v->cap - v->len < room) {
			size_t cap = MAX(v->cap * 2, v->len + room);
			char *p = realloc(v->buf, cap);

			if (!p)
				return -ENOMEM;
			v->buf = p;
			v->cap = cap;
		}
		room = MIN(v->cap - v->len, (size_t)ARG_STRING_MAX);
		n = copyinstr(t, v->buf + v->len, uaddr(addr), room);
		if (n >= 0) {
			v->len += (size_t)n + 1;
			v->n++;
			return x->args.len + x->env.len > x->limit ? -E2BIG : 0;
		}
		if (n != -ENAMETOOLONG)
			return (int)n;
		if (room >= ARG_STRING_MAX)
			return -E2BIG;
		room *= 4;
	}
}

/* The strings that the NULL-terminated array at @array points to. */
static int add_user_vector(
	struct task *t, struct exec *x, struct strvec *v, uaddr_t array)
{
	uint64_t ptr[64];
	int ret;

	if (uaddr_null(array))
		return 0;
	for (;;) {
		/* Not beyond the page: the next one may not be there. */
		size_t n = (PAGE_SIZE - array.v % PAGE_SIZE) / sizeof ptr[0];

		if (n > ARRAY_SIZE(ptr))
			n = ARRAY_SIZE(ptr);
		if (n == 0)
			n = 1;
		ret = copyin(t, ptr, array, n * sizeof ptr[0]);
		if (ret)
			return ret;
		for (size_t i = 0; i < n; i++) {
			if (!ptr[i])
				return 0;
			if ((size_t)(x->args.n + x->env.n) * 8 > x->limit)
				return -E2BIG;
			ret = add_user_string(t, x, v, ptr[i]);
			if (ret)
				return ret;
		}
		array = uaddr_add(array, n * sizeof ptr[0]);
	}
}

static int check_space(struct exec *x)
{
	size_t ptrs = (size_t)(x->args.n + x->env.n) * 8;

	if (ptrs >= x->limit ||
		x->args.len + x->env.len + strlen(x->filename) + 1 >
			x->limit - ptrs)
		return -E2BIG;
	return 0;
}

/* --- the file */

/* "/dev/fd/N" stands for a descriptor in AT_EXECFN, as in Linux. */
static int name_file(struct exec *x, int dfd, const char *path)
{
	char *name = NULL;

	if (dfd == AT_FDCWD || *path == '/')
		name = strdup(path);
	else if (asprintf(&name, *path ? "/dev/fd/%d/%s" : "/dev/fd/%d", dfd,
			 path) < 0)
		name = NULL;
	x->filename = name;
	return name ? 0 : -ENOMEM;
}

static uint64_t le64_of(const uint8_t *lo, const uint8_t *hi)
{
	uint64_t v = 0;

	for (int i = 3; i >= 0; i--)
		v = v << 8 | hi[i];
	for (int i = 3; i >= 0; i--)
		v = v << 8 | lo[i];
	return v;
}

struct file_caps {
	uint64_t permitted, inheritable;
	bool effective;
};

/* security.capability: capabilities(7), struct vfs_cap_data. */
static void read_file_caps(struct inode *in, struct file_caps *fc)
{
	uint8_t b[24];
	ssize_t n;
	uint32_t magic;

	*fc = (struct file_caps){ 0 };
	if (!in->ops->getxattr)
		return;
	n = in->ops->getxattr(in, "security.capability", b, sizeof b);
	if (n < 12)
		return;
	magic = (uint32_t)b[3] << 24;
	if (magic == VFS_CAP_REVISION_1 && n == 12) {
		static const uint8_t none[4];

		fc->permitted = le64_of(b + 4, none);
		fc->inheritable = le64_of(b + 8, none);
	} else if ((magic == VFS_CAP_REVISION_2 && n == 20) ||
		   (magic == VFS_CAP_REVISION_3 && n == 24)) {
		fc->permitted = le64_of(b + 4, b + 12);
		fc->inheritable = le64_of(b + 8, b + 16);
	} else {
		return;
	}
	fc->effective = b[0] & 1;
	fc->permitted &= CAP_ALL;
	fc->inheritable &= CAP_ALL;
}

static int choose_cred(struct exec *x)
{
	struct file *f = x->file;
	struct inode *in = f->inode;
	bool suid = kernel.conf.allow_suid &&
		    !(f->path.mnt &&
			    (atomic_load(&f->path.mnt->flags) & MS_NOSUID));
	struct file_caps fc = { 0 };

	if (suid)
		read_file_caps(in, &fc);
	x->cred = cred_for_exec(task_cred(x->t), atomic_load(&in->mode),
		atomic_load(&in->uid), atomic_load(&in->gid), fc.permitted,
		fc.inheritable, fc.effective, suid, &x->secure);
	if (!x->cred)
		return -ENOMEM;
	x->personality = x->t->personality & ~(unsigned)READ_IMPLIES_EXEC;
	if (x->secure)
		x->personality &= ~(unsigned)PERSONALITY_UNSAFE;
	/* Linux: a file that asks for capabilities it cannot have does not run.
	 */
	if (fc.effective && (fc.permitted & ~x->cred->permitted))
		return -EPERM;
	return 0;
}

/* --- the new address space */

/*
 * Runs with the new context as the task's own, so that mappings go through
 * it; the old one comes back on failure.
 */
static int build_mm(struct exec *x)
{
	struct task *t = x->t;
	struct pctx *old = t->pctx, *new;
	int ret;

	ret = mm_create(&x->mm);
	if (ret)
		return ret;
	ret = platform->pctx_new(&x->mm->as, old, &new);
	if (ret)
		return ret;
	ret = platform->pctx_attach(new);
	if (ret) {
		platform->pctx_free(new);
		return ret;
	}
	mutex_acquire(&t->res_lock);
	t->pctx = new;
	mutex_release(&t->res_lock);
	ret = load_map(x);
	if (ret) {
		mutex_acquire(&t->res_lock);
		t->pctx = old;
		mutex_release(&t->res_lock);
		platform->pctx_free(new);
		return ret;
	}
	x->old_pctx = old;
	return 0;
}

static void undo_mm(struct exec *x)
{
	struct task *t = x->t;
	struct pctx *new = t->pctx;

	mutex_acquire(&t->res_lock);
	t->pctx = x->old_pctx;
	mutex_release(&t->res_lock);
	platform->pctx_free(new);
}

/* --- past the point of no return */

static void leave_old_mm(struct task *t)
{
	static const uint32_t zero;

	if (!t->mm)
		return;
	task_note_rss(t);
	futex_exit_robust(t);
	futex_exit_pi(t);
	t->robust_list = 0;
	if (t->clear_tid && atomic_load(&t->mm->ref.n) > 1 &&
		copyout(t, uaddr(t->clear_tid), &zero, sizeof zero) == 0)
		(void)futex_wake_addr(t, t->clear_tid, 1);
	t->clear_tid = 0;
}

static void install_mm(struct exec *x)
{
	struct task *t = x->t;
	struct mm *old = t->mm;

	leave_old_mm(t);
	mutex_acquire(&t->res_lock);
	if (old)
		atomic_store(
			&x->mm->dump_filter, atomic_load(&old->dump_filter));
	t->mm = x->mm;
	mutex_release(&t->res_lock);
	x->mm = NULL;
	if (x->old_pctx)
		platform->pctx_free(x->old_pctx);
	if (old)
		mm_put(old);
	task_vfork_done(t);
}

/* Handlers are gone with the old program; what was ignored stays so. */
static void reset_signals(struct task *t)
{
	struct tgroup *tg = t->tg;
	struct sighand *own = NULL, *old;

	if (atomic_load(&tg->sighand->ref.n) > 1)
		own = sighand_copy(tg->sighand);
	sighand_lock(tg);
	old = tg->sighand;
	if (own)
		tg->sighand = own;
	sighand_reset(tg->sighand, false);
	sighand_unlock(tg);
	if (own)
		sighand_put(old);
	t->sas_sp = t->sas_size = 0;
	t->sas_flags = SS_DISABLE;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void become(struct exec *x)
{
	struct task *t = x->t;
	struct tgroup *tg = t->tg;
	bool changed = x->secure || x->cred->euid != t->cred->euid ||
		       x->cred->egid != t->cred->egid;

	if (tg->timers)
		ptimers_exec(tg);
	reset_signals(t);
	atomic_store(&tg->membarrier, 0);
	fdtable_exec(t);
	task_set_comm(t, base_name(x->filename));
	if (changed)
		t->pdeath_signal = 0;
	cred_commit(t, x->cred);
	x->cred = NULL;
	atomic_store(&t->mm->dumpable, !changed);
	tasklist_lock(&tasklist);
	tg->did_exec = true;
	tg->exit_signal = SIGCHLD;
	tasklist_unlock(&tasklist);
	arch_start_regs(&t->regs, x->entry, x->sp);
	arch_reset_fp(t);
	t->regs_dirty = REGS_ALL;
	t->orig_rax = (uint64_t)-1;
	t->personality = x->personality;
	t->step = false;
}

static int exec_run(struct exec *x)
{
	int ret;

	ret = load_file(x);
	if (!ret)
		ret = check_space(x);
	if (!ret)
		ret = choose_cred(x);
	if (!ret)
		ret = build_mm(x);
	if (ret)
		return ret;
	if (x->t->mm) { /* not the first program of a process from outside */
		ret = task_dethread(x->t);
		if (ret) {
			undo_mm(x);
			return ret;
		}
	}
	install_mm(x);
	become(x);
	return 0;
}

static void set_limit(struct exec *x)
{
	uint64_t stack = task_rlimit(x->t, RLIMIT_STACK) / 4;

	stack = MIN(stack, ARG_SPACE_MAX);
	x->limit = MAX(stack, ARG_SPACE_MIN);
}

/* Linux 5.18: a program always has an argv[0]. */
static int fix_args(struct exec *x)
{
	return x->args.n ? 0 : strvec_add(&x->args, "");
}

long task_exec(struct task *t, int dfd, const char *path, uaddr_t argv,
	uaddr_t envp, int flags)
{
	struct exec x = { .t = t };
	int ret;

	if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	set_limit(&x);
	ret = exec_open(t, dfd, path, flags, &x.file);
	if (!ret)
		ret = name_file(&x, dfd, path);
	if (!ret)
		ret = add_user_vector(t, &x, &x.args, argv);
	if (!ret)
		ret = add_user_vector(t, &x, &x.env, envp);
	if (!ret)
		ret = fix_args(&x);
	if (!ret && dfd != AT_FDCWD && *path != '/')
		x.hidden = fd_get_cloexec(t, dfd) == 1;
	if (!ret)
		ret = exec_run(&x);
	exec_fini(&x);
	return ret;
}

int exec_first(struct task *t, const char *path, const char *const *argv,
	const char *const *envp)
{
	struct exec x = { .t = t };
	int ret;

	set_limit(&x);
	ret = exec_open(t, AT_FDCWD, path, 0, &x.file);
	if (!ret)
		ret = name_file(&x, AT_FDCWD, path);
	for (; argv && *argv && !ret; argv++)
		ret = strvec_add(&x.args, *argv);
	for (; envp && *envp && !ret; envp++)
		ret = strvec_add(&x.env, *envp);
	if (!ret)
		ret = fix_args(&x);
	if (!ret)
		ret = exec_run(&x);
	exec_fini(&x);
	return ret;
}

int exec_check(struct task *t, const char *path)
{
	struct exec x = { .t = t };
	int ret;

	ret = exec_open(t, AT_FDCWD, path, 0, &x.file);
	if (!ret)
		ret = name_file(&x, AT_FDCWD, path);
	if (!ret)
		ret = fix_args(&x);
	if (!ret)
		ret = load_file(&x);
	exec_fini(&x);
	return ret;
}
