/*
 * update.c - runsc update: change the limits of a container.
 *
 * The host's cgroup changes, and what the guest's own kernel grants: memory and
 * the number of processes.  The number of CPUs that the guest sees stays.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "applets/applet.h"
#include "applets/oci/sandbox.h"
#include "core/fdio.h"
#include "core/own.h"
#include "core/str.h"

static const char *resources, *cpu_burst, *cpu_idle, *cpu_period, *cpu_quota;
static const char *rt_period, *rt_runtime, *cpu_share, *cpus, *mems, *memory;
static const char *reservation, *swap, *l3, *mem_bw;
static int blkio;
static int64_t pids;

const struct flag update_flags[] = {
	{ "resources", FLAG_STR, &resources, NULL,
		"file with a LinuxResources object, - for standard input" },
	{ "blkio-weight", FLAG_INT, &blkio, NULL, "10 to 1000" },
	{ "cpu-burst", FLAG_STR, &cpu_burst, NULL, "not supported" },
	{ "cpu-idle", FLAG_STR, &cpu_idle, NULL, "not supported" },
	{ "cpu-period", FLAG_STR, &cpu_period, NULL, "microseconds" },
	{ "cpu-quota", FLAG_STR, &cpu_quota, NULL, "microseconds a period" },
	{ "cpu-rt-period", FLAG_STR, &rt_period, NULL, "microseconds" },
	{ "cpu-rt-runtime", FLAG_STR, &rt_runtime, NULL, "microseconds" },
	{ "cpu-share", FLAG_STR, &cpu_share, NULL, "relative weight" },
	{ "cpuset-cpus", FLAG_STR, &cpus, NULL, "\"0-2,4\"" },
	{ "cpuset-mems", FLAG_STR, &mems, NULL, "memory nodes" },
	{ "memory", FLAG_STR, &memory, NULL, "bytes" },
	{ "memory-reservation", FLAG_STR, &reservation, NULL, "bytes" },
	{ "memory-swap", FLAG_STR, &swap, NULL, "memory and swap, bytes" },
	{ "pids-limit", FLAG_I64, &pids, NULL, "processes" },
	{ "l3-cache-schema", FLAG_STR, &l3, NULL, "not supported" },
	{ "mem-bw-schema", FLAG_STR, &mem_bw, NULL, "not supported" },
	{ 0 },
};

static int add_number(struct json_doc *d, struct json *o, const char *key,
	const char *text, const char *flag, struct err *e)
{
	long long v;

	if (!text || !text[0])
		return 0;
	if (str_i64(text, &v))
		return err_set(
			e, EINVAL, "--%s=%s: must be a number", flag, text);
	json_add_int(d, o, key, v);
	return 0;
}

static struct json_doc *from_flags(struct err *e)
{
	struct json_doc *d = json_new(JSON_OBJECT);
	struct json *cpu = json_add(d, json_root(d), "cpu", JSON_OBJECT);
	struct json *mem = json_add(d, json_root(d), "memory", JSON_OBJECT);
	struct json *o;
	const struct {
		struct json *o;
		const char *key, *text, *flag;
	} rows[] = {
		{ cpu, "period", cpu_period, "cpu-period" },
		{ cpu, "quota", cpu_quota, "cpu-quota" },
		{ cpu, "realtimePeriod", rt_period, "cpu-rt-period" },
		{ cpu, "realtimeRuntime", rt_runtime, "cpu-rt-runtime" },
		{ cpu, "shares", cpu_share, "cpu-share" },
		{ mem, "limit", memory, "memory" },
		{ mem, "reservation", reservation, "memory-reservation" },
		{ mem, "swap", swap, "memory-swap" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (add_number(d, rows[i].o, rows[i].key, rows[i].text,
			    rows[i].flag, e)) {
			json_free(d);
			return NULL;
		}
	if (cpus && cpus[0])
		json_add_str(d, cpu, "cpus", cpus);
	if (mems && mems[0])
		json_add_str(d, cpu, "mems", mems);
	if (blkio) {
		o = json_add(d, json_root(d), "blockIO", JSON_OBJECT);
		json_add_int(d, o, "weight", blkio);
	}
	if (pids) {
		o = json_add(d, json_root(d), "pids", JSON_OBJECT);
		json_add_int(d, o, "limit", pids);
	}
	return d;
}

static struct json_doc *read_resources(const char *path, struct err *e)
{
	const char *name = strcmp(path, "-") ? path : "/proc/self/fd/0";
	struct json_doc *d;
	size_t len;
	own_mem char *text = read_file(AT_FDCWD, name, 1 << 20, &len, e);

	d = text ? json_parse(text, len, e) : NULL;
	if (!d)
		(void)!err_wrap(e, "--resources=%s", path);
	return d;
}

/* Zero means "as it was", less means "no limit". */
static int tell_sandbox(
	const struct cstate *s, const struct json *res, struct err *e)
{
	int64_t mem = json_int(json_path(res, "memory.limit"), 0);
	int64_t n = json_int(json_path(res, "pids.limit"), 0);
	struct json_doc *d;
	int err;

	if (!mem && !n)
		return 0;
	d = json_new(JSON_OBJECT);
	json_add_str(d, json_root(d), "cid", s->id);
	if (mem)
		json_add_uint(d, json_root(d), "memory", guest_memory(mem));
	if (n)
		json_add_int(d, json_root(d), "pids", n);
	err = sandbox_call(s, "containerManager.Update", json_root(d), NULL, e);
	json_free(d);
	return err;
}

int update_main(struct config *c, int argc, char **argv, struct err *e)
{
	int i = applet_args(update_flags, argc, argv, 1, 1, e), err;
	struct json_doc *d;
	struct cgroup g;
	struct cstate s;

	if (i < 0)
		return i;
	if (l3 || mem_bw || cpu_burst || cpu_idle)
		return err_set(e, ENOTSUP,
			"--l3-cache-schema, --mem-bw-schema,"
			" --cpu-burst and --cpu-idle are not supported");
	err = state_load(&s, c, argv[i], true, e);
	if (err)
		return err;
	d = resources && resources[0] ? read_resources(resources, e)
				      : from_flags(e);
	if (!d) {
		err = -e->code;
	} else if (s.status == ST_STOPPED) {
		err = err_set(e, ESRCH,
			"container \"%s\" is stopped: "
			"container not running",
			s.id);
	} else {
		cgroup_scan(&g, s.cgroup);
		err = cgroup_limits(&g, json_root(d), e);
		cgroup_fini(&g);
		if (!err)
			err = tell_sandbox(&s, json_root(d), e);
	}
	json_free(d);
	state_fini(&s);
	return err;
}
