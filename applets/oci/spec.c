/*
 * spec.c - config.json of an OCI bundle, as structs.
 *
 * A struct reader walks the document with a sticky error: after the first
 * mistake every getter returns its default, and the one who asked for the
 * parse finds the sentence in reader.e.
 */
#include "applets/oci/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "core/caps.h"
#include "core/fdio.h"
#include "core/own.h"
#include "core/str.h"

#define SPEC_MAX (4 << 20)

const char *const spec_hook_names[HOOK_COUNT] = { "prestart", "createRuntime",
	"createContainer", "startContainer", "poststart", "poststop" };

struct reader {
	struct err *e;
	const char *file; /* "config.json" */
	int err;          /* sticky */
};

static void PRINTF(3, 4)
	bad(struct reader *r, const struct json *j, const char *fmt, ...)
{
	char msg[300];
	va_list ap;

	if (r->err)
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	if (j)
		r->err = err_set(
			r->e, EINVAL, "%s line %u: %s", r->file, j->line, msg);
	else
		r->err = err_set(r->e, EINVAL, "%s: %s", r->file, msg);
}

static const char *type_name(enum json_type t)
{
	switch (t) {
	case JSON_STRING:
		return "a string";
	case JSON_ARRAY:
		return "an array";
	case JSON_OBJECT:
		return "an object";
	case JSON_TRUE:
		return "true or false";
	default:
		return "a number";
	}
}

static bool type_is(const struct json *j, enum json_type want)
{
	switch (want) {
	case JSON_TRUE:
		return j->type == JSON_TRUE || j->type == JSON_FALSE;
	case JSON_INT:
		return j->type == JSON_INT || j->type == JSON_UINT;
	default:
		return j->type == want;
	}
}

/* Member @key of @obj when it has type @want; null counts as absent. */
static const struct json *get(struct reader *r, const struct json *obj,
	const char *where, const char *key, enum json_type want)
{
	const struct json *j = json_get(obj, key);

	if (r->err || !j || j->type == JSON_NULL)
		return NULL;
	if (type_is(j, want))
		return j;
	bad(r, j, "%s%s: must be %s", where, key, type_name(want));
	return NULL;
}

static const char *get_str(struct reader *r, const struct json *obj,
	const char *where, const char *key)
{
	const struct json *j = get(r, obj, where, key, JSON_STRING);

	if (j && strlen(j->v.s) != j->n)
		bad(r, j, "%s%s: holds a NUL byte", where, key);
	return json_str(j, NULL);
}

static bool get_bool(struct reader *r, const struct json *obj,
	const char *where, const char *key)
{
	return json_bool(get(r, obj, where, key, JSON_TRUE), false);
}

static int64_t get_int(struct reader *r, const struct json *obj,
	const char *where, const char *key, int64_t min, int64_t max)
{
	const struct json *j = get(r, obj, where, key, JSON_INT);
	int64_t v;

	if (!j)
		return 0;
	v = json_int(j, INT64_MIN);
	if (v < min || v > max) {
		bad(r, j, "%s%s: out of range", where, key);
		return 0;
	}
	return v;
}

/* An array of strings as a NULL-terminated vector; NULL when absent. */
static const char **get_strs(struct reader *r, const struct json *obj,
	const char *where, const char *key)
{
	const struct json *a = get(r, obj, where, key, JSON_ARRAY), *p;
	const char **v;
	size_t n = 0;

	if (!a)
		return NULL;
	v = xzalloc((a->n + 1) * sizeof *v);
	json_for_each(p, a)
	{
		if (p->type != JSON_STRING || strlen(p->v.s) != p->n) {
			bad(r, p, "%s%s[%zu]: must be a string", where, key, n);
			break;
		}
		v[n++] = p->v.s;
	}
	return v;
}

/* --- process */

static const struct {
	const char *name;
	int resource;
} rlimit_names[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
};

int rlimit_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rlimit_names); i++)
		if (!strcmp(rlimit_names[i].name, name))
			return rlimit_names[i].resource;
	return -1;
}

