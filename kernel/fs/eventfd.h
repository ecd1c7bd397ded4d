/* eventfd.h - a counter to wait on, a timer to wait on, signals to read: the *fd(2) family. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "core/attr.h"
#include "kernel/task/signal.h"

struct cred;
struct file;
struct itimer_k;
struct task;
struct waitq;

int eventfd_create(struct cred *cred, unsigned count, bool semaphore, int flags,
	struct file **out) MUST_CHECK;
bool file_is_eventfd(const struct file *f);
/* Adds one, as AIO's completion does; saturates. */
void eventfd_signal(struct file *f);

/* @clk has been checked by the caller for existence; -EINVAL for one without timers. */
int timerfd_open(struct task *t, clockid_t clk, int flags, struct file **out) MUST_CHECK;
/* -EINVAL when @f is no timerfd.  @old may be NULL. */
int timerfd_set(struct file *f, int flags, const struct itimer_k *new,
	struct itimer_k *old) MUST_CHECK;
int timerfd_left(struct file *f, struct itimer_k *now) MUST_CHECK;

/* signalfd4(2): a new file, or a new mask for @f (-EINVAL: it is no signalfd). */
int signalfd_create(struct task *t, ksigset_t mask, int flags, struct file **out) MUST_CHECK;
int signalfd_set_mask(struct file *f, ksigset_t mask) MUST_CHECK;
/* The queue that lives as long as @f does, for epoll; NULL: @f is no signalfd. */
struct waitq *signalfd_own_waitq(struct file *f);
