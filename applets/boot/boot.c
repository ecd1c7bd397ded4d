/*
 * boot.c - the sandbox process: what it is given, and how it isolates itself.
 *
 * The command that cloned us has already put us into our namespaces, an empty
 * root and nobody's identity (isolate.h, stages 1 to 3).  What is left is to
 * prepare the platform, give up capabilities, load the filter, and only then
 * look at anything that the container can influence.
 */
#include "applets/boot/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "applets/applet.h"
#include "applets/boot/isolate.h"
#include "applets/oci/spawn.h"
#include "core/fdio.h"
#include "core/log.h"
#include "core/own.h"
#include "core/str.h"
#include "core/thread.h"
#include "platform/phys.h"
#include "platform/platform.h"

static const char *bundle;
static int controller_fd, mounts_fd, spec_fd, sync_fd, device_fd;
static int exit_fd, user_log_fd;
static int cpu_num, zero;
static uint64_t total_memory;
static bool attached, apply_caps, setup_root;
static struct flag_list io_fds, stdio_fds, pass_fds;

const struct flag boot_flags[] = {
	{ "bundle", FLAG_STR, &bundle, NULL, "directory of the container" },
	{ "controller-fd", FLAG_INT, &controller_fd, NULL,
		"listening control socket" },
	{ "mounts-fd", FLAG_INT, &mounts_fd, NULL,
		"pipe on which the gofer says what the mounts are" },
	{ "spec-fd", FLAG_INT, &spec_fd, NULL, "the specification" },
	{ "start-sync-fd", FLAG_INT, &sync_fd, NULL,
		"socket for the result of the start" },
	{ "device-fd", FLAG_INT, &device_fd, NULL, "the platform's device" },
	{ "io-fds", FLAG_LIST, &io_fds, NULL,
		"9P sockets: the root's, then one for each bind mount" },
	{ "stdio-fds", FLAG_LIST, &stdio_fds, NULL,
		"standard input, output and error of the container" },
	{ "pass-fd", FLAG_LIST, &pass_fds, NULL,
		"M:N: our descriptor M becomes the container's N" },
	{ "exit-fd", FLAG_INT, &exit_fd, NULL, "file for the exit status" },
	{ "user-log-fd", FLAG_INT, &user_log_fd, NULL, "the --user-log" },
	{ "cpu-num", FLAG_INT, &cpu_num, NULL, "CPUs that the guest sees" },
	{ "total-memory", FLAG_U64, &total_memory, NULL,
		"bytes of memory that the guest sees" },
	{ "attached", FLAG_BOOL, &attached, NULL,
		"end with the process that started us" },
	{ "apply-caps", FLAG_BOOL, &apply_caps, NULL, "always done" },
	{ "setup-root", FLAG_BOOL, &setup_root, NULL,
		"done by who started us" },
	{ "uid", FLAG_INT, &zero, NULL, "not used" },
	{ "gid", FLAG_INT, &zero, NULL, "not used" },
	{ 0 },
};

static int read_spec(struct boot *b, struct err *e)
{
	struct stat st;
	own_mem char *text = NULL;

	if (fstat(spec_fd, &st) || st.st_size > 64 << 20)
		return err_set(
			e, EBADF, "--spec-fd=%d: no specification", spec_fd);
	text = xzalloc(st.st_size + 1);
	/* The gofer has the same open file: its offset is not ours to move. */
	if (pread(spec_fd, text, st.st_size, 0) != st.st_size)
		return err_set(e, EIO, "--spec-fd=%d: cannot be read", spec_fd);
	close(spec_fd);
	return spec_parse(&b->spec, text, st.st_size, bundle, e);
}

/* Memory and descriptors are limited inside, guest by guest. */
static void raise_limits(const struct config *conf)
{
	struct rlimit r = { 0, 0 };

	/* A dump would hold the guest's memory. */
	setrlimit(RLIMIT_CORE, &r);
	if (getrlimit(RLIMIT_NOFILE, &r))
		return;
	r.rlim_cur = r.rlim_max;
	if (conf->fdlimit >= 0 && (rlim_t)conf->fdlimit < r.rlim_max)
		r.rlim_cur = r.rlim_max = conf->fdlimit;
	setrlimit(RLIMIT_NOFILE, &r);
}