static uint64_t read_limit(struct reader *r, const struct json *obj,
	const char *where, const char *key)
{
	const struct json *j = get(r, obj, where, key, JSON_INT);

	if (!j)
		bad(r, obj, "%s%s: missing", where, key);
	/* Some engines write "unlimited" as -1. */
	return j && j->type == JSON_INT && j->v.i < 0 ? RLIM_INFINITY
						      : json_uint(j, 0);
}

static void read_rlimits(struct reader *r, const struct json *obj,
	const char *what, struct spec_process *p)
{
	char where[80];
	const struct json *a, *j;

	a = get(r, obj, what, "rlimits", JSON_ARRAY);
	if (!a || !a->n)
		return;
	p->rlimits = xzalloc(a->n * sizeof *p->rlimits);
	json_for_each(j, a)
	{
		struct spec_rlimit *l = &p->rlimits[p->nrlimits];
		snprintf(where, sizeof where, "%srlimits[%zu].", what,
			p->nrlimits);
		const char *name = get_str(r, j, where, "type");
		if (!name)
			bad(r, j, "%stype: missing", where);
		if (r->err)
			return;
		l->resource = rlimit_by_name(name);
		if (l->resource < 0)
			bad(r, j, "%stype: there is no limit called \"%.40s\"",
				where, name);
		l->soft = read_limit(r, j, where, "soft");
		l->hard = read_limit(r, j, where, "hard");
		if (l->soft > l->hard)
			bad(r, j, "%ssoft: is above the hard limit", where);
		for (size_t i = 0; i < p->nrlimits; i++)
			if (p->rlimits[i].resource == l->resource)
				bad(r, j, "%stype: %s is there twice", where,
					name);
		p->nrlimits++;
	}
}

static uint64_t read_caps(struct reader *r, const struct json *obj,
	const char *what, const char *key)
{
	char where[80];
	const struct json *a, *j;
	uint64_t set = 0;

	snprintf(where, sizeof where, "%scapabilities.", what);
	a = get(r, obj, where, key, JSON_ARRAY);
	json_for_each(j, a)
	{
		int cap = cap_by_name(json_str(j, ""));
		/* Newer kernels' capabilities: nobody here can have them. */
		if (cap >= 0)
			set |= 1ULL << cap;
		else if (j->type != JSON_STRING)
			bad(r, j, "%s%s: must hold strings", where, key);
	}
	return set;
}

static void read_user(struct reader *r, const struct json *obj,
	const char *what, struct spec_process *p)
{
	const struct json *u = get(r, obj, what, "user", JSON_OBJECT), *a, *j;
	char where[80];

	snprintf(where, sizeof where, "%suser.", what);
	p->uid = get_int(r, u, where, "uid", 0, UINT32_MAX - 1);
	p->gid = get_int(r, u, where, "gid", 0, UINT32_MAX - 1);
	p->set_umask = get(r, u, where, "umask", JSON_INT) != NULL;
	p->umask = get_int(r, u, where, "umask", 0, 0777);
	a = get(r, u, where, "additionalGids", JSON_ARRAY);
	if (!a || !a->n)
		return;
	p->groups = xzalloc(a->n * sizeof *p->groups);
	json_for_each(j, a)
	{
		int64_t gid = json_int(j, -1);
		if (gid < 0 || gid >= UINT32_MAX)
			bad(r, j, "%sadditionalGids: must hold group numbers",
				where);
		p->groups[p->ngroups++] = gid;
	}
}

