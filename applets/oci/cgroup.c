/*
 * cgroup.c - the sandbox's cgroup on the host, version 1, 2 or both mounted.
 *
 * cgroups(7) is the contract.  With version 1 each controller is a hierarchy of
 * its own; version 2 has one, whose controllers must be switched on from the
 * root down to the parent, which may have no processes then.
 *
 * GAP: systemd is not asked for a scope when --systemd-cgroup names one: the
 * directory is made where the scope's would be.  systemd leaves it alone, but
 * may switch controllers off when it reloads the slice.
 */
#include "applets/oci/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "applets/oci/proc.h"
#include "core/fdio.h"
#include "core/log.h"
#include "core/own.h"
#include "core/str.h"

#define FILE_MAX (1 << 20)

/* --- where */

/* Our own cgroup in the hierarchy of @ctl ("" for v2), malloc'ed. */
static char *own_cgroup(const char *ctl)
{
	struct err e;
	size_t len;
	own_mem char *text =
		read_file(AT_FDCWD, "/proc/self/cgroup", FILE_MAX, &len, &e);
	char *line, *save = NULL;

	for (line = text ? strtok_r(text, "\n", &save) : NULL; line;
		line = strtok_r(NULL, "\n", &save)) {
		char *list = strchr(line, ':'), *path;
		path = list ? strchr(list + 1, ':') : NULL;
		if (!path)
			continue;
		*path++ = 0;
		if (!strcmp(list + 1, ctl))
			return xstrdup(path);
	}
	return xstrdup("/");
}

/* @path without the mount's own root in front of it. */
static const char *below(const char *path, const char *mount_root)
{
	size_t n = strlen(mount_root);

	if (n > 1 && !strncmp(path, mount_root, n) &&
		(path[n] == '/' || !path[n]))
		return path + n;
	return path;
}

static void add(struct cgroup *g, const char *mnt, const char *mnt_root,
	const char *ctl, bool v2, const char *path)
{
	if (g->n == CG_DIRS)
		return;
	g->v2[g->n] = v2;
	g->ctl[g->n] = xstrdup(ctl);
	if (path[0] == '/') {
		g->dir[g->n++] = xasprintf("%s%s", mnt, path);
	} else {
		own_mem char *own = own_cgroup(ctl);
		const char *rel = below(own, mnt_root);
		int len = strlen(rel);
		/* Ours has processes, so beside it and not below. */
		if (v2)
			len = strrchr(rel, '/') - rel;
		g->dir[g->n++] = xasprintf(
			"%s%.*s/%s", mnt, len > 1 ? len : 0, rel, path);
	}
}

/* The controllers among a v1 mount's super options: "rw,cpu,cpuacct". */
static void controllers(const char *opts, char *buf, size_t n)
{
	static const char *const known[] = { "cpu", "cpuacct", "cpuset",
		"memory", "devices", "freezer", "blkio", "pids", "net_cls",
		"net_prio", "perf_event", "hugetlb", "rdma", "misc" };
	struct strbuf s = strbuf(buf, n);
	own_mem char *copy = xstrdup(opts);
	char *save = NULL;

	for (char *w = strtok_r(copy, ",", &save); w;
		w = strtok_r(NULL, ",", &save)) {
		bool ok = str_prefix(w, "name=");
		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			ok |= !strcmp(w, known[i]);
		if (ok)
			sb_printf(&s, "%s%s", s.len ? "," : "", w);
	}
}

static bool has(const struct cgroup *g, const char *ctl, bool v2)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->v2[i] == v2 && !strcmp(g->ctl[i], ctl))
			return true;
	return false;
}

static void drop(struct cgroup *g, size_t i)
{
	free(g->dir[i]);
	free((void *)(uintptr_t)g->ctl[i]);
	g->n--;
	memmove(&g->dir[i], &g->dir[i + 1], (g->n - i) * sizeof g->dir[0]);
	memmove(&g->ctl[i], &g->ctl[i + 1], (g->n - i) * sizeof g->ctl[0]);
	memmove(&g->v2[i], &g->v2[i + 1], (g->n - i) * sizeof g->v2[0]);
}

