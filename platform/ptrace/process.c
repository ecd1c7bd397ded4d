/*
 * process.c - stub processes: one per guest address space.
 *
 * Theory of operation
 *
 * A stub process holds the guest's mappings and nothing else but the two pages
 * of stub.h.  All stubs share the sentry's descriptor table, so that a mapping
 * is made from a descriptor number; they are descendants of the master stub by
 * clone(CLONE_PARENT), so all are children of the sentry's main thread, have no
 * exit signal, and carry the master's seccomp filter, never the sentry's.
 *
 * The leader of a stub sits in stub_park and runs no guest code.  It works for
 * whoever is not a thread of this stub: seize, run a routine, detach.  "lock"
 * says whose turn it is.  Guest code runs in further threads (context.c).
 *
 * A process begins without a list page of its own: a forked one still has its
 * parent's.  stub_boot puts that right, and makes the first thread in the same
 * run; the thread is kept as "spare" for the first context.
 *
 * End: when the last context goes, a stub is emptied, its thread is parked with
 * clean registers, and aspace_free gives both to the pool; or it is killed
 * then, and reaped in aspace_free. One that was killed from outside is found
 * dead by whoever next waits for one of its threads; the calls here then fail
 * with -ESRCH.
 *
 * The pool holds booted, empty processes for exec: aspace_new takes one, and
 * makes a few at once when there is none.  A process from a former life has no
 * memory and no registers of it but the leader's floating-point state, which is
 * reset before the leader makes a thread.
 */
#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/seccomp.h"
#include "platform/ptrace/ptrace.h"

#define LIST_PAGES 65536 /* stub processes at most; page 0 is the code */
#define POOL_MAX   4

static struct aspace_host *master; /* I after init */

static struct pool {
	struct mutex lock;
	struct list idle GUARDED_BY(lc_stubpool);
	int nidle GUARDED_BY(lc_stubpool);
	unsigned made GUARDED_BY(lc_stubpool);
	unsigned pages GUARDED_BY(lc_stubpool); /* list pages ever used */
	unsigned nfree GUARDED_BY(lc_stubpool);
	unsigned *free GUARDED_BY(lc_stubpool); /* stack of freed ones */
	char *lists;                            /* I: our mapping of the file */
	int hfd;                                /* I: the file */
	bool keys; /* I: the CPU has protection keys, in use */
} pool = { .hfd = -1 };
LOCK_OPS(stubpool, struct pool, lock)

#define CPUID7_OSPKE (1u << 4)

static bool has_protection_keys(void)
{
	unsigned a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & CPUID7_OSPKE);
}

int processes_init(int list_hfd, struct err *e)
{
	void *p, *stack;

	if (ftruncate(list_hfd, (off_t)LIST_PAGES * STUB_PAGE) < 0)
		return err_set(e, errno, "size of the stubs' file: %s",
			strerror(errno));
	p = mmap(NULL, (size_t)LIST_PAGES * STUB_PAGE, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_NORESERVE, list_hfd, 0);
	stack = mmap(NULL, LIST_PAGES * sizeof(unsigned),
		PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED || stack == MAP_FAILED)
		return err_set(
			e, errno, "map the stubs' file: %s", strerror(errno));
	mutex_init(&pool.lock, &lc_stubpool);
	stubpool_lock(&pool);
	list_init(&pool.idle);
	pool.pages = 1;
	pool.free = stack;
	pool.lists = p;
	pool.hfd = list_hfd;
	pool.keys = has_protection_keys();
	stubpool_unlock(&pool);
	return 0;
}

struct stub_call *list_page_ptr(unsigned page)
{
	return (struct stub_call *)(pool.lists + (size_t)page * STUB_PAGE);
}

int list_page_alloc(unsigned *page)
{
	int err = 0;

	stubpool_lock(&pool);
	if (pool.nfree)
		*page = pool.free[--pool.nfree];
	else if (pool.pages < LIST_PAGES)
		*page = pool.pages++;
	else
		err = -EAGAIN;
	stubpool_unlock(&pool);
	return err;
}

static void list_page_free(unsigned page)
{
	stubpool_lock(&pool);
	pool.free[pool.nfree++] = page;
	stubpool_unlock(&pool);
}

void kill_and_reap(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	while (wait4(pid, NULL, __WALL, NULL) < 0 && errno == EINTR)
		;
}