static void read_process(struct reader *r, const struct json *j,
	const char *what, struct spec_process *p)
{
	static const char *none[] = { NULL };
	const struct json *size, *caps;

	p->terminal = get_bool(r, j, what, "terminal");
	size = get(r, j, what, "consoleSize", JSON_OBJECT);
	p->rows = get_int(
		r, size, "process.consoleSize.", "height", 0, UINT16_MAX);
	p->cols = get_int(
		r, size, "process.consoleSize.", "width", 0, UINT16_MAX);
	read_user(r, j, what, p);
	p->args = get_strs(r, j, what, "args");
	if (!p->args || !p->args[0])
		bad(r, json_get(j, "args") ? json_get(j, "args") : j,
			"%sargs: must name a program", what);
	p->env = get_strs(r, j, what, "env");
	if (!p->env) {
		p->env = xzalloc(sizeof none);
		p->env[0] = NULL;
	}
	p->cwd = get_str(r, j, what, "cwd");
	if (!p->cwd || !p->cwd[0])
		p->cwd = "/";
	else if (p->cwd[0] != '/')
		bad(r, json_get(j, "cwd"), "%scwd: must be an absolute path",
			what);
	caps = get(r, j, what, "capabilities", JSON_OBJECT);
	p->has_caps = caps != NULL;
	p->bounding = read_caps(r, caps, what, "bounding");
	p->permitted = read_caps(r, caps, what, "permitted");
	p->effective = read_caps(r, caps, what, "effective") & p->permitted;
	p->inheritable = read_caps(r, caps, what, "inheritable");
	p->ambient = read_caps(r, caps, what, "ambient") & p->permitted &
		     p->inheritable;
	read_rlimits(r, j, what, p);
	p->no_new_privs = get_bool(r, j, what, "noNewPrivileges");
	p->set_oom = get(r, j, what, "oomScoreAdj", JSON_INT) != NULL;
	p->oom_score_adj = get_int(r, j, what, "oomScoreAdj", -1000, 1000);
}

int spec_parse_process(const struct json *j, const char *what,
	struct spec_process *p, struct err *e)
{
	struct reader r = { .e = e, .file = what };

	*p = (struct spec_process){ 0 };
	if (!j || j->type != JSON_OBJECT)
		bad(&r, j, "must be an object");
	read_process(&r, j, "", p);
	if (r.err)
		spec_process_fini(p);
	return r.err;
}

void spec_process_fini(struct spec_process *p)
{
	free(p->groups);
	free(p->args);
	free(p->env);
	free(p->rlimits);
	*p = (struct spec_process){ 0 };
}

/* --- mounts */

static const struct {
	const char *name;
	unsigned set, clear;
} mount_flags[] = {
	{ "defaults", 0, 0 },
	{ "ro", MS_RDONLY, 0 },
	{ "rro", MS_RDONLY, 0 },
	{ "rw", 0, MS_RDONLY },
	{ "nosuid", MS_NOSUID, 0 },
	{ "suid", 0, MS_NOSUID },
	{ "nodev", MS_NODEV, 0 },
	{ "dev", 0, MS_NODEV },
	{ "noexec", MS_NOEXEC, 0 },
	{ "exec", 0, MS_NOEXEC },
	{ "sync", MS_SYNCHRONOUS, 0 },
	{ "async", 0, MS_SYNCHRONOUS },
	{ "dirsync", MS_DIRSYNC, 0 },
	{ "mand", MS_MANDLOCK, 0 },
	{ "nomand", 0, MS_MANDLOCK },
	{ "noatime", MS_NOATIME, 0 },
	{ "atime", 0, MS_NOATIME },
	{ "nodiratime", MS_NODIRATIME, 0 },
	{ "diratime", 0, MS_NODIRATIME },
	{ "relatime", MS_RELATIME, 0 },
	{ "norelatime", 0, MS_RELATIME },
	{ "strictatime", MS_STRICTATIME, 0 },
	{ "nostrictatime", 0, MS_STRICTATIME },
	{ "bind", MS_BIND, 0 },
	{ "rbind", MS_BIND | MS_REC, 0 },
	/* Propagation ends at the sandbox: there is nothing to propagate to. */
	{ "private", 0, 0 },
	{ "rprivate", 0, 0 },
	{ "shared", 0, 0 },
	{ "rshared", 0, 0 },
	{ "slave", 0, 0 },
	{ "rslave", 0, 0 },
	{ "unbindable", 0, 0 },
	{ "runbindable", 0, 0 },
	{ "nofail", 0, 0 },
	{ "_netdev", 0, 0 },
};

static bool mount_flag(struct spec_mount *m, const char *opt)
{
	if (!strcmp(opt, "tmpcopyup") || !strcmp(opt, "notmpcopyup")) {
		m->copyup = opt[0] == 't';
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(mount_flags); i++) {
		if (strcmp(mount_flags[i].name, opt))
			continue;
		m->flags |= mount_flags[i].set;
		m->flags &= ~mount_flags[i].clear;
		return true;
	}
	return false;
}

