/* control_task.c - control methods on containers and their processes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "applets/boot/boot.h"
#include "kernel/kernel.h"
#include "kernel/mm/mm.h"

/* A wait(2) status as an exit status; 128+n for signal n. */
static int exit_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status)
				   : WEXITSTATUS(status);
}

static int find(struct control_call *call, struct container **c, struct err *e)
{
	const char *id = json_str(json_get(call->arg, "cid"), "");

	*c = container_find(id);
	return *c ? 0
		  : err_set(e, ENOENT,
			    "container \"%.200s\" does not "
			    "exist in this sandbox",
			    id);
}

static int start_root(struct control_call *call, struct err *e)
{
	struct container *c;
	pid_t pid;

	if (find(call, &c, e) || loader_start(call->boot, c, &pid, e))
		return -e->code;
	return control_started(c, pid, e);
}

static int signal_(struct control_call *call, struct err *e)
{
	const char *mode = json_str(json_get(call->arg, "mode"), "process");
	int sig = json_int(json_get(call->arg, "signo"), 0);
	pid_t pid = json_int(json_get(call->arg, "pid"), 0);
	struct container *c;

	if (find(call, &c, e))
		return -e->code;
	return container_signal(
		c, pid, !strcmp(mode, "all"), !strcmp(mode, "group"), sig, e);
}

static void reply_status(struct control_call *call, int status)
{
	struct json *o = json_add(call->doc, call->root, "result", JSON_OBJECT);

	json_add_int(call->doc, o, "exitStatus", exit_status(status));
}

/* The sandbox ends after the answer went out: see init_waiter(). */
static int wait_init(struct control_call *call, struct err *e)
{
	int status = control_wait_init();

	(void)e;
	reply_status(call, status);
	return 0;
}

static int wait_pid(struct control_call *call, struct err *e)
{
	pid_t pid = json_int(json_get(call->arg, "pid"), 0);
	struct container *c;
	int status;

	if (find(call, &c, e) || container_wait(c, pid, &status, e))
		return -e->code;
	reply_status(call, status);
	return 0;
}

#define MAX_PASS 16

static int execute(struct control_call *call, struct err *e)
{
	const struct json *pass = json_get(call->arg, "passFds"), *p;
	struct urpc_msg *m = call->msg;
	int guest[MAX_PASS];
	struct spec_process sp;
	struct container *c;
	size_t npass = 0;
	pid_t pid;
	int err;

	if (find(call, &c, e))
		return -e->code;
	json_for_each(p, pass) if (npass < MAX_PASS) guest[npass++] =
		json_int(p, -1);
	if (m->nfds != 3 + npass)
		return err_set(e, EBADF,
			"%zu descriptors came, %zu are "
			"needed",
			m->nfds, 3 + npass);
	err = spec_parse_process(
		json_get(call->arg, "process"), "process", &sp, e);
	if (err)
		return err;
	err = loader_exec(call->boot, c, &sp,
		json_bool(json_get(call->arg, "hook"), false), m->fds, 3, guest,
		npass, &pid, e);
	m->nfds = 0; /* consumed */
	spec_process_fini(&sp);
	if (err)
		return err;
	struct json *o = json_add(call->doc, call->root, "result", JSON_OBJECT);
	json_add_int(call->doc, o, "pid", pid);
	return 0;
}

struct listing {
	struct json_doc *doc;
	struct json *array;
};

static void add_process(void *arg, const struct process_info *p)
{
	struct listing *l = arg;
	struct json *o = json_add(l->doc, l->array, NULL, JSON_OBJECT);
	const char state[2] = { p->state, 0 };

	json_add_uint(l->doc, o, "uid", p->uid);
	json_add_int(l->doc, o, "pid", p->pid);
	json_add_int(l->doc, o, "ppid", p->ppid);
	json_add_int(l->doc, o, "threads", p->nthreads);
	json_add_int(l->doc, o, "start", p->start_ns);
	json_add_int(l->doc, o, "cpu", p->cpu_ns);
	json_add_str(l->doc, o, "tty", p->tty ? p->tty : "?");
	json_add_str(l->doc, o, "cmd", p->cmd);
	json_add_str(l->doc, o, "state", state);
}

static int processes(struct control_call *call, struct err *e)
{
	struct listing l = { call->doc,
		json_add(call->doc, call->root, "result", JSON_ARRAY) };
	struct container *c;

	if (find(call, &c, e))
		return -e->code;
	container_processes(c, add_process, &l);
	return 0;
}

static int pause_(struct control_call *call, struct err *e)
{
	struct container *c;

	return find(call, &c, e) ? -e->code : container_pause(c, e);
}

static int resume(struct control_call *call, struct err *e)
{
	struct container *c;

	return find(call, &c, e) ? -e->code : container_resume(c, e);
}

static int resize(struct control_call *call, struct err *e)
{
	struct container *c;

	if (find(call, &c, e))
		return -e->code;
	return container_resize(c, json_int(json_get(call->arg, "pid"), 0),
		json_int(json_get(call->arg, "rows"), 0),
		json_int(json_get(call->arg, "cols"), 0), e);
}

static int update(struct control_call *call, struct err *e)
{
	const struct json *pids = json_get(call->arg, "pids");
	uint64_t memory = json_uint(json_get(call->arg, "memory"), 0);
	struct container *c;

	if (find(call, &c, e))
		return -e->code;
	if (memory)
		kernel_set_memory(memory);
	if (pids)
		container_set_pids(c, pids_limit(json_int(pids, 0)));
	return 0;
}

static void count(void *arg, const struct process_info *p)
{
	*(int64_t *)arg += p->nthreads;
}

static void add_cpu(void *arg, const struct process_info *p)
{
	*(int64_t *)arg += p->cpu_ns;
}

static int event(struct control_call *call, struct err *e)
{
	int64_t threads = 0, cpu = 0;
	struct container *c;
	struct json *o;

	if (find(call, &c, e))
		return -e->code;
	container_processes(c, count, &threads);
	container_processes(c, add_cpu, &cpu);
	o = json_add(call->doc, call->root, "result", JSON_OBJECT);
	json_add_int(call->doc, o, "pids", threads);
	json_add_int(call->doc, o, "cpu", cpu);
	json_add_uint(call->doc, o, "memory", memfile_used());
	json_add_uint(call->doc, o, "memoryLimit", memfile_limit());
	return 0;
}

const struct control_method control_task_methods[] = {
	{ "containerManager.StartRoot", start_root },
	{ "containerManager.Signal", signal_ },
	{ "containerManager.Wait", wait_init },
	{ "containerManager.WaitPID", wait_pid },
	{ "containerManager.ExecuteAsync", execute },
	{ "containerManager.Processes", processes },
	{ "containerManager.Pause", pause_ },
	{ "containerManager.Resume", resume },
	{ "containerManager.Resize", resize },
	{ "containerManager.Update", update },
	{ "containerManager.Event", event },
	{ 0 },
};
