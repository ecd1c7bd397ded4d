/*
 * hostpoll.h - one host thread that waits for all donated descriptors.
 *
 * Started by the first hostpoll_add(); asleep in epoll_wait while nothing
 * happens.  Callbacks run on it, with no lock held, once for each edge.
 */
#pragma once

#include "core/attr.h"
#include "core/seccomp.h"

struct hostpoll {
	int slot;			/* -1: not watched */
	int hfd;
	void (*fn)(struct hostpoll *hp, unsigned events);	/* I */
};

/* Watches @hfd (borrowed).  -EPERM: it is always ready (a regular file). */
int hostpoll_add(struct hostpoll *hp, int hfd, void (*fn)(struct hostpoll *hp, unsigned events))
	MUST_CHECK;
/* Afterwards the callback is not running, unless called from it.  Call before closing the descriptor. */
void hostpoll_remove(struct hostpoll *hp);

extern const struct seccomp_rule hostpoll_rules[];
