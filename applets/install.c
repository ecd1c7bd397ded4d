/*
 * install.c - runsc install and uninstall: our entry in Docker's daemon.json.
 *
 * The file is rewritten with sorted keys and four spaces, as Docker's own tools
 * do, everything else in it is kept, and the old one stays beside it with a
 * "~".
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "applets/applet.h"
#include "core/fdio.h"
#include "core/json.h"
#include "core/own.h"
#include "core/str.h"

static const char *config_file = "/etc/docker/daemon.json";
static const char *runtime = "runsc", *cgroup_driver, *sidecars;
static bool experimental, clobber = true;

const struct flag install_flags[] = {
	{ "config_file", FLAG_STR, &config_file, NULL, "Docker's daemon.json" },
	{ "runtime", FLAG_STR, &runtime, NULL, "name of the runtime" },
	{ "experimental", FLAG_BOOL, &experimental, NULL,
		"switch on Docker's experimental features" },
	{ "clobber", FLAG_BOOL, &clobber, NULL,
		"replace a runtime of that name" },
	{ "cgroupdriver", FLAG_STR, &cgroup_driver, NULL,
		"Docker's cgroup driver" },
	{ "download-sidecars", FLAG_STR, &sidecars, NULL, "there are none" },
	{ "require-sidecars", FLAG_STR, &sidecars, NULL, "there are none" },
	{ "sidecar-url", FLAG_STR, &sidecars, NULL, "there are none" },
	{ 0 },
};

const struct flag uninstall_flags[] = {
	{ "config_file", FLAG_STR, &config_file, NULL, "Docker's daemon.json" },
	{ "runtime", FLAG_STR, &runtime, NULL, "name of the runtime" },
	{ 0 },
};

#define EXIT_INSTALL 1 /* scripts know this status */

static int fail(const struct err *e)
{
	dprintf(2, "runsc: %s\n", e->msg);
	return EXIT_INSTALL;
}

static bool blank(const char *s)
{
	return !s[strspn(s, " \t\r\n")];
}

/* The file as a document; an empty or missing one is {}.  @old: its text. */
static struct json_doc *load(char **old, struct err *e)
{
	struct json_doc *d;
	size_t len;

	*old = read_file(AT_FDCWD, config_file, 1 << 20, &len, e);
	if ((!*old && e->code == ENOENT) || (*old && blank(*old)))
		return json_new(JSON_OBJECT);
	if (!*old)
		return NULL;
	d = json_parse(*old, len, e);
	if (d && json_root(d)->type != JSON_OBJECT) {
		json_free(d);
		d = NULL;
		err_set(e, EINVAL, "must hold a JSON object");
	}
	if (!d)
		(void)!err_wrap(e, "%s", config_file);
	return d;
}

static struct json *object(
	struct json_doc *d, struct json *parent, const char *key)
{
	struct json *o = (struct json *)(uintptr_t)json_get(parent, key);

	return o && o->type == JSON_OBJECT
		       ? o
		       : json_add(d, parent, key, JSON_OBJECT);
}

static int save(struct json_doc *d, const char *old, struct err *e)
{
	own_mem char *text = json_print(json_root(d), 4, true);
	own_mem char *backup = xasprintf("%s~", config_file);
	own_mem char *dir = xstrdup(config_file);

	if (strrchr(dir, '/') && strrchr(dir, '/') != dir) {
		*strrchr(dir, '/') = 0;
		(void)mkdir(dir, 0755); /* replace_file() says what is wrong */
	}
	if (old && replace_file(AT_FDCWD, backup, old, strlen(old), 0644, e))
		return -e->code;
	return replace_file(AT_FDCWD, config_file, text, strlen(text), 0644, e);
}

static int set_cgroup_driver(
	struct json_doc *d, const char *driver, struct err *e)
{
	struct json *root = json_root(d), *a;
	const struct json *old = json_get(root, "exec-opts"), *p;
	own_mem char *opt = xasprintf("native.cgroupdriver=%s", driver);

	if (old && old->type != JSON_ARRAY)
		return err_set(
			e, EINVAL, "%s: exec-opts is no array", config_file);
	json_for_each(p, old) if (
		str_prefix(json_str(p, ""),
			"native.cgroupdriver=")) return strcmp(json_str(p, ""),
		opt)
		? err_set(e, EEXIST, "%s: exec-opts already says %s",
			  config_file, json_str(p, ""))
		: 0;
	a = (struct json *)(uintptr_t)old;
	if (!a)
		a = json_add(d, root, "exec-opts", JSON_ARRAY);
	json_add_str(d, a, NULL, opt);
	return 0;
}

static int install(int nargs, char **args, struct err *e)
{
	own_mem char *old = NULL;
	struct json_doc *d = load(&old, e);
	struct json *list, *rt, *a;
	char self[4096];
	ssize_t n;
	int err;

	if (!d)
		return -e->code;
	n = readlink("/proc/self/exe", self, sizeof self - 1);
	self[n > 0 ? n : 0] = 0;
	list = object(d, json_root(d), "runtimes");
	if (json_get(list, runtime) && !clobber) {
		json_free(d);
		return err_set(e, EEXIST,
			"%s: runtime %s is already there "
			"(--clobber=false)",
			config_file, runtime);
	}
	dprintf(2, "Runtime %s %s\n", runtime,
		json_get(list, runtime) ? "already installed: overwriting"
					: "not found: adding");
	rt = json_add(d, list, runtime, JSON_OBJECT);
	json_add_str(d, rt, "path", self);
	if (nargs) {
		a = json_add(d, rt, "runtimeArgs", JSON_ARRAY);
		for (int i = 0; i < nargs; i++)
			json_add_str(d, a, NULL, args[i]);
	}
	if (experimental)
		json_add_bool(d, json_root(d), "experimental", true);
	err = cgroup_driver && cgroup_driver[0]
		      ? set_cgroup_driver(d, cgroup_driver, e)
		      : 0;
	if (!err)
		err = save(d, old, e);
	json_free(d);
	return err;
}

int install_main(struct config *c, int argc, char **argv, struct err *e)
{
	int i = applet_args(install_flags, argc, argv, 0, -1, e);

	(void)c;
	if (i < 0)
		return i;
	if (install(argc - i, argv + i, e))
		return fail(e);
	dprintf(2, "Successfully updated config.\n");
	return 0;
}

static int uninstall(struct err *e)
{
	own_mem char *old = NULL;
	struct json_doc *d = load(&old, e);
	struct json *list;
	int err;

	if (!d)
		return -e->code;
	list = (struct json *)(uintptr_t)json_get(json_root(d), "runtimes");
	if (!json_get(list, runtime)) {
		err = err_set(e, ENOENT, "%s: there is no runtime %s",
			config_file, runtime);
	} else {
		json_remove(list, runtime);
		err = save(d, old, e);
	}
	json_free(d);
	return err;
}

int uninstall_main(struct config *c, int argc, char **argv, struct err *e)
{
	int i = applet_args(uninstall_flags, argc, argv, 0, 1, e);

	(void)c;
	if (i < 0)
		return i;
	if (i < argc)
		runtime = argv[i];
	if (uninstall(e))
		return fail(e);
	dprintf(2, "Successfully updated config.\n");
	return 0;
}
