/*
 * do.c - runsc do: one command over the host's files.
 *
 * The host's root is read-only, with memory on /tmp, /run and HOME: nothing
 * that the command does reaches the host.  The current directory and the
 * program stay visible, read-only, when one of those would hide them.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "applets/applet.h"
#include "applets/run.h"
#include "applets/spec_template.h"
#include "core/caps.h"
#include "core/log.h"
#include "core/own.h"
#include "core/str.h"

static const char *root = "/", *cwd = ".", *erofs, *ip = "192.168.10.2";
static bool quiet, force_overlay = true;
static struct flag_list uid_map, gid_map, volumes;

const struct flag do_flags[] = {
	{ "root", FLAG_STR, &root, NULL, "directory that becomes /" },
	{ "cwd", FLAG_STR, &cwd, NULL, "working directory" },
	{ "erofs", FLAG_STR, &erofs, NULL, "not supported" },
	{ "ip", FLAG_STR, &ip, NULL, "address of the sandbox; no effect yet" },
	{ "quiet", FLAG_BOOL, &quiet, NULL, "print no messages of our own" },
	{ "force-overlay", FLAG_BOOL, &force_overlay, NULL,
		"false: the command writes to the host's files" },
	{ "uid-map", FLAG_LIST, &uid_map, NULL, "not supported" },
	{ "gid-map", FLAG_LIST, &gid_map, NULL, "not supported" },
	{ "volume", FLAG_LIST, &volumes, NULL,
		"SRC[:DST]: a directory to mount, writable" },
	{ 0 },
};

#define MAX_HIDDEN 3

struct hiding {
	const char *dir[MAX_HIDDEN]; /* covered by memory */
	size_t n;
};

static bool is_dir_below_root(const char *path)
{
	own_mem char *full =
		xasprintf("%s%s", strcmp(root, "/") ? root : "", path);
	struct stat st;

	return !lstat(full, &st) && S_ISDIR(st.st_mode);
}

static bool below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !strncmp(path, dir, n) && path[n] == '/';
}

static void hide(
	struct hiding *h, struct json_doc *d, const char *dir, const char *mode)
{
	for (size_t i = 0; i < h->n; i++)
		if (!strcmp(h->dir[i], dir))
			return;
	if (!is_dir_below_root(dir))
		return;
	h->dir[h->n++] = dir;
	spec_add_mount(d, dir, "tmpfs", "tmpfs", mode);
}

/* @path on the host, read-only at its own place, if memory would hide it. */
static void keep_visible(
	const struct hiding *h, struct json_doc *d, const char *path)
{
	for (size_t i = 0; i < h->n; i++)
		if (below(path, h->dir[i])) {
			spec_add_mount(d, path, "bind", path, "rbind,ro");
			return;
		}
}

static void add_hiding(struct json_doc *d, const char *dir, const char *prog)
{
	const char *home = getenv("HOME");
	struct hiding h = { .n = 0 };
	char real[PATH_MAX];

	hide(&h, d, "/tmp", "mode=1777");
	hide(&h, d, "/run", "mode=0755");
	if (home && home[0] == '/' && home[1])
		hide(&h, d, home, "mode=0700");
	if (strcmp(root, "/"))
		return;
	keep_visible(&h, d, dir);
	if (!strchr(prog, '/') || !realpath(prog, real))
		return;
	if (!below(real, dir))
		keep_visible(&h, d, real);
}

static int add_volumes(struct json_doc *d, struct err *e)
{
	char real[PATH_MAX];

	for (size_t i = 0; i < volumes.n; i++) {
		const char *colon = strchr(volumes.v[i], ':');
		own_mem char *src = xasprintf("%.*s",
			colon ? (int)(colon - volumes.v[i]) : INT_MAX,
			volumes.v[i]);
		const char *dst = colon ? colon + 1 : src;
		if (!realpath(src, real))
			return err_set(e, errno, "--volume=%s: %s",
				volumes.v[i], strerror(errno));
		if (dst[0] != '/')
			return err_set(e, EINVAL,
				"--volume=%s: the place "
				"inside must be an absolute path",
				volumes.v[i]);
		spec_add_mount(d, dst, "bind", real, "rbind,rw");
	}
	return 0;
}

static int make_spec(int argc, char **argv, char **text, struct err *e)
{
	extern char **environ;
	const char *caps[CAP_LAST + 1];
	char dir[PATH_MAX];
	struct json_doc *d;
	size_t nenv = 0;
	int err;

	if (!realpath(cwd, dir))
		return err_set(e, errno, "--cwd=%s: %s", cwd, strerror(errno));
	for (int i = 0; i <= CAP_LAST; i++)
		caps[i] = cap_name(i);
	while (environ[nenv])
		nenv++;
	struct spec_template t = { .root = root,
		.cwd = dir,
		.hostname = "runsc",
		.readonly = force_overlay,
		.no_netns = true,
		.terminal = isatty(0) && isatty(1) && isatty(2),
		.args = (const char *const *)(uintptr_t)argv,
		.nargs = argc,
		.env = (const char *const *)(uintptr_t)environ,
		.nenv = nenv,
		.caps = caps,
		.ncaps = CAP_LAST + 1 };
	d = spec_template(&t);
	if (force_overlay)
		add_hiding(d, dir, argv[0]);
	err = add_volumes(d, e);
	if (!err)
		*text = json_print_exact(json_root(d));
	json_free(d);
	return err;
}

int do_main(struct config *c, int argc, char **argv, struct err *e)
{
	int i = applet_args(do_flags, argc, argv, 1, -1, e), err;
	own_mem char *text = NULL;
	struct create_opts o = { .bundle = "/" };
	unsigned rnd = 0;
	char id[40];

	if (i < 0)
		return i;
	if (erofs || uid_map.n || gid_map.n)
		return err_set(e, ENOTSUP,
			"--erofs, --uid-map and --gid-map are not supported");
	err = make_spec(argc - i, argv + i, &text, e);
	if (err)
		return err;
	(void)!getrandom(&rnd, sizeof rnd, 0);
	snprintf(id, sizeof id, "runsc-%06u", rnd % 1000000);
	o.spec_text = text;
	return run_foreground(c, id, &o, e);
}
