/*
 * loadavg.c - load averages without a ticker.
 *
 * Linux samples the number of running tasks every five seconds.  We look when a
 * reader comes, and decay for the time that has passed as if the number had
 * been the same since the last look: an idle sandbox needs no timer for it.
 */
#include "kernel/time/loadavg.h"

#include "core/clock.h"
#include "kernel/kernel.h"
#include "kernel/task/task.h"

#define FIXED_1     65536
#define PERIOD      (5 * NSEC_PER_SEC)
#define MAX_PERIODS 2048 /* after it every average equals the load */

static const uint64_t decay[3] = { 60308, 64453, 65175 }; /* exp(-5s/T) */

static uint64_t load[3]; /* guarded by lc_tasklist */
static int64_t last;

/* Under lc_tasklist, which guards the list of containers too. */
LOCKS_UNCHECKED
static uint64_t running_tasks(void)
{
	struct container *c;
	uint64_t n = 0;

	list_for_each (c, &kernel.containers, link) {
		for (struct rb_node *p = rb_first(&c->pid_ns->tasks); p;
			p = rb_next(p)) {
			struct task *t = rb_entry(p, struct task, pid_node);
			enum task_state s = atomic_load(&t->state);

			n += s == TASK_RUNNING || s == TASK_DISK;
		}
	}
	return n;
}

void loadavg_read(uint64_t loads[3])
{
	int64_t now = mono_now();
	uint64_t n;

	tasklist_lock(&tasklist);
	n = running_tasks() * FIXED_1;
	if (!last)
		last = kernel.boot_time;
	for (int k = 0; now - last >= PERIOD; k++) {
		last = k < MAX_PERIODS ? last + PERIOD : now;
		for (int i = 0; i < 3; i++)
			load[i] = (load[i] * decay[i] +
					  n * (FIXED_1 - decay[i])) /
				  FIXED_1;
	}
	for (int i = 0; i < 3; i++)
		loads[i] = load[i];
	tasklist_unlock(&tasklist);
}
