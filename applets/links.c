/* links.c - runsc install-links: the names that this program answers to. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "applets/applet.h"
#include "core/own.h"
#include "core/str.h"

static int make_link(
	const char *target, const char *dir, const char *name, struct err *e)
{
	own_mem char *path = xasprintf("%s/%s", dir, name);
	own_mem char *tmp = xasprintf("%s/.%s.%d", dir, name, getpid());

	if (symlink(target, tmp) || rename(tmp, path)) {
		err_set(e, errno, "%s: %s", path, strerror(errno));
		unlink(tmp);
		return -e->code;
	}
	return 0;
}

int links_main(struct config *c, int argc, char **argv, struct err *e)
{
	static const char *const names[] = { "runsc-sandbox", "runsc-gofer",
		"runsc-exec", "containerd-shim-runsc-v1" };
	int i = applet_args(no_flags, argc, argv, 1, 1, e);
	char self[4096];
	ssize_t n;
	size_t count;
	const struct applet *a = applet_table(&count);

	(void)c;
	if (i < 0)
		return i;
	n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n < 0)
		return err_set(e, errno, "/proc/self/exe: %s", strerror(errno));
	self[n] = 0;
	for (size_t k = 0; k < ARRAY_SIZE(names); k++)
		if (make_link(self, argv[i], names[k], e))
			return -e->code;
	for (size_t k = 0; k < count; k++) {
		if (strcmp(a[k].group, "debug"))
			continue;
		own_mem char *name = xasprintf("runsc-%s", a[k].name);
		if (make_link(self, argv[i], name, e))
			return -e->code;
	}
	return 0;
}
