/* features.c - runsc features and cpu-features. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "applets/applet.h"
#include "applets/oci/spec.h"
#include "core/caps.h"
#include "core/fdio.h"
#include "core/json.h"
#include "core/own.h"

static void add_list(struct json_doc *d, struct json *o, const char *key,
	const char *const *v, size_t n)
{
	struct json *a = json_add(d, o, key, JSON_ARRAY);

	for (size_t i = 0; i < n; i++)
		json_add_str(d, a, NULL, v[i]);
}

/* The shape is features.md of the OCI runtime specification. */
int features_main(struct config *c, int argc, char **argv, struct err *e)
{
	static const char *const mounts[] = { "async", "atime", "bind",
		"defaults", "dev", "diratime", "dirsync", "exec", "mand",
		"noatime", "nodev", "nodiratime", "noexec", "nomand",
		"norelatime", "nostrictatime", "nosuid", "private", "rbind",
		"relatime", "ro", "rprivate", "rshared", "rslave",
		"runbindable", "rw", "shared", "slave", "strictatime", "suid",
		"sync", "unbindable" };
	static const char *const namespaces[] = { "ipc", "mount", "network",
		"pid", "user", "uts" };
	static const char *const no[] = { "apparmor", "selinux", "intelRdt" };
	struct json_doc *d;
	struct json *root, *lin, *o;
	int i = applet_args(no_flags, argc, argv, 0, 0, e);

	(void)c;
	if (i < 0)
		return i;
	d = json_new(JSON_OBJECT);
	root = json_root(d);
	json_add_str(d, root, "ociVersionMin", "1.0.0");
	json_add_str(d, root, "ociVersionMax", "1.0.2");
	add_list(d, root, "hooks", spec_hook_names, HOOK_COUNT);
	add_list(d, root, "mountOptions", mounts, ARRAY_SIZE(mounts));
	lin = json_add(d, root, "linux", JSON_OBJECT);
	add_list(d, lin, "namespaces", namespaces, ARRAY_SIZE(namespaces));
	o = json_add(d, lin, "capabilities", JSON_ARRAY);
	for (i = 0; i <= CAP_LAST; i++)
		json_add_str(d, o, NULL, cap_name(i));
	o = json_add(d, lin, "cgroup", JSON_OBJECT);
	json_add_bool(d, o, "v1", true);
	json_add_bool(d, o, "v2", true);
	json_add_bool(d, o, "systemd", false);
	o = json_add(d, lin, "seccomp", JSON_OBJECT);
	json_add_bool(d, o, "enabled", false);
	for (i = 0; i < (int)ARRAY_SIZE(no); i++) {
		o = json_add(d, lin, no[i], JSON_OBJECT);
		json_add_bool(d, o, "enabled", false);
	}
	own_mem char *text = json_print(root, 2, false);
	puts(text);
	json_free(d);
	return 0;
}

/* What the host's kernel says, sorted as one line of words. */
int cpu_features_main(struct config *c, int argc, char **argv, struct err *e)
{
	size_t len;
	char *line, *end;
	int i = applet_args(no_flags, argc, argv, 0, 0, e);

	(void)c;
	if (i < 0)
		return i;
	own_mem char *text =
		read_file(AT_FDCWD, "/proc/cpuinfo", 16 << 20, &len, e);
	if (!text)
		return -e->code;
	line = strstr(text, "\nflags");
	line = line ? strchr(line, ':') : NULL;
	if (!line)
		return err_set(e, ENODATA, "/proc/cpuinfo has no flags line");
	end = strchr(line, '\n');
	if (end)
		*end = 0;
	for (char *p = line + 1 + (line[1] == ' '); *p; p++)
		putchar(*p == ' ' ? ',' : *p);
	putchar('\n');
	return 0;
}
