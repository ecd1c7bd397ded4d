/* setuid.c - setuid(2) and its kin, setgroups(2). */
#include <grp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

static void show(void)
{
	uid_t u[3];
	gid_t g[3];

	getresuid(&u[0], &u[1], &u[2]);
	getresgid(&g[0], &g[1], &g[2]);
	for (int i = 0; i < 3; i++) {
		SEE(u[i]);
		SEE(g[i]);
	}
	SEE(setfsuid(-1));
	SEE(setfsgid(-1));
}

static bool root(void)
{
	if (getuid() == 0)
		return true;
	SEE(0); /* needs root: skipped alike on both sides */
	return false;
}

/* The C library changes all threads' ids by signals: the calls themselves. */
#define R(nr, ...) syscall(SYS_##nr, __VA_ARGS__)

TEST(setuid, root_gives_up_everything)
{
	if (!root())
		return;
	SEE(R(setgid, 1001));
	SEE(R(setuid, 1000));
	show();
	SEE(R(setuid, 0));
	SEE(R(setgid, 0));
	SEE(R(setuid, 1000));
	SEE(R(setresuid, -1, 0, -1));
	SEE(R(setgroups, 0, NULL));
}

TEST(setuid, saved_id_can_come_back)
{
	if (!root())
		return;
	SEE(R(setresuid, 1000, 1001, 0));
	show();
	SEE(R(setreuid, -1, 1000));
	show();
	SEE(R(setresuid, -1, 0, -1));
	show();
	SEE(R(setreuid, 1001, -1));
	show();
}

TEST(setuid, setreuid_rules)
{
	if (!root())
		return;
	SEE(R(setreuid, 1000, 1001));
	show();
	SEE(R(setreuid, 1001, 1000));
	SEE(R(setreuid, 1002, -1));
	SEE(R(setreuid, -1, 1002));
	show();
}

TEST(setuid, group_ids)
{
	if (!root())
		return;
	SEE(R(setresgid, 10, 11, 12));
	show();
	SEE(R(setregid, 13, -1));
	show();
	SEE(R(setregid, -1, 14));
	show();
}

TEST(setuid, fsuid_follows_and_can_differ)
{
	if (!root())
		return;
	SEE(setfsuid(1234));
	SEE(setfsuid(-1));
	SEE(R(setresuid, 1000, 1000, 1000));
	SEE(setfsuid(5));
	SEE(setfsuid(-1));
}

TEST(setuid, invalid_ids)
{
	SEE(R(setuid, -1));
	SEE(R(setgid, -1));
	SEE(R(setresuid, -1, -1, -1));
	SEE(R(getresuid, bad_addr, bad_addr, bad_addr));
}

TEST(setuid, groups)
{
	gid_t set[3] = { 30, 10, 20 }, get[8];

	if (!root())
		return;
	SEE(R(setgroups, 3, set));
	SEE(R(getgroups, 0, NULL));
	SEE(R(getgroups, 2, get));
	SEE(R(getgroups, 8, get));
	for (int i = 0; i < 3; i++)
		SEE(get[i]);
	SEE(R(setgroups, 70000, set));
	SEE(R(setgroups, 3, bad_addr));
	SEE(R(getgroups, 8, bad_addr));
	SEE(R(getgroups, -1, get));
}