static void read_mount_options(struct reader *r, const struct json *j,
	const char *where, struct spec_mount *m)
{
	own_mem const char **opts = get_strs(r, j, where, "options");
	size_t len = 1;

	for (size_t i = 0; opts && opts[i]; i++)
		len += strlen(opts[i]) + 1;
	own_mem char *data = xzalloc(len);
	struct strbuf s = strbuf(data, len);
	for (size_t i = 0; opts && opts[i]; i++) {
		if (mount_flag(m, opts[i]))
			continue;
		sb_printf(&s, "%s%s", s.len ? "," : "", opts[i]);
	}
	if (s.len) {
		m->data = data;
		data = NULL;
	}
}

static void read_mounts(
	struct reader *r, struct spec *s, const struct json *root)
{
	const struct json *a = get(r, root, "", "mounts", JSON_ARRAY), *j;
	char where[40];

	if (!a || !a->n)
		return;
	s->mounts = xzalloc(a->n * sizeof *s->mounts);
	json_for_each(j, a)
	{
		struct spec_mount *m = &s->mounts[s->nmounts];
		snprintf(where, sizeof where, "mounts[%zu].", s->nmounts++);
		m->line = j->line;
		m->dest = get_str(r, j, where, "destination");
		m->type = get_str(r, j, where, "type");
		m->source = get_str(r, j, where, "source");
		if (!m->dest || !m->dest[0])
			bad(r, j, "%sdestination: missing", where);
		else if (m->dest[0] != '/')
			bad(r, j, "%sdestination: must be an absolute path",
				where);
		read_mount_options(r, j, where, m);
		m->bind = (m->flags & MS_BIND) ||
			  (m->type && (!strcmp(m->type, "bind") ||
					      !strcmp(m->type, "rbind")));
		m->flags &= ~(MS_BIND | MS_REC);
		if (m->bind && (!m->source || !m->source[0]))
			bad(r, j, "%ssource: missing", where);
		else if (!m->bind && (!m->type || !m->type[0]))
			bad(r, j, "%stype: missing", where);
		if (m->bind)
			m->type = "bind";
		if (!m->source)
			m->source = m->type;
		if (r->err)
			return;
	}
}

/* --- hooks, namespaces and the rest */

static void read_hooks(
	struct reader *r, struct spec *s, const struct json *root)
{
	const struct json *hooks = get(r, root, "", "hooks", JSON_OBJECT);
	const struct json *a, *j;
	char where[60];

	for (int k = 0; k < HOOK_COUNT; k++) {
		a = get(r, hooks, "hooks.", spec_hook_names[k], JSON_ARRAY);
		if (!a || !a->n)
			continue;
		s->hooks[k] = xzalloc(a->n * sizeof *s->hooks[k]);
		json_for_each(j, a)
		{
			struct spec_hook *h = &s->hooks[k][s->nhooks[k]];
			snprintf(where, sizeof where, "hooks.%s[%zu].",
				spec_hook_names[k], s->nhooks[k]++);
			h->path = get_str(r, j, where, "path");
			if (!h->path || h->path[0] != '/')
				bad(r, j, "%spath: must be an absolute path",
					where);
			h->args = get_strs(r, j, where, "args");
			h->env = get_strs(r, j, where, "env");
			h->timeout =
				get_int(r, j, where, "timeout", 0, INT_MAX);
		}
	}
}

static void read_namespaces(
	struct reader *r, struct spec *s, const struct json *lin)
{
	static const char *const names[NS_COUNT] = { "user", "pid", "network",
		"ipc", "uts", "mount", "cgroup", "time" };
	const struct json *a, *j;
	char where[60];
	size_t n = 0;

