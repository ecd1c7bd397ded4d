/*
 * spawn.h - the two processes of a sandbox: gofer and kernel.
 *
 * Both are clones that execute /proc/self/exe under their own names, with each
 * descriptor they get named by number on the command line.  Until spawn_go()
 * they wait in their new namespaces; when the caller dies before, they end.
 */
#pragma once

#include "applets/oci/cgroup.h"
#include "applets/oci/state.h"

struct spawn {
	struct cstate *state;		/* spec, conf, id, bundle; pids are set here */
	struct cgroup *cgroup;		/* entered before anything runs; may be empty */
	int stdio[3];			/* borrowed */
	int controller;			/* borrowed: listening control socket */
	int exit;			/* borrowed: file for the exit status */
	int user_log;			/* borrowed: --user-log, or -1 */
	const int *pass_host, *pass_guest;	/* borrowed: --pass-fd */
	size_t npass;
	bool attached;			/* the sandbox dies with us */
	/* set here */
	int hold_gofer, hold_sandbox;	/* owned: closing unstarted ends them */
	int boot;			/* owned: result of the sandbox's start */
	int gofer_err;			/* owned: what the gofer has to say */
	int last_words;			/* owned: pipe, the sandbox's standard error */
};

int spawn_processes(struct spawn *s, struct err *e) MUST_CHECK;
/* Id maps, cgroup, and off they go. */
int spawn_go(struct spawn *s, struct err *e) MUST_CHECK;
/* Waits until the sandbox is ready for its control socket, or says why not. */
int spawn_wait(struct spawn *s, struct err *e) MUST_CHECK;
/* Closes descriptors; kills nobody. */
void spawn_fini(struct spawn *s);

/* What the guest gets of a container's memory.limit; all of the host's memory for none (<= 0). */
uint64_t guest_memory(int64_t limit);

/* What the sandbox wrote to its standard error, the end of it, as one line. */
void last_words(int fd, char *buf, size_t n);

/* A descriptor that executes as this program, also for nobody; or -errno. */
int self_exe(struct err *e);
/* Our own /proc/self/fd, for this process alone; or -errno. */
int own_fds(struct err *e);
/*
 * Executes @exe through @fds, own_fds() of this process; returns -errno.  The
 * new program begins there, in the host's /proc, and must chdir("/") first.
 */
int exec_own(int exe, int fds, char **argv, struct err *e);

/* What a child's start ended with: sent whole over the boot socket. */
struct boot_result {
	int code;			/* 0: ready */
	char msg[512];
};
void boot_tell(int sock, const struct err *e);

/* Descriptors and arguments for a re-executed self; 0-2 are not donated. */
#define DONOR_FDS 300
struct donor {
	int fd[DONOR_FDS];
	size_t nfds;
	char **argv;			/* NULL-terminated, malloc'ed */
	size_t argc, cap;
};
void donor_init(struct donor *d, const char *name);
void donor_arg(struct donor *d, const char *fmt, ...) PRINTF(2, 3);
/* "--flag=N" and the descriptor that will be N. Borrowed; -1 is skipped. */
void donor_fd(struct donor *d, const char *flag, int fd);
/* The global flags of @conf, logs included. */
void donor_globals(struct donor *d, const struct config *conf, int log_fd, int debug_fd);
void donor_fini(struct donor *d);
/*
 * In a child: moves the descriptors to 3, 4..., sets 0-2 (borrowed; -1: /dev/null), and closes the
 * rest.  *@exe and *@hold (either may be NULL) are kept, close-on-exec, and renumbered.
 */
int donor_place(struct donor *d, const int stdio[3], int *exe, int *hold, struct err *e) MUST_CHECK;
