/*
 * hostpoll.c - one host thread that waits for all donated descriptors.
 *
 * Watches are edge-triggered, so a reader that does not come costs nothing.  An
 * event names a slot and its generation: one that was taken out of the table
 * after epoll_wait() had seen it is recognised as stale.
 */
#include "kernel/fs/hostpoll.h"

#include <errno.h>
#include <stdbool.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "core/lock.h"
#include "core/log.h"
#include "core/thread.h"

#define BATCH 16
#define WATCH (EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET)

struct slot {
	struct hostpoll *hp; /* NULL: free */
	uint32_t gen;
};

static struct hostpolls {
	struct mutex lock;
	int efd GUARDED_BY(lc_hostpoll); /* 0: no thread yet */
	struct slot *slot GUARDED_BY(lc_hostpoll);
	uint32_t nslots GUARDED_BY(lc_hostpoll);
	struct hostpoll *running GUARDED_BY(lc_hostpoll);
	atomic_uint rounds; /* callbacks that have ended */
} polls = { .lock = MUTEX_INIT(hostpoll) };
LOCK_OPS(hostpoll, struct hostpolls, lock)

static _Thread_local bool on_thread;

/* The watch that an event is about, marked as running; NULL: it is gone. */
static struct hostpoll *polls_begin(uint64_t id)
{
	struct hostpoll *hp = NULL;
	uint32_t i = (uint32_t)id;

	hostpoll_lock(&polls);
	if (i < polls.nslots && polls.slot[i].gen == id >> 32)
		hp = polls.slot[i].hp;
	polls.running = hp;
	hostpoll_unlock(&polls);
	return hp;
}

static void polls_end(void)
{
	hostpoll_lock(&polls);
	polls.running = NULL;
	hostpoll_unlock(&polls);
	atomic_fetch_add(&polls.rounds, 1);
	(void)host_futex_wake(&polls.rounds, INT32_MAX);
}

static void polls_main(void *arg)
{
	int efd = (int)(intptr_t)arg;
	struct epoll_event ev[BATCH];

	on_thread = true;
	for (;;) {
		int n = epoll_wait(efd, ev, BATCH, -1);

		if (n < 0)
			bug_on(errno != EINTR);
		for (int i = 0; i < n; i++) {
			struct hostpoll *hp = polls_begin(ev[i].data.u64);

			if (hp) {
				hp->fn(hp, ev[i].events);
				polls_end();
			}
		}
	}
}

HOLDS(lc_hostpoll)
static int polls_start(void)
{
	int efd = epoll_create1(EPOLL_CLOEXEC), err;

	if (efd < 0)
		return -errno;
	err = thread_start(polls_main, (void *)(intptr_t)efd, "hostpoll", 0);
	if (err)
		return err;
	polls.efd = efd;
	return 0;
}

/* A free slot: its index, or -ENOMEM. */
HOLDS(lc_hostpoll)
static int polls_slot(void)
{
	uint32_t n = polls.nslots ? polls.nslots * 2 : 8;
	struct slot *more;

	for (uint32_t i = 0; i < polls.nslots; i++)
		if (!polls.slot[i].hp)
			return (int)i;
	more = realloc(polls.slot, n * sizeof *more);
	if (!more)
		return -ENOMEM;
	for (uint32_t i = polls.nslots; i < n; i++)
		more[i] = (struct slot){ NULL, 0 };
	polls.slot = more;
	polls.nslots = n;
	return n == 8 ? 0 : (int)(n / 2);
}

HOLDS(lc_hostpoll)
static int polls_watch(struct hostpoll *hp)
{
	struct epoll_event ev = { .events = WATCH };
	int i = polls_slot();

	if (i < 0)
		return i;
	ev.data.u64 = (uint64_t)++polls.slot[i].gen << 32 | (uint32_t)i;
	polls.slot[i].hp = hp;
	hp->slot = i;
	if (epoll_ctl(polls.efd, EPOLL_CTL_ADD, hp->hfd, &ev) == 0)
		return 0;
	polls.slot[i].hp = NULL;
	hp->slot = -1;
	return -errno;
}

int hostpoll_add(struct hostpoll *hp, int hfd,
	void (*fn)(struct hostpoll *hp, unsigned events))
{
	int err = 0;

	*hp = (struct hostpoll){ .slot = -1, .hfd = hfd, .fn = fn };
	hostpoll_lock(&polls);
	if (!polls.efd)
		err = polls_start();
	if (!err)
		err = polls_watch(hp);
	hostpoll_unlock(&polls);
	return err;
}

void hostpoll_remove(struct hostpoll *hp)
{
	unsigned round;
	bool busy;

	hostpoll_lock(&polls);
	if (hp->slot >= 0) {
		(void)epoll_ctl(polls.efd, EPOLL_CTL_DEL, hp->hfd, NULL);
		polls.slot[hp->slot].hp = NULL;
		hp->slot = -1;
	}
	round = atomic_load(&polls.rounds);
	busy = polls.running == hp && !on_thread;
	hostpoll_unlock(&polls);
	while (busy && atomic_load(&polls.rounds) == round)
		(void)host_futex_wait(&polls.rounds, round, NO_DEADLINE);
}

const struct seccomp_rule hostpoll_rules[] = {
	ALLOW_ARG(epoll_create1, 0, EPOLL_CLOEXEC),
	ALLOW(epoll_ctl),
	ALLOW(epoll_wait),
	ALLOW(epoll_pwait),
	SECCOMP_END,
};