struct aspace_host *process_new(pid_t pid, unsigned page)
{
	struct aspace_host *s = calloc(1, sizeof *s);

	if (!s) {
		list_page_free(page);
		kill_and_reap(pid);
		return NULL;
	}
	*s = (struct aspace_host){
		.pid = pid, .page = page, .list = list_page_ptr(page)
	};
	mutex_init(&s->lock, &lc_stubs);
	list_init(&s->link);
	return s;
}

/* The same, with a list page still to be had. */
static struct aspace_host *process_adopt(pid_t pid)
{
	unsigned page;

	if (list_page_alloc(&page)) {
		kill_and_reap(pid);
		return NULL;
	}
	return process_new(pid, page);
}

void process_set_master(struct aspace_host *s)
{
	master = s;
}

static void process_free(struct aspace_host *s)
{
	bool reaped;

	stubs_lock(s);
	reaped = s->reaped;
	stubs_unlock(s);
	if (!reaped)
		kill_and_reap(s->pid);
	/* Its next user can read it: leave no addresses of this one there. */
	if (s->listed)
		memset(s->list, 0, STUB_PAGE);
	list_page_free(s->page);
	free(s);
}

HOLDS(lc_stubs)
static enum tracee_kind leader_kind(const struct aspace_host *s)
{
	return s->ncontexts ? TRACEE_CROWDED_LEADER : TRACEE_LEADER;
}

HOLDS(lc_stubs)
static int leader_seize(struct aspace_host *s)
{
	int err;

	if (atomic_load(&s->killed))
		return -ESRCH;
	pair_here(s->pid);
	err = tracee_seize(s->pid, leader_kind(s));
	if (err == -ECHILD)
		s->reaped = true;
	if (err == -ECHILD || err == -ESRCH)
		atomic_store(&s->killed, true);
	return err;
}

HOLDS(lc_stubs)
static int leader_call(struct aspace_host *s, struct regs *r)
{
	int err = tracee_run(s->pid, leader_kind(s), r, NULL);

	if (err == -ECHILD)
		s->reaped = true;
	if (err)
		atomic_store(&s->killed, true);
	return err;
}

/* It goes on behind the int3, to stub_park. */
HOLDS(lc_stubs)
static void leader_release(struct aspace_host *s)
{
	if (!atomic_load(&s->killed))
		(void)pt(PTRACE_DETACH, s->pid, 0, 0);
}

HOLDS(lc_stubs)
static int leader_run_locked(struct aspace_host *s, struct regs *r)
{
	int err = leader_seize(s);

	if (!err)
		err = leader_call(s, r);
	if (!err)
		leader_release(s);
	return err ? -ESRCH : 0;
}

HOLDS(lc_stubs)
static int process_boot(struct aspace_host *s)
{
	struct regs r = stub_regs(stub_boot);
	int err;

	r.r12 = (uint64_t)pool.hfd;
	r.r13 = (uint64_t)s->page * STUB_PAGE;
	err = leader_run_locked(s, &r);
	if (err)
		return err;
	if ((int64_t)r.rax < 0)
		return (int)r.rax;
	s->spare = (pid_t)r.rax;
	s->booted = true;
	return 0;
}

int leader_run(struct aspace_host *s, struct regs *r)
{
	int err;

	stubs_lock(s);
	err = s->booted ? 0 : process_boot(s);
	if (!err)
		err = leader_run_locked(s, r);
	stubs_unlock(s);
	return err;
}

static bool is_inside(const struct aspace_host *s, const struct pctx *self)
{
	return self && self->stub == s && self->attached;
}

/* What a tracee of ours that failed means for its process. */
static int stub_failed(struct pctx *self, int err)
{
	self->dead = err == -ECHILD;
	atomic_store(&self->stub->killed, true);
	return -ESRCH;
}

int stub_run(struct aspace_host *s, struct pctx *self, struct regs *r)
{
	int err;

	if (!is_inside(s, self))
		return leader_run(s, r);
	if (self->dead)
		return -ESRCH;
	self->clobbered = true;
	err = tracee_run(self->tid, TRACEE_THREAD, r, &self->kicked);
	if (err)
		return stub_failed(self, err);
	self->plain = true;
	return 0;
}

