/*
 * boot.h - the parts of the sandbox process that are not the kernel.
 *
 * boot.c parses what the command donated and isolates; loader.c turns the
 * specification into calls of kernel/kernel.h; control.c serves the control
 * socket, one thread a connection, until the container's first process ends.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "applets/config.h"
#include "applets/oci/spec.h"
#include "core/err.h"
#include "core/flag.h"
#include "core/urpc.h"

struct boot {
	const struct config *conf;
	const char *id;
	struct spec spec;
	int controller, start_sync, mounts;	/* owned */
	struct flag_list io, stdio, pass;	/* numbers as text */
	uint64_t memory;
	int ncpu;
};

struct container;

/* Kernel and container, program looked up; nothing runs. */
int loader_create(struct boot *b, struct container **out, struct err *e) MUST_CHECK;
unsigned pids_limit(int64_t n);	/* pids.limit as the kernel has it: 0 for none */
/* Starts the first process with the donated stdio. */
int loader_start(struct boot *b, struct container *c, pid_t *pid, struct err *e) MUST_CHECK;
/* One more process, or a hook before the first one: @fds (consumed): stdin, stdout, stderr, or the terminal alone; then pass-fds. */
int loader_exec(struct boot *b, struct container *c, const struct spec_process *p, bool hook, const int *fds,
	size_t nfds, const int *guest, size_t npass, pid_t *pid, struct err *e) MUST_CHECK;

/* Serves until the end of the container; its exit status. */
int control_serve(struct boot *b, struct container *c);
/* The methods: control_task.c, control_debug.c.  The reply's "result" is for them to add under @root. */
struct control_call {
	struct boot *boot;
	const struct json *arg;
	struct urpc_msg *msg;		/* descriptors: take by setting to -1 */
	struct json_doc *doc;		/* the reply */
	struct json *root;
};
struct control_method {
	const char *name;
	int (*run)(struct control_call *call, struct err *e);
};
extern const struct control_method control_task_methods[], control_debug_methods[];
/* The first process was started: someone must wait for it.  The end of it ends the sandbox. */
int control_started(struct container *c, pid_t pid, struct err *e) MUST_CHECK;
/* Blocks until the first process has ended: its wait status. */
int control_wait_init(void);

/* The sandbox's seccomp filter: everything that it may ask of the host. */
int filters_install(struct err *e) MUST_CHECK;
