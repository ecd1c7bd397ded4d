/*
 * state.c - what is kept of a container between commands.
 *
 * The lock file is removed with the container, so a lock counts only while
 * the file that was locked is still the one that the name leads to.
 */
#include "applets/oci/state.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/fdio.h"
#include "core/own.h"
#include "core/str.h"

#define STATE_MAX (8 << 20)
#define MAX_FLAGS 64

const char *const status_names[] = { "creating", "created", "running", "paused",
	"stopped" };

int state_check_id(const char *id, struct err *e)
{
	size_t n = strlen(id);

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)id[i]) && !strchr("_+-.", id[i]))
			return err_set(e, EINVAL,
				"container id \"%.80s\": "
				"only letters, digits and _ + - . are allowed",
				id);
	if (!n || !strcmp(id, ".") || !strcmp(id, ".."))
		return err_set(e, EINVAL, "container id \"%s\" is no name", id);
	if (n > ID_MAX)
		return err_set(e, EINVAL,
			"container id is longer than %d "
			"characters",
			ID_MAX);
	return 0;
}

char *state_path(const struct cstate *s, const char *suffix)
{
	return xasprintf("%s/%s_sandbox:%s%s", s->root, s->id, s->id, suffix);
}

static int make_root(const char *root, struct err *e)
{
	char buf[420];

	snprintf(buf, sizeof buf, "%s", root);
	for (char *p = buf + 1;; p++) {
		if (*p && *p != '/')
			continue;
		char c = *p;
		*p = 0;
		if (mkdir(buf, 0711) && errno != EEXIST)
			return err_set(e, errno,
				"state directory %s: %s "
				"(--root names another one)",
				buf, strerror(errno));
		*p = c;
		if (!c)
			return 0;
	}
}

