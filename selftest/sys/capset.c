/* capset.c - capget(2), capset(2), capabilities(7). */
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

static struct __user_cap_header_struct hdr;
static struct __user_cap_data_struct data[2];

static int get(void)
{
	hdr.version = _LINUX_CAPABILITY_VERSION_3;
	hdr.pid = 0;
	return (int)syscall(SYS_capget, &hdr, data);
}

static bool root(void)
{
	if (get() == 0 && (data[0].effective & 1 << CAP_SETPCAP) &&
		(data[0].effective & 1 << CAP_SETUID))
		return true;
	SEE(0);
	return false;
}

#define HAS(set, cap) (data[(cap) / 32].set >> ((cap) % 32) & 1)

TEST(capset, versions)
{
	hdr.version = 0;
	SEE(syscall(SYS_capget, &hdr, NULL));
	SEE(hdr.version == _LINUX_CAPABILITY_VERSION_3);
	hdr.version = 0;
	SEE(syscall(SYS_capget, &hdr, data));
	hdr.version = _LINUX_CAPABILITY_VERSION_1;
	SEE(syscall(SYS_capget, &hdr, data));
	hdr.version = _LINUX_CAPABILITY_VERSION_3;
	hdr.pid = -1;
	SEE(syscall(SYS_capget, &hdr, data));
	hdr.pid = 4194303;
	SEE(syscall(SYS_capget, &hdr, data));
	SEE(syscall(SYS_capget, bad_addr, data));
	hdr.pid = getppid();
	SEE(syscall(SYS_capset, &hdr, data));
}

TEST(capset, drop_and_not_regain)
{
	if (!root())
		return;
	data[0].effective &= ~(1u << CAP_KILL);
	SEE(syscall(SYS_capset, &hdr, data));
	get();
	SEE(HAS(effective, CAP_KILL));
	SEE(HAS(permitted, CAP_KILL));
	data[0].effective |= 1u << CAP_KILL;
	SEE(syscall(SYS_capset, &hdr, data));
	data[0].permitted &= ~(1u << CAP_KILL);
	SEE(syscall(SYS_capset, &hdr, data));
	data[0].effective &= ~(1u << CAP_KILL);
	SEE(syscall(SYS_capset, &hdr, data));
	data[0].permitted |= 1u << CAP_KILL;
	SEE(syscall(SYS_capset, &hdr, data));
}

TEST(capset, setuid_drops)
{
	if (!root())
		return;
	SEE(syscall(SYS_setresuid, -1, 1000, -1));
	get();
	SEE(data[0].effective);
	SEE(HAS(permitted, CAP_KILL));
	SEE(syscall(SYS_setresuid, -1, 0, -1));
	get();
	SEE(HAS(effective, CAP_KILL));
	SEE(syscall(SYS_setresuid, 1000, 1000, 1000));
	get();
	SEE(data[0].effective);
	SEE(data[0].permitted);
}

TEST(capset, keepcaps)
{
	if (!root())
		return;
	SEE(prctl(PR_GET_KEEPCAPS));
	SEE(prctl(PR_SET_KEEPCAPS, 2));
	SEE(prctl(PR_SET_KEEPCAPS, 1));
	SEE(prctl(PR_GET_KEEPCAPS));
	SEE(syscall(SYS_setresuid, 1000, 1000, 1000));
	get();
	SEE(HAS(effective, CAP_KILL));
	SEE(HAS(permitted, CAP_KILL));
}

TEST(capset, bounding_set)
{
	if (!root())
		return;
	SEE(prctl(PR_CAPBSET_READ, CAP_KILL));
	SEE(prctl(PR_CAPBSET_READ, 99));
	SEE(prctl(PR_CAPBSET_DROP, CAP_KILL));
	SEE(prctl(PR_CAPBSET_READ, CAP_KILL));
	SEE(prctl(PR_CAPBSET_DROP, 99));
	get();
	SEE(HAS(permitted, CAP_KILL));
}

TEST(capset, ambient)
{
	if (!root())
		return;
	data[0].inheritable &= ~(1u << CAP_KILL);
	SEE(syscall(SYS_capset, &hdr, data));
	SEE(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
	data[0].inheritable |= 1u << CAP_KILL;
	SEE(syscall(SYS_capset, &hdr, data));
	SEE(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
	SEE(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0));
	SEE(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 1, 0));
	SEE(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 99, 0, 0));
	SEE(prctl(PR_CAP_AMBIENT, 77, CAP_KILL, 0, 0));
	SEE(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_KILL, 0, 0));
	SEE(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0));
	SEE(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
}

TEST(capset, securebits)
{
	if (!root())
		return;
	SEE(prctl(PR_GET_SECUREBITS));
	SEE(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED));
	SEE(prctl(PR_GET_SECUREBITS));
	SEE(prctl(PR_SET_SECUREBITS, 0));
	SEE(prctl(PR_SET_SECUREBITS, 1 << 20));
}

TEST(capset, no_new_privs)
{
	SEE(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	SEE(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	SEE(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
	SEE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	SEE(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}
