/* isolate.c - how the sandbox and the gofer lose the host, stage by stage. */
#include "applets/boot/isolate.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/caps.h"

/*
 * Afterwards: no mount that we make or remove is seen by the host.
 */
int isolate_mounts(struct err *e)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return err_set(
			e, errno, "making mounts private: %s", strerror(errno));
	return 0;
}

/* A host that runs from its initramfs cannot pivot: move the mount over "/". */
static int move_root(const char *dir, struct err *e)
{
	if (chdir(dir) || mount(dir, "/", NULL, MS_MOVE, NULL) || chroot("."))
		return err_set(
			e, errno, "changing the root: %s", strerror(errno));
	return chdir("/") ? err_set(e, errno, "chdir: %s", strerror(errno)) : 0;
}

int isolate_pivot(const char *dir, struct err *e)
{
	if (chdir(dir))
		return err_set(e, errno, "%s: %s", dir, strerror(errno));
	if (syscall(SYS_pivot_root, ".", ".")) {
		if (errno == EINVAL)
			return move_root(dir, e);
		return err_set(e, errno, "pivot_root: %s", strerror(errno));
	}
	/* The old root lies on top of the new one now: take it off. */
	if (umount2(".", MNT_DETACH))
		return err_set(
			e, errno, "leaving the old root: %s", strerror(errno));
	return chdir("/") ? err_set(e, errno, "chdir: %s", strerror(errno)) : 0;
}

/*
 * Afterwards: no path leads to a file of the host, and none can be made; what
 * is open stays usable.
 */
int isolate_empty_root(struct err *e)
{
	static const char *const places[] = { "/proc", "/sys", "/dev", "/tmp",
		"/run", "/mnt" };
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	size_t i = 0;

	while (i < ARRAY_SIZE(places) &&
		mount("runsc-root", places[i], "tmpfs", flags,
			"mode=0555,size=4k,nr_inodes=2"))
		i++;
	if (i == ARRAY_SIZE(places))
		return err_set(e, errno, "mounting an empty root: %s",
			strerror(errno));
	if (isolate_pivot(places[i], e))
		return -e->code;
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags,
		    NULL))
		return err_set(e, errno, "making the root read-only: %s",
			strerror(errno));
	return 0;
}

/*
 * Afterwards: files and processes of the host see a stranger.  In a user
 * namespace that maps nobody alone the capabilities there stay until exec.
 */
int isolate_nobody(struct err *e)
{
	/* Refused in a namespace that an unprivileged user made: harmless. */
	if (setgroups(0, NULL) && errno != EPERM)
		return err_set(e, errno, "setgroups: %s", strerror(errno));
	if (setresgid(NOBODY, NOBODY, NOBODY) ||
		setresuid(NOBODY, NOBODY, NOBODY))
		return err_set(
			e, errno, "becoming nobody: %s", strerror(errno));
	return 0;
}

/*
 * Afterwards: no program that we could execute has more than @keep.
 */
int isolate_caps(uint64_t keep, bool exec, struct err *e)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return err_set(e, errno, "no_new_privs: %s", strerror(errno));
	return caps_keep(keep, exec, e);
}