int state_lock(struct cstate *s, struct err *e)
{
	own_mem char *path = state_path(s, ".lock");
	struct stat st, now;

	for (;;) {
		int fd = open(
			path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return err_set(
				e, errno, "%s: %s", path, strerror(errno));
		while (flock(fd, LOCK_EX)) {
			if (errno == EINTR)
				continue;
			close(fd);
			return err_set(e, errno, "locking %s: %s", path,
				strerror(errno));
		}
		if (!fstat(fd, &st) && !stat(path, &now) &&
			st.st_ino == now.st_ino && st.st_dev == now.st_dev) {
			s->lock = fd;
			return 0;
		}
		close(fd);
	}
}

void state_unlock(struct cstate *s)
{
	if (s->lock >= 0)
		close(s->lock);
	s->lock = -1;
}

static int init(struct cstate *s, const struct config *conf, const char *id,
	struct err *e)
{
	const char *root = config_root(conf);

	*s = (struct cstate){ .conf = *conf, .lock = -1 };
	if (strlen(root) >= sizeof s->root)
		return err_set(e, ENAMETOOLONG, "--root=%s: too long", root);
	snprintf(s->root, sizeof s->root, "%s", root);
	if (state_check_id(id, e))
		return -e->code;
	snprintf(s->id, sizeof s->id, "%s", id);
	return 0;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

int state_create(struct cstate *s, const struct config *conf, const char *id,
	struct err *e)
{
	if (init(s, conf, id, e) || make_root(s->root, e) || state_lock(s, e))
		return -e->code;
	own_mem char *path = state_path(s, ".state");
	if (access(path, F_OK) == 0) {
		state_unlock(s);
		return err_set(e, EEXIST,
			"container \"%s\" already exists: "
			"delete it first or choose another id",
			id);
	}
	s->created = now_ns();
	s->owner = getuid();
	/* An id may be longer than a socket's name. */
	snprintf(s->sock, sizeof s->sock, "%llx-%x.sock",
		(unsigned long long)s->created, getpid());
	return 0;
}

/* --- the file */

static void add_proc(struct json_doc *d, const char *key, const struct proc *p)
{
	struct json *o = json_add(d, json_root(d), key, JSON_OBJECT);

	json_add_int(d, o, "pid", p->pid);
	json_add_uint(d, o, "startTime", p->start);
}

static struct json_doc *to_json(const struct cstate *s)
{
	struct json_doc *d = json_new(JSON_OBJECT);
	struct json *root = json_root(d), *a;
	char *flags[MAX_FLAGS];
	size_t n = config_args(&s->conf, flags, MAX_FLAGS);

	json_add_str(d, root, "id", s->id);
	json_add_str(d, root, "status", status_names[s->status]);
	json_add_str(d, root, "bundle", s->bundle ? s->bundle : "");
	json_add_int(d, root, "created", s->created);
	json_add_uint(d, root, "owner", s->owner);
	add_proc(d, "sandbox", &s->sandbox);
	add_proc(d, "gofer", &s->gofer);
	if (s->cgroup)
		json_add_str(d, root, "cgroup", s->cgroup);
	json_add_str(d, root, "socket", s->sock);
	a = json_add(d, root, "flags", JSON_ARRAY);
	for (size_t i = 0; i < n; i++) {
		json_add_str(d, a, NULL, flags[i]);
		free(flags[i]);
	}
	if (s->spec.doc)
		json_add_copy(d, root, "spec", json_root(s->spec.doc));
	return d;
}

/* Not fsync'ed: a state directory does not outlive the machine's boot. */
int state_save(struct cstate *s, struct err *e)
{
	struct json_doc *d = to_json(s);
	own_mem char *text = json_print_exact(json_root(d));
	own_mem char *path = state_path(s, ".state");
	own_mem char *tmp = state_path(s, ".state.new");
	int err;

	json_free(d);
	own_fd int fd = open(tmp,
		O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(e, errno, "%s: %s", tmp, strerror(errno));
	err = write_full(fd, text, strlen(text));
	if (!err && rename(tmp, path))
		err = -errno;
	if (err) {
		unlink(tmp);
		return err_set(e, -err, "writing %s: %s%s", path,
			strerror(-err),
			err == -ENOSPC
				? " (free some, or choose another --root)"
				: "");
	}
	return 0;
}

static void get_proc(const struct json *root, const char *key, struct proc *p)
{
	const struct json *o = json_get(root, key);

	p->pid = json_int(json_get(o, "pid"), 0);
	p->start = json_uint(json_get(o, "startTime"), 0);
}

static int from_json(struct cstate *s, const struct json *root, struct err *e)
{
	const struct json *spec = json_get(root, "spec"), *p;
	const char *status = json_str(json_get(root, "status"), "");

	for (s->status = ST_CREATING; s->status < ST_STOPPED; s->status++)
		if (!strcmp(status_names[s->status], status))
			break;
	s->bundle = xstrdup(json_str(json_get(root, "bundle"), ""));
	s->created = json_int(json_get(root, "created"), 0);
	s->owner = json_uint(json_get(root, "owner"), 0);
	get_proc(root, "sandbox", &s->sandbox);
	get_proc(root, "gofer", &s->gofer);
	if (json_get(root, "cgroup"))
		s->cgroup = xstrdup(json_str(json_get(root, "cgroup"), ""));
	snprintf(s->sock, sizeof s->sock, "%s",
		json_str(json_get(root, "socket"), ""));
	json_for_each(p, json_get(root, "flags"))
	{
		/* The configuration is the command's: kept to its end. */
		if (config_apply(&s->conf, xstrdup(json_str(p, "")), e))
			return -e->code;
	}
	if (!spec)
		return 0;
	own_mem char *text = json_print_exact(spec);
	return spec_parse(&s->spec, text, strlen(text), s->bundle, e);
}

int state_reload(struct cstate *s, struct err *e)
{
	own_mem char *path = state_path(s, ".state");
	size_t len;
	own_mem char *text = read_file(AT_FDCWD, path, STATE_MAX, &len, e);
	struct json_doc *d;
	int err;

	if (!text && e->code == ENOENT)
		return err_set(
			e, ENOENT, "container \"%s\" does not exist", s->id);
	if (!text)
		return -e->code;
	free(s->bundle);
	free(s->cgroup);
	s->bundle = s->cgroup = NULL;
	spec_fini(&s->spec);
	d = json_parse(text, len, e);
	if (!d)
		return err_wrap(e, "%s", path);
	err = from_json(s, json_root(d), e);
	json_free(d);
	if (err)
		return err_wrap(e, "%s", path);
	state_refresh(s);
	return 0;
}

void state_refresh(struct cstate *s)
{
	if (s->status != ST_STOPPED && !proc_alive(&s->sandbox))
		s->status = ST_STOPPED;
}

/* The container's own choices win; what belongs to this call stays. */
static void keep_call_flags(struct config *c, const struct config *call)
{
	config_init(c);
	c->root = call->root;
	c->log = call->log;
	c->log_format = call->log_format;
}

int state_load(struct cstate *s, const struct config *conf, const char *id,
	bool lock, struct err *e)
{
	if (init(s, conf, id, e))
		return -e->code;
	keep_call_flags(&s->conf, conf);
	own_mem char *path = state_path(s, ".state");
	/* No lock file is made for a container that is not there. */
	if (access(path, F_OK) && errno == ENOENT) {
		own_mem char *lockfile = state_path(s, ".lock");
		if (access(lockfile, F_OK))
			return err_set(e, ENOENT,
				"container \"%s\" does not exist", id);
	}
	if (lock && state_lock(s, e))
		return -e->code;
	if (state_reload(s, e)) {
		/* A lock without a state: a create that was killed early. */
		if (lock && e->code == ENOENT)
			state_remove(s);
		state_fini(s);
		return -e->code;
	}
	return 0;
}

void state_remove(struct cstate *s)
{
	static const char *const files[] = { ".state.new", ".exit", ".state",
		".lock" };

	if (s->sock[0] && !strchr(s->sock, '/')) {
		own_mem char *sock = xasprintf("%s/%s", s->root, s->sock);
		unlink(sock);
	}
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		own_mem char *path = state_path(s, files[i]);
		unlink(path);
	}
	state_unlock(s);
}

int state_exit_status(const struct cstate *s)
{
	own_mem char *path = state_path(s, ".exit");
	struct err e;
	size_t len;
	own_mem char *text = read_file(AT_FDCWD, path, 16, &len, &e);

	return text && len ? atoi(text) : -ENODATA;
}

void state_fini(struct cstate *s)
{
	state_unlock(s);
	spec_fini(&s->spec);
	free(s->bundle);
	free(s->cgroup);
	s->bundle = s->cgroup = NULL;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **state_list(const struct config *conf, struct err *e)
{
	const char *root = config_root(conf);
	DIR *d = opendir(root);
	size_t n = 0, cap = 16;
	char **ids = xzalloc(cap * sizeof *ids);
	struct dirent *de;

	if (!d && errno != ENOENT) {
		err_set(e, errno, "state directory %s: %s", root,
			strerror(errno));
		free(ids);
		return NULL;
	}
	while (d && (de = readdir(d))) {
		char *name = de->d_name, *mark = strstr(name, "_sandbox:");
		size_t len = strlen(name);
		if (!mark || len < 6 || strcmp(name + len - 6, ".state"))
			continue;
		if (n + 2 > cap) {
			char **more = xzalloc(2 * cap * sizeof *ids);
			memcpy(more, ids, n * sizeof *ids);
			free(ids);
			ids = more;
			cap *= 2;
		}
		ids[n++] = xasprintf("%.*s", (int)(mark - name), name);
	}
	if (d)
		closedir(d);
	qsort(ids, n, sizeof *ids, compare);
	return ids;
}

char *state_oci_json(const struct cstate *s, int indent)
{
	struct json_doc *d = json_new(JSON_OBJECT);
	struct json *root = json_root(d);
	char *text;

	json_add_str(d, root, "ociVersion",
		s->spec.version ? s->spec.version : "1.0.2");
	json_add_str(d, root, "id", s->id);
	json_add_str(d, root, "status", status_names[s->status]);
	if (s->status != ST_STOPPED)
		json_add_int(d, root, "pid", s->sandbox.pid);
	json_add_str(d, root, "bundle", s->bundle ? s->bundle : "");
	if (s->spec.annotations)
		json_add_copy(d, root, "annotations", s->spec.annotations);
	text = json_print(root, indent, false);
	json_free(d);
	return text;
}