	a = get(r, lin, "linux.", "namespaces", JSON_ARRAY);
	json_for_each(j, a)
	{
		snprintf(where, sizeof where, "linux.namespaces[%zu].", n++);
		const char *type = get_str(r, j, where, "type");
		const char *path = get_str(r, j, where, "path");
		int k = 0;
		if (!type)
			bad(r, j, "%stype: missing", where);
		if (r->err)
			return;
		while (k < NS_COUNT && strcmp(names[k], type))
			k++;
		if (k == NS_COUNT) {
			bad(r, j,
				"%stype: there is no namespace called "
				"\"%.40s\"",
				where, type);
			return;
		}
		if (s->ns[k].present)
			bad(r, j, "%stype: %s is there twice", where, type);
		if (path && path[0] && path[0] != '/')
			bad(r, j, "%spath: must be an absolute path", where);
		s->ns[k].present = true;
		s->ns[k].path = path && path[0] ? path : NULL;
	}
}

/* GAP: ids inside and in files are the same; a map that says else is refused.
 */
static void check_id_map(
	struct reader *r, const struct json *lin, const char *key)
{
	const struct json *a = get(r, lin, "linux.", key, JSON_ARRAY), *j;

	json_for_each(j, a) if (json_uint(json_get(j, "containerID"), 0) !=
				json_uint(json_get(j, "hostID"), 0)) bad(r, j,
		"linux.%s: maps to other ids are not "
		"supported yet",
		key);
}

static void read_sysctl(
	struct reader *r, struct spec *s, const struct json *lin)
{
	const struct json *o = get(r, lin, "linux.", "sysctl", JSON_OBJECT), *j;
	size_t n = 0;

	if (!o || !o->n)
		return;
	s->sysctl = xzalloc((o->n + 1) * sizeof *s->sysctl);
	json_for_each(j, o)
	{
		if (j->type != JSON_STRING) {
			bad(r, j, "linux.sysctl.%s: must be a string", j->key);
			return;
		}
		s->sysctl[n++] = xasprintf("%s=%s", j->key, j->v.s);
	}
}

static uint32_t device_type(const char *type)
{
	if (!strcmp(type, "c") || !strcmp(type, "u"))
		return S_IFCHR;
	if (!strcmp(type, "b"))
		return S_IFBLK;
	return strcmp(type, "p") ? 0 : S_IFIFO;
}

static void read_devices(
	struct reader *r, struct spec *s, const struct json *lin)
{
	const struct json *a = get(r, lin, "linux.", "devices", JSON_ARRAY), *j;
	char where[40];

	if (!a || !a->n)
		return;
	s->devices = xzalloc(a->n * sizeof *s->devices);
	json_for_each(j, a)
	{
		struct spec_device *d = &s->devices[s->ndevices];
		snprintf(where, sizeof where, "linux.devices[%zu].",
			s->ndevices++);
		const char *type = get_str(r, j, where, "type");
		d->path = get_str(r, j, where, "path");
		if (!d->path || d->path[0] != '/')
			bad(r, j, "%spath: must be an absolute path", where);
		d->mode = device_type(type ? type : "");
		if (!d->mode)
			bad(r, j, "%stype: must be c, b, u or p", where);
		d->major = get_int(r, j, where, "major", -1, 0xfff);
		d->minor = get_int(r, j, where, "minor", -1, 0xfffff);
		d->mode |= json_get(j, "fileMode")
				   ? get_int(r, j, where, "fileMode", 0,
					     UINT32_MAX) &
					     07777
				   : 0666;
		d->uid = get_int(r, j, where, "uid", 0, UINT32_MAX - 1);
		d->gid = get_int(r, j, where, "gid", 0, UINT32_MAX - 1);
		if (r->err)
			return;
	}
}

static void read_linux(
	struct reader *r, struct spec *s, const struct json *root)
{
	const struct json *lin = get(r, root, "", "linux", JSON_OBJECT);

	read_namespaces(r, s, lin);
	check_id_map(r, lin, "uidMappings");
	check_id_map(r, lin, "gidMappings");
	read_sysctl(r, s, lin);
	read_devices(r, s, lin);
	s->cgroups_path = get_str(r, lin, "linux.", "cgroupsPath");
	if (s->cgroups_path && !s->cgroups_path[0])
		s->cgroups_path = NULL;
	s->resources = get(r, lin, "linux.", "resources", JSON_OBJECT);
	s->masked = get_strs(r, lin, "linux.", "maskedPaths");
	s->readonly = get_strs(r, lin, "linux.", "readonlyPaths");
	s->seccomp = get(r, lin, "linux.", "seccomp", JSON_OBJECT) != NULL;
}

