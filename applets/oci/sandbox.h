/*
 * sandbox.h - a container's life as seen by the commands: create, start, end.
 *
 * Each command loads the state, calls one of these, and prints.  What fails half-way
 * leaves nothing: no process, mount, cgroup or file.
 */
#pragma once

#include "applets/oci/console.h"
#include "applets/oci/spawn.h"
#include "applets/oci/state.h"
#include "core/flag.h"
#include "core/urpc.h"

struct create_opts {
	const char *bundle;		/* NULL: the current directory */
	const char *spec_text;		/* in place of the bundle's config.json; NULL */
	const char *console_socket, *pid_file, *user_log;	/* NULL or "": none */
	struct flag_list *pass;		/* --pass-fd M:N */
	bool attached;			/* the sandbox ends with us */
	bool relay;			/* a terminal is ours to serve: see master */
	int master;			/* set: the pty's other end, or -1; owned */
	int last_words;			/* set when attached, else -1; owned */
};

/* The id's state is filled and locked; on failure there is nothing left. */
int sandbox_create(struct cstate *s, const struct config *conf, const char *id,
	struct create_opts *o, struct err *e) MUST_CHECK;
/* Starts the program of a created, locked container and runs its poststart hooks. */
int sandbox_start(struct cstate *s, struct err *e) MUST_CHECK;
/* A connection to the sandbox's control socket, or -errno ("container not running"). */
int sandbox_connect(const struct cstate *s, struct err *e) MUST_CHECK;
/* One call on a connection of its own; @arg may be NULL. */
int sandbox_call(const struct cstate *s, const char *method, const struct json *arg,
	struct urpc_msg *reply, struct err *e) MUST_CHECK;
/* Kills what runs, reaps what is ours, removes everything.  The lock is held. */
void sandbox_destroy(struct cstate *s);
/* Sends signal @sig: @pid 0: the first process; all; pgid: @pid is a group. */
int sandbox_signal(const struct cstate *s, pid_t pid, bool all, bool pgid, int sig,
	struct err *e) MUST_CHECK;
/*
 * Waits for the end of our own child, the sandbox, passing on signals and, with @relay,
 * the terminal.  Returns the exit status.
 */
int sandbox_supervise(struct cstate *s, struct relay *relay, struct err *e) MUST_CHECK;
int write_pid_file(const char *path, pid_t pid, struct err *e) MUST_CHECK;
/* "9", "KILL", "SIGKILL", "sigkill": the number, or -EINVAL. */
int signal_by_name(const char *name);
/* "M:N" words of --pass-fd. */
int parse_pass_fds(const struct flag_list *l, int *host, int *guest, size_t max, struct err *e) MUST_CHECK;
