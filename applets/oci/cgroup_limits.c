/*
 * cgroup_limits.c - linux.resources as files of the sandbox's cgroup.
 *
 * The kernel's Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst are the
 * contract.  A member that is absent leaves its limit as it is, so an update
 * is the same as a start.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "applets/oci/cgroup.h"
#include "core/fdio.h"
#include "core/log.h"
#include "core/own.h"
#include "core/str.h"

struct limit {
	const char *ctl, *file;        /* v1 */
	const char *file2;             /* v2, NULL: none */
	const char *path;              /* in linux.resources */
	uint64_t (*to_v2)(uint64_t v); /* NULL: the same number */
	bool text;                     /* the member is a string */
};

/* cpu.shares 2..262144 to cpu.weight 1..10000, as the kernel's documents map
 * them. */
static uint64_t shares_to_weight(uint64_t shares)
{
	shares = shares < 2 ? 2 : shares > 262144 ? 262144 : shares;
	return 1 + (shares - 2) * 9999 / 262142;
}

/* blkio.weight 10..1000 to io.weight 1..10000, as other runtimes do. */
static uint64_t blkio_to_weight(uint64_t w)
{
	w = w < 10 ? 10 : w > 1000 ? 1000 : w;
	return 1 + (w - 10) * 9999 / 990;
}

static const struct limit limits[] = {
	{ "memory", "memory.limit_in_bytes", "memory.max", "memory.limit", NULL,
		false },
	{ "memory", "memory.soft_limit_in_bytes", "memory.low",
		"memory.reservation", NULL, false },
	{ "cpu", "cpu.shares", "cpu.weight", "cpu.shares", shares_to_weight,
		false },
	{ "cpu", "cpu.cfs_period_us", NULL, "cpu.period", NULL, false },
	{ "cpu", "cpu.cfs_quota_us", NULL, "cpu.quota", NULL, false },
	{ "cpu", "cpu.rt_period_us", NULL, "cpu.realtimePeriod", NULL, false },
	{ "cpu", "cpu.rt_runtime_us", NULL, "cpu.realtimeRuntime", NULL,
		false },
	{ "cpuset", "cpuset.cpus", "cpuset.cpus", "cpu.cpus", NULL, true },
	{ "cpuset", "cpuset.mems", "cpuset.mems", "cpu.mems", NULL, true },
	{ "blkio", "blkio.weight", "io.weight", "blockIO.weight",
		blkio_to_weight, false },
};

static int put_all(struct cgroup *g, const char *ctl, const char *v1,
	const char *v2, const char *text1, const char *text2, struct err *e)
{
	bool done = false;
	int err = -ENOENT;

	for (size_t i = 0; i < g->n && !done; i++) {
		const char *file = g->v2[i] ? v2 : v1;
		if (!file || !cgroup_controls(g, i, ctl))
			continue;
		err = cgroup_put(g->dir[i], file, g->v2[i] ? text2 : text1);
		done = !err;
		if (err && err != -ENOENT && err != -EACCES)
			return err_set(e, -err, "cgroup %s/%s: writing %s: %s",
				g->dir[i], file, g->v2[i] ? text2 : text1,
				strerror(-err));
	}
	if (done || !g->n)
		return 0;
	if (g->v2[0] && v2)
		log_warn("cgroup %s has no %s: this limit is not set (a cgroup "
			 "above it has processes of its own, or the kernel "
			 "lacks the controller)",
			g->dir[0], v2);
	else
		log_warn("the host has no cgroup file %s: this limit is not "
			 "set",
			v1);
	return 0;
}

static int put_limit(struct cgroup *g, const struct limit *l,
	const struct json *j, struct err *e)
{
	char one[300], two[300];

	if (l->text) {
		if (!json_str(j, "")[0])
			return 0;
		snprintf(one, sizeof one, "%s", json_str(j, ""));
		return put_all(g, l->ctl, l->file, l->file2, one, one, e);
	}
	int64_t v = json_int(j, 0);
	if (!v) /* engines write zero for "not set" */
		return 0;
	snprintf(one, sizeof one, "%lld", (long long)v);
	if (v < 0)
		snprintf(two, sizeof two, "max");
	else
		snprintf(two, sizeof two, "%llu",
			(unsigned long long)(l->to_v2 ? l->to_v2(v)
						      : (uint64_t)v));
	return put_all(g, l->ctl, l->file, l->file2, one, two, e);
}

/* memory.swap is memory + swap in the specification and v1, swap alone in v2.
 */
