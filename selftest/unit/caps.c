/* caps.c - core/caps: names, and giving up what is not kept. */
#include "core/caps.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "selftest/unit/unit.h"

#define CHOWN   0
#define KILL    5
#define SETPCAP 8

TEST(caps, names)
{
	CHECK(cap_by_name("CAP_CHOWN") == 0 && cap_by_name("sys_admin") == 21);
	CHECK(cap_by_name("cap_Checkpoint_Restore") == CAP_LAST);
	CHECK(cap_by_name("CAP_") == -EINVAL && cap_by_name("") == -EINVAL);
	CHECK(!strcmp(cap_name(1), "CAP_DAC_OVERRIDE"));
	CHECK(!cap_name(-1) && !cap_name(CAP_LAST + 1));
	for (int i = 0; i <= CAP_LAST; i++)
		CHECK(cap_by_name(cap_name(i)) == i);
}

struct sets {
	unsigned version;
	int pid;
	struct {
		unsigned effective, permitted, inheritable;
	} data[2];
};

static void sets_get(struct sets *s)
{
	*s = (struct sets){ 0x20080522, 0, { { 0 } } };
	CHECK(syscall(SYS_capget, s, s->data) == 0);
}

static bool have_setpcap(void)
{
	struct sets s;

	sets_get(&s);
	return s.data[0].effective >> SETPCAP & 1;
}

TEST(caps, keep_reduces_every_set)
{
	struct sets s;
	struct err e;

	if (!have_setpcap())
		SKIP("needs CAP_SETPCAP");
	CHECK(caps_keep(1ull << KILL | 1ull << CHOWN, true, &e) == 0);
	sets_get(&s);
	CHECK(s.data[0].effective == s.data[0].permitted);
	CHECK((s.data[0].permitted & ~(1u << KILL | 1u << CHOWN)) == 0);
	CHECK(s.data[0].inheritable == s.data[0].permitted);
	CHECK(s.data[1].permitted == 0);
	CHECK(prctl(PR_CAPBSET_READ, 21, 0, 0, 0) == 0);
	CHECK(prctl(PR_CAPBSET_READ, KILL, 0, 0, 0) == 1);
}

TEST(caps, keep_nothing)
{
	struct sets s;
	struct err e;

	CHECK(caps_keep(0, false, &e) == 0);
	sets_get(&s);
	CHECK(!s.data[0].permitted && !s.data[1].permitted &&
		!s.data[0].inheritable);
	CHECK(caps_keep(CAP_ALL, false, &e) == 0); /* what is gone stays gone */
	sets_get(&s);
	CHECK(!s.data[0].permitted);
}
