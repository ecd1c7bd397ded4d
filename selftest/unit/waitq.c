/* waitq.c - core/waitq: who is woken, how often, and that no wake-up is lost.
 */
#include "core/waitq.h"

#include <pthread.h>
#include <string.h>

#include "selftest/unit/unit.h"

struct probe {
	struct waiter w; /* first */
	int woken, told;
	unsigned events;
	bool refuse;
	struct waitq *again; /* after() wakes this queue once more */
};

static bool probe_wake(struct waiter *w, unsigned events)
{
	struct probe *p = container_of(w, struct probe, w);

	(void)events;
	p->woken++;
	return !p->refuse;
}

static void probe_after(struct waiter *w, unsigned events)
{
	struct probe *p = container_of(w, struct probe, w);
	struct waitq *again = p->again;

	p->told++;
	p->events = events;
	p->again = NULL;
	if (again)
		waitq_wake(again, 4);
}

TEST(waitq, wakes_those_who_asked_for_the_event)
{
	struct probe in = { .w.wake = probe_wake }, out = in, any = in;
	struct waitq q;

	waitq_init(&q);
	waitq_wake(&q, 1);
	waitq_add(&q, &in.w, 1);
	waitq_add(&q, &out.w, 4);
	waitq_add(&q, &any.w, 0);
	waitq_wake(&q, 1);
	CHECK(in.woken == 1 && out.woken == 0 && any.woken == 1);
	waitq_remove(&q, &in.w);
	waitq_remove(&q, &in.w);
	waitq_wake(&q, 5);
	CHECK(in.woken == 1 && out.woken == 1 && any.woken == 2);
	waitq_remove(&q, &out.w);
	waitq_remove(&q, &any.w);
	CHECK(atomic_load(&q.n) == 0);
}

TEST(waitq, one_exclusive_waiter_and_all_others)
{
	struct probe ex[3], plain = { .w.wake = probe_wake };
	struct waitq q;

	waitq_init(&q);
	for (int i = 0; i < 3; i++) {
		ex[i] = (struct probe){ .w = { .wake = probe_wake,
						.exclusive = true },
			.refuse = i == 0 };
		waitq_add(&q, &ex[i].w, 1);
	}
	waitq_add(&q, &plain.w, 1);
	waitq_wake(&q, 1);
	CHECK(plain.woken == 1);
	CHECK(ex[0].woken == 1); /* refused: the next one is asked */
	CHECK(ex[1].woken == 1);
	CHECK(ex[2].woken == 0);
}

TEST(waitq, after_runs_without_the_lock_for_every_waiter)
{
	static struct probe p[100];
	struct waitq q;

	waitq_init(&q);
	for (int i = 0; i < 100; i++) {
		p[i].w.wake = probe_wake;
		p[i].w.after = probe_after;
		waitq_add(&q, &p[i].w, 1);
	}
	waitq_wake(&q, 1);
	for (int i = 0; i < 100; i++) {
		CHECK(p[i].woken == 1 && p[i].told == 1 && p[i].events == 1);
		waitq_remove(&q, &p[i].w); /* would hang under the lock */
	}
}

TEST(waitq, after_may_wake_its_own_queue)
{
	struct probe p = { .w = { .wake = probe_wake, .after = probe_after } };
	struct waitq q;

	waitq_init(&q);
	p.again = &q;
	waitq_add(&q, &p.w, 0);
	waitq_wake(&q, 1);
	CHECK(p.woken == 2 && p.told == 2 && p.again == NULL);
	waitq_remove(&q, &p.w);
}

/* A one-place mailbox: the producer fills it, consumers empty it. */
static struct waitq full;
static atomic_int mail, taken;
#define LETTERS 5000

static void *consume(void *arg)
{
	struct waiter w = { 0 };
	struct park park;
	int one;

	park_init(&park);
	w.park = &park;
	waitq_add(&full, &w, 0);
	while (atomic_load(&taken) < LETTERS) {
		one = 1;
		if (atomic_compare_exchange_strong(&mail, &one, 0)) {
			if (atomic_fetch_add(&taken, 1) + 1 == LETTERS)
				waitq_wake(&full, 1);
			continue;
		}
		park_wait(&park, NO_DEADLINE);
	}
	waitq_remove(&full, &w);
	return arg;
}

TEST(waitq, no_wakeup_is_lost)
{
	pthread_t id[3];
	int sent = 0, none;

	waitq_init(&full);
	for (int i = 0; i < 3; i++)
		CHECK(pthread_create(&id[i], NULL, consume, NULL) == 0);
	while (sent < LETTERS) {
		none = 0;
		if (!atomic_compare_exchange_strong(&mail, &none, 1))
			continue;
		sent++;
		waitq_wake(&full, 1);
	}
	for (int i = 0; i < 3; i++)
		CHECK(pthread_join(id[i], NULL) == 0);
	CHECK(atomic_load(&taken) == LETTERS);
}