static int put_swap(struct cgroup *g, const struct json *res, struct err *e)
{
	int64_t swap = json_int(json_path(res, "memory.swap"), 0);
	int64_t mem = json_int(json_path(res, "memory.limit"), 0);
	char one[32], two[32];

	if (!swap)
		return 0;
	if (!mem)
		mem = cgroup_read(g, "", "memory.max", 0);
	snprintf(one, sizeof one, "%lld", (long long)swap);
	if (swap < 0)
		snprintf(two, sizeof two, "max");
	else
		snprintf(two, sizeof two, "%lld",
			(long long)(swap > mem ? swap - mem : 0));
	return put_all(g, "memory", "memory.memsw.limit_in_bytes",
		"memory.swap.max", one, two, e);
}

/* One file in v2: what is not asked for stays as it is. */
static int put_cpu_max(struct cgroup *g, const struct json *res, struct err *e)
{
	int64_t quota = json_int(json_path(res, "cpu.quota"), 0);
	int64_t period = json_int(json_path(res, "cpu.period"), 0);
	long long was_quota = -1, was_period = 100000;
	char two[64];

	if ((!quota && !period) || !g->n || !g->v2[0])
		return 0;
	own_mem char *path = xasprintf("%s/cpu.max", g->dir[0]);
	size_t len;
	own_mem char *was = read_file(AT_FDCWD, path, 64, &len, e);
	if (was && sscanf(was, "%lld %lld", &was_quota, &was_period) < 2)
		(void)sscanf(was, "max %lld", &was_period);
	if (!quota)
		quota = was_quota;
	if (!period)
		period = was_period;
	if (quota > 0)
		snprintf(two, sizeof two, "%lld %lld", (long long)quota,
			(long long)period);
	else
		snprintf(two, sizeof two, "max %lld", (long long)period);
	return put_all(g, "cpu", NULL, "cpu.max", NULL, two, e);
}

/* linux.resources.unified: files of v2 by name. */
static int put_unified(struct cgroup *g, const struct json *res, struct err *e)
{
	const struct json *map = json_get(res, "unified"), *j;
	int err = 0;

	json_for_each(j, map)
	{
		const char *file = j->key, *text = json_str(j, "");
		if (strchr(file, '/') || !strchr(file, '.') ||
			str_prefix(file, "cgroup."))
			return err_set(e, EINVAL,
				"linux.resources.unified: \"%s\" is not the "
				"name of a controller's file",
				file);
		if (!g->n || !g->v2[0])
			return err_set(e, ENOTSUP,
				"linux.resources.unified: this host has no "
				"cgroup version 2");
		err = put_all(g, "", NULL, file, NULL, text, e);
		if (err)
			break;
	}
	return err;
}

/*
 * The container's own limit is enforced inside.  A guest thread costs two
 * host threads, and the sandbox has some of its own.
 */
static int put_pids(struct cgroup *g, const struct json *res, struct err *e)
{
	int64_t n = json_int(json_path(res, "pids.limit"), 0);
	char text[32];

	if (!n)
		return 0;
	if (n < 0 || n > INT32_MAX / 4)
		snprintf(text, sizeof text, "max");
	else
		snprintf(text, sizeof text, "%lld", (long long)(3 * n + 64));
	return put_all(g, "pids", "pids.max", "pids.max", text, text, e);
}

/* Version 1 holds memory + swap at or above memory at all times. */
static bool raises_swap(const struct cgroup *g, const struct json *res)
{
	int64_t swap = json_int(json_path(res, "memory.swap"), 0);
	int64_t was = cgroup_read(
		g, "memory", "memory.memsw.limit_in_bytes", INT64_MAX);

	return swap < 0 || swap > was;
}

int cgroup_limits(struct cgroup *g, const struct json *res, struct err *e)
{
	bool v2 = g->n && g->v2[0], swap_first = raises_swap(g, res);
	int err = swap_first ? put_swap(g, res, e) : 0;

	for (size_t i = 0; !err && i < ARRAY_SIZE(limits); i++) {
		const struct json *j = json_path(res, limits[i].path);
		if (j && (limits[i].file2 || !v2))
			err = put_limit(g, &limits[i], j, e);
	}
	if (!err && !swap_first)
		err = put_swap(g, res, e);
	if (!err)
		err = put_cpu_max(g, res, e);
	if (!err)
		err = put_pids(g, res, e);
	return err ?: put_unified(g, res, e);
}