int stub_calls(struct aspace_host *s, struct pctx *self, unsigned n,
	unsigned *done, int *failed)
{
	struct regs r = stub_regs(pool.keys ? stub_batch_pk : stub_batch);
	uint64_t last = STUB_LIST + (uint64_t)n * STUB_CALL_SIZE;
	int err;

	s->list[n].nr = STUB_CALL_END;
	s->listed = true;
	if (is_inside(s, self)) {
		if (self->dead)
			return -ESRCH;
		self->clobbered = true;
		err = tracee_batch(self->tid, TRACEE_THREAD, self->plain, last,
			&r, &self->kicked);
		if (err)
			return stub_failed(self, err);
		self->plain = true;
	} else {
		err = leader_run(s, &r);
		if (err)
			return err;
	}
	*done = (unsigned)((r.r12 - STUB_LIST) / STUB_CALL_SIZE);
	*failed = *done < n ? (int)r.rax : 0;
	return 0;
}

/* Clones the master up to @n times; returns how many pids it stored. */
static unsigned clone_master(pid_t *pids, unsigned n, int *err)
{
	unsigned got = 0;

	stubs_lock(master);
	*err = leader_seize(master);
	while (!*err && got < n) {
		struct regs r = stub_regs(stub_clone);

		r.rdi = STUB_CLONE_FORK;
		*err = leader_call(master, &r);
		if (*err)
			break;
		if ((int64_t)r.rax < 0) {
			*err = (int)r.rax;
			break;
		}
		pids[got++] = (pid_t)r.rax;
	}
	leader_release(master);
	stubs_unlock(master);
	return got;
}

static void pool_put(struct aspace_host *s)
{
	stubpool_lock(&pool);
	list_add(&pool.idle, &s->link);
	pool.nidle++;
	stubpool_unlock(&pool);
}

/* One process at first, a few at a time once exec proves to be in use. */
static int pool_fill(void)
{
	pid_t pids[POOL_MAX];
	unsigned n, got;
	int err;

	stubpool_lock(&pool);
	n = MIN(1 + pool.made, (unsigned)POOL_MAX);
	pool.made += n;
	stubpool_unlock(&pool);
	got = clone_master(pids, n, &err);
	for (unsigned i = 0; i < got; i++) {
		struct aspace_host *s = process_adopt(pids[i]);
		int boot = -ENOMEM;

		if (s) {
			stubs_lock(s);
			boot = process_boot(s);
			stubs_unlock(s);
		}
		if (!boot)
			pool_put(s);
		else if (s)
			process_free(s);
		if (boot && !err)
			err = boot;
	}
	return err;
}

static struct aspace_host *pool_pop(void)
{
	struct aspace_host *s;

	stubpool_lock(&pool);
	s = list_first(&pool.idle, struct aspace_host, link);
	if (s) {
		list_del(&s->link);
		pool.nidle--;
	}
	stubpool_unlock(&pool);
	return s;
}

/* Somebody outside may have killed an idle one. */
static bool is_alive(struct aspace_host *s)
{
	bool alive;

	stubs_lock(s);
	s->reaped = wait4(s->pid, NULL, __WALL | WNOHANG, NULL) != 0;
	alive = !s->reaped;
	stubs_unlock(s);
	return alive;
}

static struct aspace_host *pool_take(void)
{
	struct aspace_host *s;

	while ((s = pool_pop()) && !is_alive(s))
		process_free(s);
	return s;
}

int ptrace_aspace_new(struct aspace *as)
{
	int err = 0;

	as->host = pool_take();
	if (!as->host) {
		err = pool_fill();
		as->host = pool_take();
	}
	if (as->host)
		return 0;
	return err == -ENOMEM || err == -EAGAIN ? err : -EAGAIN;
}

int ptrace_aspace_fork(
	struct aspace *as, struct aspace *parent, struct pctx *self)
{
	struct regs r = stub_regs(stub_clone);
	int err;

	r.rdi = STUB_CLONE_FORK;
	err = stub_run(parent->host, self, &r);
	if (err)
		return err;
	if ((int64_t)r.rax < 0)
		return (int)r.rax;
	as->host = process_adopt((pid_t)r.rax);
	return as->host ? 0 : -ENOMEM;
}

static bool pool_has_room(void)
{
	bool room;

	stubpool_lock(&pool);
	room = pool.nidle < POOL_MAX;
	stubpool_unlock(&pool);
	return room;
}

