/*
 * oom.c - memory ran out: which process goes.
 *
 * Linux: mm/oom_kill.c oom_badness().  When nobody has pages that were never
 * touched, the process that has most, by oom_score_adj, is killed, and who
 * needed the page waits for its end and tries again.  One that is ending
 * already is waited for before another is chosen.
 *
 * GAP: pages of tmpfs and of pipes count for nobody, and a write to those
 * that finds no memory fails with ENOMEM.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "kernel/mm/fault.h"
#include "kernel/task/internal.h"

/* A process that holds a lock we have cannot end before we go on. */
#define PATIENCE NSEC_PER_SEC

struct victim {
	struct tgroup *tg; /* reference */
	int64_t score;     /* pages */
	char comm[16];
	bool ending;
};

static int64_t badness(struct task *t)
{
	int64_t adj = atomic_load(&t->tg->oom_score_adj), pages;
	struct mm *mm = adj > -1000 ? task_mm(t) : NULL;

	if (!mm)
		return INT64_MIN;
	pages = (int64_t)mm_rss(mm);
	mm_put(mm);
	return pages + adj * (int64_t)(memfile_limit() >> PAGE_SHIFT) / 1000;
}

static bool is_ending(struct tgroup *tg)
{
	bool ending;

	sighand_lock(tg);
	ending = tg->exiting;
	sighand_unlock(tg);
	return ending;
}

/* The worst of the calling task's container; v->tg is NULL when there is none.
 */
static void choose(struct victim *v)
{
	struct task *t;

	*v = (struct victim){ .score = INT64_MIN };
	for (int tid = 1; (t = task_next(current->tg->pid_ns, tid));
		task_put(t)) {
		int64_t score = badness(t);
		bool ending = is_ending(t->tg);

		tid = t->tid + 1;
		if (score == INT64_MIN || v->ending ||
			(!ending && score <= v->score))
			continue;
		tgroup_put(v->tg);
		*v = (struct victim){ .tg = tgroup_get(t->tg),
			.score = score,
			.ending = ending };
		memcpy(v->comm, t->comm, sizeof v->comm);
	}
}

static bool has_ended(struct tgroup *tg)
{
	bool ended;

	tasklist_lock(&tasklist);
	ended = !tg->leader || tg->zombie;
	tasklist_unlock(&tasklist);
	return ended;
}

static int wait_end(struct tgroup *tg)
{
	int64_t deadline = mono_now() + PATIENCE;
	struct waiter w;
	int err = 0;

	waiter_init_task(&w, current);
	waitq_add(&tg->exit_waitq, &w, 0);
	while (!err && !has_ended(tg))
		err = task_block_killable(current, deadline);
	waitq_remove(&tg->exit_waitq, &w);
	return err;
}

/* True when some process gave back what it had never touched. */
static bool reclaim_all(void)
{
	uint64_t freed = 0;
	struct task *t;

	for (int tid = 1; (t = task_next(current->tg->pid_ns, tid));
		task_put(t)) {
		struct mm *mm = t == t->tg->leader ? task_mm(t) : NULL;

		tid = t->tid + 1;
		if (!mm)
			continue;
		mm_active_write(&mm->as);
		freed += reclaim_untouched(mm);
		mm_active_write_done(&mm->as);
		mm_put(mm);
	}
	return freed > 0;
}

int oom_kill(void)
{
	struct victim v;
	int err = -ENOMEM;

	if (mm_interrupted())
		return err;
	if (reclaim_all())
		return -EAGAIN;
	choose(&v);
	if (!v.tg)
		v.tg = tgroup_get(current->tg);
	if (!v.ending) {
		log_warn("out of memory: process %d (%.15s) is killed",
			v.tg->tgid, v.comm);
		tgroup_kill(v.tg, SIGKILL);
	}
	if (v.tg != current->tg && !wait_end(v.tg))
		err = -EAGAIN;
	tgroup_put(v.tg);
	/* Without the page it cannot go on either. */
	if (err != -EAGAIN)
		tgroup_kill(current->tg, SIGKILL);
	return err;
}
