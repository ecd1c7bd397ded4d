/* spec.c - runsc spec: a config.json to start from. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "applets/applet.h"
#include "applets/spec_template.h"
#include "core/fdio.h"
#include "core/json.h"
#include "core/own.h"
#include "core/str.h"

static const char *bundle = ".", *cwd = "/", *netns;
static bool tpu;

const struct flag spec_flags[] = {
	{ "bundle", FLAG_STR, &bundle, NULL, "directory to write it to" },
	{ "cwd", FLAG_STR, &cwd, NULL, "working directory, absolute" },
	{ "netns", FLAG_STR, &netns, NULL, "network namespace to join" },
	{ "tpu", FLAG_BOOL, &tpu, NULL, "not supported" },
	{ 0 },
};

/* What a container may do by default, in all sets but the ambient one. */
static const char *const default_caps[] = { "CAP_AUDIT_WRITE", "CAP_KILL",
	"CAP_NET_BIND_SERVICE" };

static void add_strings(struct json_doc *d, struct json *o, const char *key,
	const char *const *v, size_t n)
{
	struct json *a = json_add(d, o, key, JSON_ARRAY);

	for (size_t i = 0; i < n; i++)
		json_add_str(d, a, NULL, v[i]);
}

static void add_process(struct json_doc *d, const struct spec_template *t)
{
	static const char *const sets[] = { "bounding", "effective",
		"inheritable", "permitted" };
	struct json *p = json_add(d, json_root(d), "process", JSON_OBJECT), *o;

	json_add_bool(d, p, "terminal", t->terminal);
	o = json_add(d, p, "user", JSON_OBJECT);
	json_add_int(d, o, "uid", 0);
	json_add_int(d, o, "gid", 0);
	add_strings(d, p, "args", t->args, t->nargs);
	add_strings(d, p, "env", t->env, t->nenv);
	json_add_str(d, p, "cwd", t->cwd);
	o = json_add(d, p, "capabilities", JSON_OBJECT);
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		add_strings(d, o, sets[i], t->caps ? t->caps : default_caps,
			t->caps ? t->ncaps : ARRAY_SIZE(default_caps));
	if (!t->nofile)
		return;
	o = json_add(
		d, json_add(d, p, "rlimits", JSON_ARRAY), NULL, JSON_OBJECT);
	json_add_str(d, o, "type", "RLIMIT_NOFILE");
	json_add_int(d, o, "hard", t->nofile);
	json_add_int(d, o, "soft", t->nofile);
}

void spec_add_mount(struct json_doc *d, const char *dest, const char *type,
	const char *source, const char *options)
{
	struct json *list =
		(struct json *)(uintptr_t)json_get(json_root(d), "mounts");
	struct json *o = json_add(d, list, NULL, JSON_OBJECT), *a;
	own_mem char *copy = xstrdup(options);
	char *save = NULL;

	json_add_str(d, o, "destination", dest);
	json_add_str(d, o, "type", type);
	json_add_str(d, o, "source", source);
	if (!options[0])
		return;
	a = json_add(d, o, "options", JSON_ARRAY);
	for (char *w = strtok_r(copy, ",", &save); w;
		w = strtok_r(NULL, ",", &save))
		json_add_str(d, a, NULL, w);
}

struct json_doc *spec_template(const struct spec_template *t)
{
	static const char *const namespaces[] = { "pid", "network", "ipc",
		"uts", "mount" };
	struct json_doc *d = json_new(JSON_OBJECT);
	struct json *root = json_root(d), *o, *a;

	json_add_str(d, root, "ociVersion", "1.0.0");
	add_process(d, t);
	o = json_add(d, root, "root", JSON_OBJECT);
	json_add_str(d, o, "path", t->root);
	json_add_bool(d, o, "readonly", t->readonly);
	json_add_str(d, root, "hostname", t->hostname);
	json_add(d, root, "mounts", JSON_ARRAY);
	spec_add_mount(d, "/proc", "proc", "proc", "");
	spec_add_mount(d, "/dev", "tmpfs", "tmpfs", "");
	spec_add_mount(d, "/dev/pts", "devpts", "devpts", "");
	spec_add_mount(d, "/dev/shm", "tmpfs", "shm", "nosuid,nodev,mode=1777");
	spec_add_mount(d, "/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro");
	o = json_add(d, root, "linux", JSON_OBJECT);
	a = json_add(d, o, "namespaces", JSON_ARRAY);
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		bool net = !strcmp(namespaces[i], "network");
		if (net && t->no_netns)
			continue;
		o = json_add(d, a, NULL, JSON_OBJECT);
		json_add_str(d, o, "type", namespaces[i]);
		if (net && t->netns)
			json_add_str(d, o, "path", t->netns);
	}
	return d;
}

int spec_main(struct config *c, int argc, char **argv, struct err *e)
{
	static const char *sh[] = { "sh" };
	static const char *env[] = { "PATH=/usr/local/sbin:/usr/local/bin:"
				     "/usr/sbin:/usr/bin:/sbin:/bin",
		"TERM=xterm" };
	int i = applet_args(spec_flags, argc, argv, 0, -1, e), err;
	struct json_doc *d;

	(void)c;
	if (i < 0)
		return i;
	if (cwd[0] != '/')
		return err_set(e, EINVAL, "--cwd=%s: must be absolute", cwd);
	struct spec_template t = { .root = "rootfs",
		.readonly = true,
		.cwd = cwd,
		.hostname = "runsc",
		.args = sh,
		.nargs = 1,
		.env = env,
		.nenv = 2,
		.nofile = 1024,
		.terminal = i == argc,
		.netns = netns && netns[0] ? netns : NULL };
	if (i < argc) {
		t.args = (const char **)(uintptr_t)(argv + i);
		t.nargs = argc - i;
	}
	own_mem char *path = xasprintf("%s/config.json", bundle);
	if (access(path, F_OK) == 0)
		return err_set(e, EEXIST,
			"%s is already there: remove it "
			"first",
			path);
	d = spec_template(&t);
	own_mem char *text = json_print(json_root(d), 4, false);
	json_free(d);
	own_mem char *line = xasprintf("%s\n", text);
	err = replace_file(AT_FDCWD, path, line, strlen(line), 0644, e);
	return err;
}