/* For an emptied process that nobody else knows any more. */
static void process_renew(struct aspace_host *s)
{
	int64_t cpu = process_cpu_ns(s);

	if (s->listed)
		memset(s->list, 0, STUB_PAGE);
	s->listed = false;
	s->cpu_base += MAX(cpu, 0);
	atomic_store(&s->wall, 0);
	atomic_store(&s->cpu_share, 1);
	atomic_store(&s->share_until, 0);
	stubs_lock(s);
	s->parked = false;
	s->used = true;
	atomic_store(&s->killed, false);
	stubs_unlock(s);
}

void ptrace_aspace_free(struct aspace *as)
{
	struct aspace_host *s = as->host;
	bool parked;

	as->host = NULL;
	stubs_lock(s);
	parked = s->parked;
	stubs_unlock(s);
	if (parked && pool_has_room()) {
		process_renew(s);
		pool_put(s);
	} else {
		process_free(s);
	}
}

/* A guest's thread must not see what another guest's registers held. */
HOLDS(lc_stubs)
static int leader_thread(struct aspace_host *s, struct regs *r)
{
	int err = leader_seize(s);

	if (!err && s->used) {
		err = tracee_reset_fp(s->pid);
		s->used = err != 0;
	}
	if (!err)
		err = leader_call(s, r);
	leader_release(s);
	return err ? -ESRCH : 0;
}

/* A thread of @s for a new context: its tid, or -errno. */
HOLDS(lc_stubs)
static int thread_locked(struct aspace_host *s, pid_t *tid)
{
	struct regs r = stub_regs(stub_clone);
	int err;

	err = s->booted ? 0 : process_boot(s);
	if (err)
		return err;
	if (s->spare) {
		*tid = s->spare;
		s->spare = 0;
		return 0;
	}
	r.rdi = STUB_CLONE_THREAD;
	err = leader_thread(s, &r);
	if (!err && (int64_t)r.rax < 0)
		err = (int)r.rax;
	*tid = (pid_t)r.rax;
	return err;
}

int process_thread(struct aspace_host *s, struct pctx *self, pid_t *tid)
{
	struct regs r = stub_regs(stub_clone);
	int err;

	if (is_inside(s, self)) {
		r.rdi = STUB_CLONE_THREAD;
		err = stub_run(s, self, &r);
		if (!err && (int64_t)r.rax < 0)
			err = (int)r.rax;
		*tid = (pid_t)r.rax;
	} else {
		stubs_lock(s);
		err = thread_locked(s, tid);
		stubs_unlock(s);
	}
	return err;
}

void process_enter(struct aspace_host *s)
{
	stubs_lock(s);
	s->ncontexts++;
	stubs_unlock(s);
}

/* Empties the process by its last thread, and lets that go clean. */
HOLDS(lc_stubs)
static bool process_park(struct aspace_host *s, struct pctx *c)
{
	struct regs r = stub_regs(stub_empty);
	int err;

	if (!c->attached || c->dead || atomic_load(&s->killed) || s->spare ||
		!pool_has_room())
		return false;
	err = tracee_run(c->tid, TRACEE_THREAD, &r, NULL);
	c->dead = err == -ECHILD;
	if (err || r.rax || tracee_reset_fp(c->tid) ||
		pt(PTRACE_DETACH, c->tid, 0, 0))
		return false;
	s->spare = c->tid;
	s->parked = true;
	return true;
}

/* "killed" keeps all others away from now on. */
enum leave process_leave(struct aspace_host *s, struct pctx *c)
{
	enum leave how = LEFT_OTHERS;

	stubs_lock(s);
	if (--s->ncontexts == 0) {
		how = process_park(s, c) ? LEFT_PARKED : LEFT_KILLED;
		atomic_store(&s->killed, true);
		if (how == LEFT_KILLED && !s->reaped)
			(void)kill(s->pid, SIGKILL);
	}
	stubs_unlock(s);
	return how;
}

/* Linux: MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED).  -1: it is gone. */
int64_t process_cpu_ns(const struct aspace_host *s)
{
	struct timespec ts;

	if (syscall(SYS_clock_gettime, (clockid_t)(~(unsigned)s->pid << 3 | 2),
		    &ts) < 0)
		return -1;
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec - s->cpu_base;
}