/* Where version 1 has the controllers, the version 2 tree has none. */
static void prefer_v1(struct cgroup *g)
{
	bool v1 = false;

	for (size_t i = 0; i < g->n; i++)
		v1 |= !g->v2[i] && !str_prefix(g->ctl[i], "name=");
	for (size_t i = g->n; v1 && i-- > 0;)
		if (g->v2[i])
			drop(g, i);
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

/* "slice:prefix:name" as the directory that systemd.slice(5) says. */
static char *systemd_path(const char *path, struct err *e)
{
	char slice[256], prefix[256], name[256], dir[1024] = "";
	struct strbuf s = strbuf(dir, sizeof dir);
	const char *colon = strchr(path, ':');
	const char *second = colon ? strchr(colon + 1, ':') : NULL;
	bool ok = second && !strchr(path, '/') && !strchr(second + 1, ':') &&
		  strlen(path) < sizeof slice && second[1];

	snprintf(slice, sizeof slice, "%.*s", ok ? (int)(colon - path) : 0,
		path);
	if (ok && !slice[0])
		strcpy(slice, "system.slice");
	if (!ok || !ends_with(slice, ".slice")) {
		err_set(e, EINVAL,
			"linux.cgroupsPath: --systemd-cgroup wants "
			"slice:prefix:name, not \"%s\"",
			path);
		return NULL;
	}
	snprintf(prefix, sizeof prefix, "%.*s", (int)(second - colon - 1),
		colon + 1);
	snprintf(name, sizeof name, "%s", second + 1);
	slice[strlen(slice) - strlen(".slice")] = 0;
	/* a-b.slice lies in a.slice; -.slice is the root. */
	for (size_t i = 1; strcmp(slice, "-") && i <= strlen(slice); i++)
		if (!slice[i] || slice[i] == '-')
			sb_printf(&s, "/%.*s.slice", (int)i, slice);
	if (ends_with(name, ".slice"))
		sb_printf(&s, "/%s", name);
	else
		sb_printf(&s, "/%s%s%s.scope", prefix, prefix[0] ? "-" : "",
			name);
	return xstrdup(dir);
}

static void find(struct cgroup *g, const char *path)
{
	struct err e;
	size_t len;
	own_mem char *text =
		read_file(AT_FDCWD, "/proc/self/mountinfo", FILE_MAX, &len, &e);
	char *line, *save = NULL;

	*g = (struct cgroup){ .n = 0 };
	for (line = text ? strtok_r(text, "\n", &save) : NULL; line;
		line = strtok_r(NULL, "\n", &save)) {
		char root[512], mnt[512], type[40], opts[512], ctl[128] = "";
		char *dash = strstr(line, " - ");
		if (!dash ||
			sscanf(line, "%*s %*s %*s %511s %511s", root, mnt) !=
				2 ||
			sscanf(dash + 3, "%39s %*s %511s", type, opts) != 2 ||
			strncmp(type, "cgroup", 6))
			continue;
		bool v2 = !strcmp(type, "cgroup2");
		if (!v2)
			controllers(opts, ctl, sizeof ctl);
		if ((v2 || ctl[0]) && !has(g, ctl, v2))
			add(g, mnt, root, ctl, v2, path);
	}
	prefer_v1(g);
}

int cgroup_find(struct cgroup *g, const char *path, bool systemd, struct err *e)
{
	own_mem char *dir = systemd ? systemd_path(path, e) : xstrdup(path);

	*g = (struct cgroup){ .n = 0 };
	if (!dir)
		return -e->code;
	find(g, dir);
	return 0;
}

char *cgroup_print(const struct cgroup *g)
{
	char buf[CG_DIRS * 600];
	struct strbuf s = strbuf(buf, sizeof buf);

	for (size_t i = 0; i < g->n; i++)
		sb_printf(&s, "%d %s %s\n", g->v2[i],
			g->ctl[i][0] ? g->ctl[i] : "-", g->dir[i]);
	return xstrdup(buf);
}

void cgroup_scan(struct cgroup *g, const char *text)
{
	own_mem char *copy = xstrdup(text ? text : "");
	char *save = NULL;

	*g = (struct cgroup){ .n = 0 };
	for (char *line = strtok_r(copy, "\n", &save); line && g->n < CG_DIRS;
		line = strtok_r(NULL, "\n", &save)) {
		char ctl[128], dir[600];
		int v2;
		if (sscanf(line, "%d %127s %599[^\n]", &v2, ctl, dir) != 3)
			continue;
		g->v2[g->n] = v2;
		g->ctl[g->n] = xstrdup(strcmp(ctl, "-") ? ctl : "");
		g->dir[g->n++] = xstrdup(dir);
	}
}

void cgroup_fini(struct cgroup *g)
{
	for (size_t i = 0; i < g->n; i++) {
		free(g->dir[i]);
		free((void *)(uintptr_t)g->ctl[i]);
	}
	g->n = 0;
}

/* --- reading and writing */

int cgroup_put(const char *dir, const char *file, const char *text)
{
	own_mem char *path = xasprintf("%s/%s", dir, file);
	own_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static bool get(const char *dir, const char *file, char *buf, size_t n)
{
	own_mem char *path = xasprintf("%s/%s", dir, file);
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, buf, n - 1);

	buf[len > 0 ? len : 0] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return len > 0;
}

bool cgroup_controls(const struct cgroup *g, size_t i, const char *ctl)
{
	size_t n = strlen(ctl);

	if (g->v2[i])
		return true;
	for (const char *p = g->ctl[i]; *p; p += strcspn(p, ",")) {
		p += *p == ',';
		if (!strncmp(p, ctl, n) && (p[n] == ',' || !p[n]))
			return true;
	}
	return false;
}

int64_t cgroup_read(
	const struct cgroup *g, const char *ctl, const char *file, int64_t dflt)
{
	char buf[64];

	for (size_t i = 0; i < g->n; i++)
		if (g->v2[i] == !ctl[0] && cgroup_controls(g, i, ctl) &&
			get(g->dir[i], file, buf, sizeof buf))
			return strtoll(buf, NULL, 10);
	return dflt;
}

int64_t cgroup_read_key(
	const struct cgroup *g, const char *file, const char *key, int64_t dflt)
{
	size_t n = strlen(key), len;
	struct err e;

	for (size_t i = 0; i < g->n; i++) {
		own_mem char *path = xasprintf("%s/%s", g->dir[i], file);
		own_mem char *text =
			g->v2[i] ? read_file(AT_FDCWD, path, FILE_MAX, &len, &e)
				 : NULL;
		char *save = NULL, *l;
		for (l = text ? strtok_r(text, "\n", &save) : NULL; l;
			l = strtok_r(NULL, "\n", &save))
			if (!strncmp(l, key, n) && l[n] == ' ')
				return strtoll(l + n + 1, NULL, 10);
	}
	return dflt;
}

/* --- making */

/* A new cpuset is empty, and a task cannot enter it, until it has both lists.
 */
static void inherit_cpuset(const char *dir)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	own_mem char *parent = xstrdup(dir);
	char buf[512];

	*strrchr(parent, '/') = 0;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (get(dir, files[i], buf, sizeof buf) && !buf[0] &&
			get(parent, files[i], buf, sizeof buf))
			(void)!cgroup_put(dir, files[i], buf);
		else if (!buf[0] && get(parent, files[i], buf, sizeof buf))
			(void)!cgroup_put(dir, files[i], buf);
}