/* With a terminal, its SIGWINCH is for us to pass on. */
static void take_terminal(const struct boot *b)
{
	if (b->spec.process.terminal && b->stdio.n)
		(void)!ioctl(atoi(b->stdio.v[0]), TIOCSCTTY, 0);
}

static int check_donated(const struct boot *b, struct err *e)
{
	if (b->controller < 3 || b->start_sync < 3 || b->mounts < 3 ||
		spec_fd < 3)
		return err_set(e, EINVAL,
			"boot is for `runsc create` to "
			"start: a descriptor is missing");
	return 0;
}

static int check_fds(const struct boot *b, struct err *e)
{
	size_t want = 1;

	for (size_t i = 0; i < b->spec.nmounts; i++)
		want += b->spec.mounts[i].bind;
	if (b->io.n != want)
		return err_set(e, EINVAL,
			"%zu --io-fds were given, %zu are "
			"needed",
			b->io.n, want);
	if (b->stdio.n != 3)
		return err_set(e, EINVAL, "three --stdio-fds are needed");
	return 0;
}

/* Each stage says what is impossible after it. */
static int isolate(struct boot *b, struct err *e)
{
	take_terminal(b);
	/* No capability but perhaps one, over our own children (spawn.c), and
	 * none to be had by executing something. */
	if (isolate_caps(1ULL << CAP_SYS_PTRACE, false, e))
		return -e->code;
	/* The platform makes what only an unfiltered process can make. */
	platform = platform_find(b->conf->platform);
	if (!platform)
		return err_set(e, ENOTSUP,
			"--platform=%s: there is no such "
			"platform",
			b->conf->platform);
	if (platform->init(device_fd, e))
		return err_wrap(e, "platform %s", platform->name);
	/* No memory file but this one; its SIGBUS has a handler. */
	if (phys_init(0, 0, e))
		return -e->code;
	phys_catch_bus();
	/* Calls of the host that are not on the list end the sandbox. */
	return filters_install(e);
}

int boot_main(struct config *conf, int argc, char **argv, struct err *e)
{
	struct boot b = { .conf = conf };
	struct container *c = NULL;
	char status[16];
	int i, err;

	controller_fd = mounts_fd = spec_fd = sync_fd = device_fd = exit_fd =
		user_log_fd = -1;
	i = applet_args(boot_flags, argc, argv, 1, 1, e);
	if (i < 0)
		return i;
	/* exec_own() left us in /proc: the last name of the host. */
	if (chdir("/"))
		return err_set(e, errno, "chdir: %s", strerror(errno));
	prctl(PR_SET_NAME, "runsc-sandbox");
	if (attached)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	thread_many();
	if (log_user_fd() < 0)
		log_set_user(dup(2), LOG_TEXT);
	log_set_guest(user_log_fd);
	b.id = argv[i];
	b.controller = controller_fd;
	b.start_sync = sync_fd;
	b.mounts = mounts_fd;
	b.io = io_fds;
	b.stdio = stdio_fds;
	b.pass = pass_fds;
	b.ncpu = cpu_num > 0 ? cpu_num : 1;
	b.memory = total_memory ? total_memory : 2ULL << 30;
	if (check_donated(&b, e))
		return -e->code;
	raise_limits(conf);
	err = read_spec(&b, e);
	if (!err)
		err = check_fds(&b, e);
	if (!err)
		err = isolate(&b, e);
	if (!err)
		err = loader_create(&b, &c, e);
	boot_tell(b.start_sync, e);
	close(b.start_sync);
	if (err)
		_exit(EXIT_FAILED); /* the command reports it, in its words */
	err = control_serve(&b, c);
	/* For a wait that comes late. */
	snprintf(status, sizeof status, "%d", err);
	(void)!write_full(exit_fd, status, strlen(status));
	_exit(err);
}
