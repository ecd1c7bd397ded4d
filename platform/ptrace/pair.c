/*
 * pair.c - keeps a tracer and its stub thread on one CPU.
 *
 * Tracer and stub thread take turns: on two CPUs each turn wakes an idle one
 * (50 µs), on one CPU it is a context switch (7 µs).  So both are pinned to one
 * CPU while their runs are short, and set free when a run turns out to be long,
 * because then the scheduler knows better.  A new pair begins pinned: programs
 * begin with many faults and calls.
 *
 * "load" counts the pairs on each CPU that are not blocked.  A pair goes where
 * the load is least, and stays where it is among equals.
 *
 * A pinned pair that computes makes no call at which it could be set free, and
 * two of them may share a CPU.  So while any pinned pair is not blocked, a
 * timer looks every TICK at all of them, frees those in a long run and moves
 * one from a crowded CPU.  With all pairs blocked there is no timer.
 *
 * When a pair is woken again and again right after another pair has blocked on
 * another CPU (two ends of a pipe), it moves there: then the hand-over is a
 * context switch too.  If both turn out to want the CPU at once, the timer
 * parts them.
 */
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/thread.h"
#include "core/timer.h"
#include "platform/ptrace/ptrace.h"

#define LONG_RUN  2000000 /* ns: sets a pair free */
#define SHORT_RUN 200000
#define SHORTS    4       /* short runs in a row that pin a pair */
#define FREE_TIME 2000000 /* ns without pinning after a long run */
#define TICK      5000000
#define HAND_OVER                                                   \
	150000 /* ns from a block to the wake-up it may have caused \
		*/
#define PULLS     3
#define MAX_CPUS  1024 /* as in cpu_set_t */
#define PAIR_FREE -1

static struct pairs {
	struct mutex lock;
	struct list pinned GUARDED_BY(lc_pairs);
	struct timer tick;
	atomic_bool ticking;
	cpu_set_t allowed;         /* I: the mask at start-up */
	bool off;                  /* I: there is one CPU only */
	atomic_int load[MAX_CPUS]; /* a */
	atomic_ullong last_block;  /* a: when (ns, in units of MAX_CPUS), plus
				      the CPU */
} pairs;
LOCK_OPS(pairs, struct pairs, lock)

static struct pctx *pair_ctx(struct pair *p)
{
	return container_of(p, struct pctx, pair);
}

static int current_cpu(void)
{
	unsigned cpu;

	if (syscall(SYS_getcpu, &cpu, NULL, NULL) < 0 || cpu >= MAX_CPUS)
		return -1;
	return (int)cpu;
}

/* pair.state: PAIR_FREE, or the CPU times two, plus one while blocked. */
static int state_of(int cpu, bool blocked)
{
	return cpu < 0 ? PAIR_FREE : cpu * 2 + blocked;
}

static bool is_active(int state)
{
	return state >= 0 && !(state & 1);
}

static int cpu_of(int state)
{
	return state < 0 ? -1 : state / 2;
}

static void change_load(int old, int new)
{
	if (is_active(old))
		atomic_fetch_sub(&pairs.load[cpu_of(old)], 1);
	if (is_active(new))
		atomic_fetch_add(&pairs.load[cpu_of(new)], 1);
}

static int load_of(int cpu)
{
	return atomic_load_explicit(&pairs.load[cpu], memory_order_relaxed);
}

/* The CPU with the least load; @cpu (or -1) where it is as good. */
static int least_loaded(int cpu)
{
	int best = cpu >= 0 && CPU_ISSET(cpu, &pairs.allowed) ? cpu : -1;

	for (int i = 0; i < MAX_CPUS; i++)
		if (CPU_ISSET(i, &pairs.allowed) &&
			(best < 0 || load_of(i) < load_of(best)))
			best = i;
	return best;
}

static void place(pid_t tid, int cpu)
{
	cpu_set_t set = pairs.allowed;

	if (cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
	}
	/* Only a hint: it does not matter when the host refuses. */
	(void)syscall(SYS_sched_setaffinity, tid, sizeof set, &set);
}

/* A leader that is about to work for the calling thread. */
void pair_here(pid_t pid)
{
	int cpu = pairs.off ? -1 : current_cpu();

	if (cpu >= 0 && CPU_ISSET(cpu, &pairs.allowed))
		place(pid, cpu);
}

static void start_tick(int64_t now)
{
	if (!atomic_load(&pairs.ticking) &&
		!atomic_exchange(&pairs.ticking, true))
		timer_set(&pairs.tick, now + TICK);
}

/* Moves a pair; -1: sets it free. */
HOLDS(lc_pairs)
static void pair_set(struct pair *p, int cpu)
{
	int old = atomic_load(&p->state), new;

	if (cpu_of(old) == cpu)
		return;
	place(pair_ctx(p)->tid, cpu);
	place(p->tracer, cpu);
	do
		new = state_of(cpu, old >= 0 && (old & 1));
	while (!atomic_compare_exchange_weak(&p->state, &old, new));
	change_load(old, new);
	list_del(&p->link);
	if (cpu >= 0)
		list_add(&pairs.pinned, &p->link);
}