/* Switches on in @dir what its children are to have. */
static void enable_v2(const char *dir)
{
	static const char *const ctl[] = { "+cpu", "+cpuset", "+io", "+memory",
		"+pids" };

	for (size_t i = 0; i < ARRAY_SIZE(ctl); i++)
		(void)!cgroup_put(dir, "cgroup.subtree_control", ctl[i]);
}

static bool is_cgroup(const char *dir)
{
	own_mem char *path = xasprintf("%s/cgroup.procs", dir);

	return access(path, F_OK) == 0;
}

/* mkdir -p below the mount; -errno. */
static int make_dir(struct cgroup *g, size_t i)
{
	char *dir = g->dir[i];
	bool inside = false;

	for (char *p = dir + 1;; p++) {
		int err = 0;
		char c = *p;
		if (c && c != '/')
			continue;
		*p = 0;
		if (is_cgroup(dir))
			inside = true;
		else if (inside) {
			err = mkdir(dir, 0755) && errno != EEXIST ? -errno : 0;
			if (!err && cgroup_controls(g, i, "cpuset") &&
				!g->v2[i])
				inherit_cpuset(dir);
		}
		if (inside && g->v2[i] && c && !err)
			enable_v2(dir);
		*p = c;
		if (err || !c)
			return err ? err : inside ? 0 : -ENOENT;
	}
}