static void read_root(struct reader *r, struct spec *s, const struct json *doc,
	const char *bundle)
{
	const struct json *j = get(r, doc, "", "root", JSON_OBJECT);
	const char *path = get_str(r, j, "root.", "path");

	if (!j)
		bad(r, doc, "root: missing");
	else if (!path || !path[0])
		bad(r, j, "root.path: missing");
	if (r->err)
		return;
	s->root_readonly = get_bool(r, j, "root.", "readonly");
	if (path[0] == '/' || !bundle)
		s->root = xstrdup(path);
	else
		s->root = xasprintf("%s/%s", bundle, path);
}

static void read_annotations(
	struct reader *r, struct spec *s, const struct json *root)
{
	const struct json *p;

	s->annotations = get(r, root, "", "annotations", JSON_OBJECT);
	json_for_each(p, s->annotations) if (p->type != JSON_STRING)
		bad(r, p, "annotations.%s: must be a string", p->key);
}

static void read_version(
	struct reader *r, struct spec *s, const struct json *root)
{
	s->version = get_str(r, root, "", "ociVersion");
	if (!s->version)
		bad(r, root, "ociVersion: missing");
	else if (strncmp(s->version, "1.", 2))
		bad(r, json_get(root, "ociVersion"),
			"ociVersion: version %.20s is not supported, 1.x is",
			s->version);
}

int spec_parse(struct spec *s, const char *text, size_t len, const char *bundle,
	struct err *e)
{
	struct reader r = { .e = e, .file = "config.json" };
	const struct json *root, *p;

	*s = (struct spec){ .text = xzalloc(len + 1), .len = len };
	memcpy(s->text, text, len);
	s->doc = json_parse(s->text, len, e);
	if (!s->doc) {
		spec_fini(s);
		return err_wrap(e, "config.json");
	}
	root = json_root(s->doc);
	if (root->type != JSON_OBJECT)
		bad(&r, root, "must be an object");
	read_version(&r, s, root);
	p = get(&r, root, "", "process", JSON_OBJECT);
	s->has_process = p != NULL;
	if (p)
		read_process(&r, p, "process.", &s->process);
	read_root(&r, s, root, bundle);
	s->hostname = get_str(&r, root, "", "hostname");
	s->domainname = get_str(&r, root, "", "domainname");
	read_mounts(&r, s, root);
	read_hooks(&r, s, root);
	read_linux(&r, s, root);
	read_annotations(&r, s, root);
	if (!r.err && !p)
		bad(&r, root, "process: missing");
	if (r.err)
		spec_fini(s);
	return r.err;
}

int spec_load(struct spec *s, const char *bundle, struct err *e)
{
	own_mem char *path = xasprintf("%s/config.json", bundle);
	size_t len;
	own_mem char *text = read_file(AT_FDCWD, path, SPEC_MAX, &len, e);

	if (!text && e->code == ENOENT)
		return err_set(e, ENOENT,
			"%s: no such file: --bundle must "
			"name a directory that holds a config.json (`runsc "
			"spec` writes one)",
			path);
	if (!text)
		return -e->code;
	return spec_parse(s, text, len, bundle, e);
}

void spec_fini(struct spec *s)
{
	spec_process_fini(&s->process);
	for (size_t i = 0; i < s->nmounts; i++)
		free(s->mounts[i].data);
	free(s->mounts);
	for (int k = 0; k < HOOK_COUNT; k++) {
		for (size_t i = 0; i < s->nhooks[k]; i++) {
			free(s->hooks[k][i].args);
			free(s->hooks[k][i].env);
		}
		free(s->hooks[k]);
	}
	for (size_t i = 0; s->sysctl && s->sysctl[i]; i++)
		free((void *)(uintptr_t)s->sysctl[i]);
	free(s->sysctl);
	free(s->devices);
	free(s->masked);
	free(s->readonly);
	free(s->root);
	free(s->text);
	json_free(s->doc);
	*s = (struct spec){ 0 };
}
