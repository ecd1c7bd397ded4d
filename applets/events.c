/* events.c - runsc events: resource usage of a container. */
#include <poll.h>
#include <stdio.h>

#include "applets/applet.h"
#include "applets/oci/sandbox.h"
#include "core/own.h"

static int interval = 5;
static bool stats;

const struct flag events_flags[] = {
	{ "interval", FLAG_INT, &interval, NULL, "seconds between two prints" },
	{ "stats", FLAG_BOOL, &stats, NULL, "print once" },
	{ 0 },
};

/*
 * One event, in the shape that containerd's shim reads.  Memory is the
 * sandbox's, since the guest's is part of it.
 */
static int print_event(const struct cstate *s, struct err *e)
{
	struct json_doc *arg = json_new(JSON_OBJECT), *d;
	const struct json *r;
	struct urpc_msg reply;
	struct cgroup g;
	struct json *data, *o;
	int64_t usec;
	int err;

	json_add_str(arg, json_root(arg), "cid", s->id);
	err = sandbox_call(
		s, "containerManager.Event", json_root(arg), &reply, e);
	json_free(arg);
	if (err)
		return err;
	r = json_get(json_root(reply.doc), "result");
	cgroup_scan(&g, s->cgroup);
	usec = cgroup_read_key(&g, "cpu.stat", "usage_usec", -1);
	d = json_new(JSON_OBJECT);
	json_add_str(d, json_root(d), "type", "stats");
	json_add_str(d, json_root(d), "id", s->id);
	data = json_add(d, json_root(d), "data", JSON_OBJECT);
	o = json_add(d, data, "cpu", JSON_OBJECT);
	o = json_add(d, o, "usage", JSON_OBJECT);
	json_add_int(d, o, "total",
		cgroup_read(&g, "cpuacct", "cpuacct.usage",
			usec >= 0 ? usec * 1000
				  : json_int(json_get(r, "cpu"), 0)));
	o = json_add(d, data, "memory", JSON_OBJECT);
	o = json_add(d, o, "usage", JSON_OBJECT);
	json_add_int(d, o, "usage",
		cgroup_read(&g, "memory", "memory.usage_in_bytes",
			cgroup_read(&g, "", "memory.current",
				json_int(json_get(r, "memory"), 0))));
	json_add_int(d, o, "limit", json_int(json_get(r, "memoryLimit"), 0));
	o = json_add(d, data, "pids", JSON_OBJECT);
	json_add_int(d, o, "current", json_int(json_get(r, "pids"), 0));
	own_mem char *text = json_print(json_root(d), 0, false);
	puts(text);
	fflush(stdout);
	json_free(d);
	urpc_msg_fini(&reply);
	cgroup_fini(&g);
	return 0;
}

int events_main(struct config *c, int argc, char **argv, struct err *e)
{
	int i = applet_args(events_flags, argc, argv, 1, 1, e), err;
	struct cstate s;

	if (i < 0)
		return i;
	if (interval < 1)
		return err_set(
			e, EINVAL, "--interval=%d: must be positive", interval);
	err = state_load(&s, c, argv[i], false, e);
	if (err)
		return err;
	err = print_event(&s, e);
	/* Until the sandbox ends: its end wakes the wait. */
	while (!err && !stats &&
		proc_wait_dead(&s.sandbox, interval * 1000) == -ETIMEDOUT)
		err = print_event(&s, e);
	state_fini(&s);
	return err;
}
