/*
 * restart.h - results that mean "a signal came; the call may be restarted".
 *
 * They travel as negative return values inside the kernel and are turned into
 * EINTR or a restarted call when the signal is delivered (kernel/task/signal.c).
 * They never reach a guest register.  Linux: include/linux/errno.h.
 */
#pragma once

#define ERESTARTSYS	512	/* restart if SA_RESTART or no handler */
#define ERESTARTNOINTR	513	/* always restart */
#define ERESTARTNOHAND	514	/* restart only if no handler ran */
#define ERESTART_RESTARTBLOCK 516 /* restart through t->restart */
