/*
 * gofer.c - the gofer process: serves the container's trees over 9P.
 *
 * The command that cloned us has made the root a private tree in which export i
 * is the name "i" (oci/gofer_root.c), and opened /proc/self/fd for us before
 * that. What is left is to give up what file service does not need.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "applets/applet.h"
#include "applets/boot/isolate.h"
#include "applets/oci/gofer_root.h"
#include "applets/oci/spawn.h"
#include "core/own.h"
#include "core/seccomp.h"
#include "core/str.h"
#include "fs9p/server.h"

static const char *bundle;
static struct flag_list io_fds;
static int spec_fd = -1, mounts_fd = -1, sync_fd = -1, proc_fd = -1, zero;
static bool apply_caps = true, setup_root = true;

const struct flag gofer_flags[] = {
	{ "bundle", FLAG_STR, &bundle, NULL, "directory of the container" },
	{ "io-fds", FLAG_LIST, &io_fds, NULL,
		"9P sockets: the root's, then one for each bind mount" },
	{ "spec-fd", FLAG_INT, &spec_fd, NULL, "the specification" },
	{ "mounts-fd", FLAG_INT, &mounts_fd, NULL,
		"pipe to say on what the mounts are" },
	{ "sync-fd", FLAG_INT, &sync_fd, NULL, "pipe for a failure's text" },
	{ "proc-fd", FLAG_INT, &proc_fd, NULL, "our own /proc/self/fd" },
	{ "apply-caps", FLAG_BOOL, &apply_caps, NULL,
		"give up capabilities that file service does not need" },
	{ "setup-root", FLAG_BOOL, &setup_root, NULL,
		"make the private tree: false when who started us did" },
	{ "uid", FLAG_INT, &zero, NULL, "not used" },
	{ "gid", FLAG_INT, &zero, NULL, "not used" },
	{ 0 },
};

/* chown, dac_override, dac_read_search, fowner, fsetid: any owner, any mode. */
#define GOFER_CAPS 0x1f

static const struct seccomp_rule gofer_rules[] = {
	ALLOW(restart_syscall),
	ALLOW(write),
	ALLOW(writev),
	SECCOMP_END,
};

static int open_exports(
	const struct config *c, struct p9_export *x, struct err *e)
{
	struct statvfs st;
	char name[24];

	for (size_t i = 0; i < io_fds.n; i++) {
		snprintf(name, sizeof name, "/%zu", i);
		x[i].sock = atoi(io_fds.v[i]);
		x[i].root = open(name, O_PATH | O_CLOEXEC | O_NOFOLLOW);
		if (x[i].root < 0)
			return err_set(e, errno, "export %s: %s", name,
				strerror(errno));
		/* The mount's own flag: a second guard behind it. */
		x[i].readonly = !statvfs(name, &st) && st.f_flag & ST_RDONLY;
		x[i].host_uds = c->host_uds != 0;
		x[i].host_fifo = c->host_fifo != 0;
	}
	return 0;
}

/* For a build that could not do it before it executed itself: see spawn.c. */
static int set_up_root(const struct config *c, struct err *e)
{
	struct stat st;
	struct spec spec;
	int err;

	if (fstat(spec_fd, &st))
		return err_set(e, errno, "--spec-fd: %s", strerror(errno));
	own_mem char *text = xzalloc(st.st_size + 1);
	if (pread(spec_fd, text, st.st_size, 0) != st.st_size)
		return err_set(e, EIO, "--spec-fd: cannot be read");
	if (spec_parse(&spec, text, st.st_size, bundle, e))
		return -e->code;
	/* A relative source of a mount is one in the bundle. */
	if (chdir(bundle))
		return err_set(
			e, errno, "bundle %s: %s", bundle, strerror(errno));
	err = gofer_root(&spec, config_root(c), mounts_fd, e);
	spec_fini(&spec);
	return err;
}

static int serve(const struct config *c, struct err *e)
{
	const struct seccomp_rule *const lists[] = { seccomp_core, gofer_rules,
		p9_server_rules, p9_export_rules };
	struct p9_export *x = xzalloc(io_fds.n * sizeof *x);
	int err;

	if (setup_root && set_up_root(c, e))
		return -e->code;
	close(spec_fd);
	close(mounts_fd);
	if (open_exports(c, x, e))
		return -e->code;
	/* From here on no host file outside the exports has a name. */
	if (isolate_caps(apply_caps ? GOFER_CAPS : 0, false, e) ||
		seccomp_install("gofer", lists, ARRAY_SIZE(lists), e))
		return -e->code;
	close(sync_fd);
	sync_fd = -1;
	err = p9_serve(x, io_fds.n, proc_fd);
	return err ? err_set(e, -err, "serving files: %s", strerror(-err)) : 0;
}

int gofer_main(struct config *c, int argc, char **argv, struct err *e)
{
	int i = applet_args(gofer_flags, argc, argv, 0, 1, e), err;

	if (i < 0)
		return i;
	if (!io_fds.n || proc_fd < 0 || sync_fd < 0)
		return err_set(e, EINVAL,
			"gofer is for `runsc create` to "
			"start: it needs descriptors");
	/* exec_own() left us in the host's /proc. */
	if (chdir("/"))
		return err_set(e, errno, "chdir: %s", strerror(errno));
	prctl(PR_SET_NAME, "runsc-gofer");
	signal(SIGPIPE, SIG_IGN);
	if (c->fdlimit >= 0) {
		struct rlimit r = { c->fdlimit, c->fdlimit };
		setrlimit(RLIMIT_NOFILE, &r);
	}
	err = serve(c, e);
	if (err && sync_fd >= 0)
		boot_tell(sync_fd, e);
	return err;
}
