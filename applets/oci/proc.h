/*
 * proc.h - host processes that may be gone: a pid with its start time.
 *
 * A pid alone may name a stranger after reuse; pid and start time together
 * name one process for ever.  A zombie counts as dead: it runs no more, and
 * who reaps it is not our business.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/attr.h"

struct proc {
	pid_t pid;			/* 0: none */
	uint64_t start;			/* field 22 of /proc/PID/stat */
};

struct proc proc_of(pid_t pid);		/* start 0 when it is gone */
bool proc_alive(const struct proc *p);
/* Sends @sig to exactly this process: 0, or -ESRCH. */
int proc_kill(const struct proc *p, int sig);
/* Waits until it is dead; at most @ms milliseconds (-1: for ever).  0 or -ETIMEDOUT. */
int proc_wait_dead(const struct proc *p, int ms) MUST_CHECK;
/* SIGKILL and the wait for it; a zombie child of ours is reaped. */
void proc_destroy(const struct proc *p);
/* A descriptor that polls readable when @pid ends, or -errno. */
int pidfd_open_(pid_t pid);