int cgroup_make(struct cgroup *g, const struct json *resources, struct err *e)
{
	char names[200];
	struct strbuf s = strbuf(names, sizeof names);
	int last = 0;

	for (size_t i = 0; i < g->n;) {
		int err = make_dir(g, i);
		if (!err) {
			i++;
			continue;
		}
		last = err;
		sb_printf(&s, "%s%s", s.len ? ", " : "",
			g->v2[i] ? "unified" : g->ctl[i]);
		drop(g, i);
	}
	if (!g->n)
		log_warn("this host's cgroups cannot be written (%s): the "
			 "container runs without resource limits",
			last ? strerror(-last) : "none is mounted");
	else if (s.len)
		log_warn("cgroup controllers that cannot be written are left "
			 "out: %s",
			names);
	return cgroup_limits(g, resources, e);
}

/* --- entering and removing */

int cgroup_enter(const struct cgroup *g, pid_t pid, struct err *e)
{
	char text[16];
	int err;

	snprintf(text, sizeof text, "%d", pid);
	for (size_t i = 0; i < g->n; i++) {
		err = cgroup_put(g->dir[i], "cgroup.procs", text);
		if (err)
			return err_set(e, -err,
				"cgroup %s: moving process %d "
				"into it: %s",
				g->dir[i], pid, strerror(-err));
	}
	return 0;
}

static void kill_members(const char *dir)
{
	own_mem char *path = xasprintf("%s/cgroup.procs", dir);
	struct err e;
	size_t len;

	for (int round = 0; round < 20; round++) {
		own_mem char *text =
			read_file(AT_FDCWD, path, FILE_MAX, &len, &e);
		char *save = NULL, *w;
		bool any = false;
		for (w = text ? strtok_r(text, "\n", &save) : NULL; w;
			w = strtok_r(NULL, "\n", &save)) {
			struct proc p = proc_of(atoi(w));
			any = true;
			if (p.pid > 0 && !proc_kill(&p, SIGKILL))
				(void)!proc_wait_dead(&p, 5000);
		}
		if (!any)
			return;
	}
}

/*
 * A dead process is counted until its last switch away from the CPU, after
 * its parent may know that it ended (Linux 6.18: cgroup_task_dead()), and is in
 * no list meanwhile.  Version 1 tells nobody when that is: ask again, soon.
 */
static int remove_dir(const char *dir)
{
	for (int ms = 1; rmdir(dir) && errno != ENOENT; ms *= 2) {
		if (errno != EBUSY || ms > 1024)
			return -errno;
		usleep(ms * 1000);
	}
	return 0;
}

/* Nothing of ours makes sub-groups. */
void cgroup_remove(struct cgroup *g)
{
	int err;

	for (size_t i = 0; i < g->n; i++) {
		if (rmdir(g->dir[i]) == 0 || errno == ENOENT)
			continue;
		kill_members(g->dir[i]);
		err = remove_dir(g->dir[i]);
		if (err)
			log_warn("cgroup %s cannot be removed: %s", g->dir[i],
				strerror(-err));
	}
}
