/*
 * epoll.h - interest lists: epoll(7).
 *
 * A watch lives as long as the open file that it watches: the last file_put()
 * takes it out, not close(2).
 */
#pragma once

#include <stdint.h>

#include "core/attr.h"

struct file;
struct task;

struct epoll_event_abi {
	uint32_t events;
	uint64_t data;
} __attribute__((packed));

int epoll_open(struct task *t, struct file **out) MUST_CHECK;
/* epoll_ctl(2); @fd is part of a watch's key. */
int epoll_control(struct file *ep, int op, int fd, struct file *target,
	const struct epoll_event_abi *ev) MUST_CHECK;
/*
 * Waits for events until @deadline (0: does not wait); writes at most @max of them
 * to the guest's array @u.  Their number, or -EINTR.
 */
long epoll_wait_events(struct task *t, struct file *ep, uint64_t u, int max, int64_t deadline);
/* The last reference to @f is gone; call when f->nepitems is not 0, before release. */
void epoll_file_gone(struct file *f);