/* From a CPU that has several active pairs to one that has less. */
HOLDS(lc_pairs)
static bool spread(struct pair *p, int cpu)
{
	int best = least_loaded(cpu);

	if (load_of(cpu) - load_of(best) < 2)
		return false;
	pair_set(p, best);
	return true;
}

static void on_tick(struct timer *t)
{
	struct pair *p, *next;
	int64_t now = mono_now(), since;
	bool active = false, moved = false;
	int state;

	pairs_lock(&pairs);
	list_for_each_safe(p, next, &pairs.pinned, link)
	{
		state = atomic_load(&p->state);
		if (!is_active(state))
			continue;
		active = true;
		since = atomic_load(&pair_ctx(p)->since);
		if (since && now - since > LONG_RUN)
			pair_set(p, -1);
		else if (!moved)
			moved = spread(p, cpu_of(state));
	}
	pairs_unlock(&pairs);
	if (active) {
		timer_set(t, now + TICK);
		return;
	}
	/* A pair that woke before this store did not start us: look again. */
	atomic_store(&pairs.ticking, false);
	for (int i = 0; i < MAX_CPUS; i++)
		if (load_of(i) > 0) {
			start_tick(now);
			break;
		}
}

/* Started by a pinned thread, perhaps, and no part of its pair. */
static void unpin_thread(void)
{
	place(0, -1);
}

void pairs_init(void)
{
	mutex_init(&pairs.lock, &lc_pairs);
	pairs_lock(&pairs);
	list_init(&pairs.pinned);
	pairs_unlock(&pairs);
	timer_init(&pairs.tick, on_tick);
	pairs.off = sched_getaffinity(0, sizeof pairs.allowed, &pairs.allowed) <
			    0 ||
		    CPU_COUNT(&pairs.allowed) < 2;
	if (!pairs.off)
		thread_on_start = unpin_thread;
}

static void pair_pin(struct pair *p, int cpu)
{
	pairs_lock(&pairs);
	pair_set(p, cpu);
	pairs_unlock(&pairs);
	if (cpu >= 0)
		start_tick(mono_now());
}

/*
 * A new pair shares its creator's CPU at first: most creators wait for what
 * they made.  The timer parts them when they do not.
 */
void pair_attach(struct pctx *c)
{
	struct pair *p = &c->pair;
	int cpu = current_cpu();

	p->tracer = (pid_t)syscall(SYS_gettid);
	if (pairs.off)
		return;
	if (cpu < 0 || !CPU_ISSET(cpu, &pairs.allowed) || load_of(cpu) > 1)
		cpu = least_loaded(cpu);
	pair_pin(p, cpu);
}

static void note_block(int cpu, int64_t now)
{
	unsigned long long at = ALIGN_DOWN((unsigned long long)now, MAX_CPUS);

	atomic_store_explicit(
		&pairs.last_block, at + (unsigned)cpu, memory_order_relaxed);
}

/* The threads stay where they are: the tracer may have another pair by now. */
void pair_detach(struct pctx *c)
{
	struct pair *p = &c->pair;
	int old;

	if (pairs.off)
		return;
	pairs_lock(&pairs);
	list_del(&p->link);
	old = atomic_exchange(&p->state, PAIR_FREE);
	change_load(old, PAIR_FREE);
	pairs_unlock(&pairs);
	if (old >= 0)
		note_block(cpu_of(old), mono_now());
}

void pair_ran(struct pctx *c, int64_t now, int64_t ns)
{
	struct pair *p = &c->pair;

	if (ns < SHORT_RUN) {
		if (likely(atomic_load_explicit(
				   &p->state, memory_order_relaxed) >= 0) ||
			pairs.off || ++p->shorts < SHORTS ||
			now < p->not_before)
			return;
		p->shorts = 0;
		pair_pin(p, least_loaded(current_cpu()));
		return;
	}
	p->shorts = 0;
	if (ns < LONG_RUN || pairs.off)
		return;
	p->not_before = now + FREE_TIME;
	if (atomic_load(&p->state) >= 0)
		pair_pin(p, -1);
}

/* Woken right after another pair had blocked elsewhere: go there, if that
 * repeats. */
static void pull(struct pair *p, int cpu, int64_t now)
{
	unsigned long long last =
		atomic_load_explicit(&pairs.last_block, memory_order_relaxed);
	int from = (int)(last % MAX_CPUS);

	if (from == cpu || now - (int64_t)last > HAND_OVER) {
		p->pulls = 0;
	} else if (++p->pulls >= PULLS && load_of(from) == 0) {
		p->pulls = 0;
		pair_pin(p, from);
	}
}

void ptrace_pctx_block(struct pctx *c, bool enter)
{
	struct pair *p = &c->pair;
	int old = atomic_load(&p->state), new;
	int64_t now;

	if (old < 0)
		return;
	do
		new = state_of(cpu_of(old), enter);
	while (old >= 0 && !atomic_compare_exchange_weak(&p->state, &old, new));
	if (old < 0)
		return;
	change_load(old, new);
	now = mono_now();
	if (enter) {
		note_block(cpu_of(old), now);
		return;
	}
	start_tick(now);
	pull(p, cpu_of(old), now);
}
