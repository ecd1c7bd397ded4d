/* caps.c - capability sets by number and name. */
#include "core/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/str.h"

#ifndef PR_CAP_AMBIENT
#define PR_CAP_AMBIENT           47
#define PR_CAP_AMBIENT_RAISE     2
#define PR_CAP_AMBIENT_CLEAR_ALL 4
#endif

static const char *const names[CAP_LAST + 1] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

int cap_by_name(const char *name)
{
	const char *tail = strncasecmp(name, "cap_", 4) ? name : name + 4;

	for (int i = 0; i <= CAP_LAST; i++)
		if (!strcasecmp(tail, names[i] + 4))
			return i;
	return -EINVAL;
}

const char *cap_name(int cap)
{
	return cap >= 0 && cap <= CAP_LAST ? names[cap] : NULL;
}

struct capsets {
	struct __user_cap_header_struct head;
	struct __user_cap_data_struct data[2];
};

static int capsets_get(struct capsets *c)
{
	*c = (struct capsets){ .head.version = _LINUX_CAPABILITY_VERSION_3 };
	return syscall(SYS_capget, &c->head, c->data) < 0 ? -errno : 0;
}

/*
 * The bounding set may be reduced only with CAP_SETPCAP; a process without it
 * has nothing to gain from the set either, as no_new_privs is always on.
 */
static int bounding_drop(uint64_t keep, const struct capsets *c, struct err *e)
{
	bool able = c->data[0].effective & 1u << CAP_SETPCAP;

	for (int i = 0; able && prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++) {
		if (i < 64 && keep >> i & 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
			return err_set(e, errno,
				"drop capability %d from the bounding set: %s",
				i, strerror(errno));
	}
	return 0;
}

static int ambient_set(uint64_t set, struct err *e)
{
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (int i = 0; i <= CAP_LAST; i++)
		if (set >> i & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE,
					    i, 0, 0) < 0)
			return err_set(e, errno,
				"raise ambient capability %s: %s", names[i],
				strerror(errno));
	return 0;
}

int caps_keep(uint64_t keep, bool ambient, struct err *e)
{
	struct capsets c;
	int err = capsets_get(&c);

	if (err)
		return err_set(e, -err, "capget: %s", strerror(-err));
	err = bounding_drop(keep, &c, e);
	if (err)
		return err;
	keep &= c.data[0].permitted | (uint64_t)c.data[1].permitted << 32;
	for (int i = 0; i < 2; i++) {
		c.data[i].permitted = c.data[i].effective =
			(uint32_t)(keep >> 32 * i);
		c.data[i].inheritable = ambient ? c.data[i].permitted : 0;
	}
	if (syscall(SYS_capset, &c.head, c.data) < 0)
		return err_set(e, errno, "capset: %s", strerror(errno));
	return ambient_set(ambient ? keep : 0, e);
}
