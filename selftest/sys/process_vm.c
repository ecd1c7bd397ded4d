/* process_vm.c - process_vm_readv(2), process_vm_writev(2). */
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

#define PG 4096UL
#define RW (PROT_READ | PROT_WRITE)

static long vm(int nr, pid_t pid, struct iovec *l, unsigned long nl,
	struct iovec *r, unsigned long nr_remote, unsigned long flags)
{
	return syscall(nr, pid, l, nl, r, nr_remote, flags);
}

TEST(process_vm, bad_arguments)
{
	char a[8] = "", b[8] = "1234567";
	struct iovec l = { a, 8 }, r = { b, 8 }, bad = { bad_addr, 8 };

	SEE(vm(SYS_process_vm_readv, getpid(), &l, 1, &r, 1, 1));
	SEE(vm(SYS_process_vm_readv, getpid(), &l, 5000, &r, 1, 0));
	SEE(vm(SYS_process_vm_readv, 999999, &l, 1, &r, 1, 0));
	SEE(vm(SYS_process_vm_readv, getpid(), bad_addr, 1, &r, 1, 0));
	SEE(vm(SYS_process_vm_readv, getpid(), &l, 1, &bad, 1, 0));
	SEE(vm(SYS_process_vm_readv, getpid(), &bad, 1, &r, 1, 0));
	SEE(vm(SYS_process_vm_readv, getpid(), &l, 0, &r, 1, 0));
	SEE(vm(SYS_process_vm_readv, getpid(), &l, 1, &r, 1, 0));
	SEE_STR(a);
}

TEST(process_vm, reads_and_writes_a_child)
{
	char *p = mmap(NULL, 4 * PG, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int go[2], back[2], status;
	char a[3] = "", b[5] = "", c;
	struct iovec l[] = { { a, 2 }, { b, 4 } },
		     r[] = { { p, 3 }, { p + PG, 3 } };
	pid_t pid;

	CHECK(p != MAP_FAILED && !pipe(go) && !pipe(back));
	pid = fork();
	if (pid == 0) {
		strcpy(p, "abc");
		strcpy(p + PG, "def");
		CHECK(write(back[1], "x", 1) == 1 && read(go[0], &c, 1) == 1);
		_exit(p[0] != 'X' || p[PG + 2] != 'Z');
	}
	CHECK(read(back[0], &c, 1) == 1);
	SEE(vm(SYS_process_vm_readv, pid, l, 2, r, 2, 0));
	SEE_STR(a);
	SEE_STR(b);
	memcpy(a, "XY", 2);
	memcpy(b, "12ZZ", 4);
	SEE(vm(SYS_process_vm_writev, pid, l, 2, r, 2, 0));
	SEE(p[0]);
	CHECK(write(go[1], "x", 1) == 1);
	CHECK(waitpid(pid, &status, 0) == pid);
	SEE(status);
}

TEST(process_vm, short_count_at_a_hole)
{
	char *p = mmap(NULL, 4 * PG, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static char buf[4 * PG];
	struct iovec l = { buf, sizeof buf }, r = { p, 4 * PG };

	SEE(munmap(p + 2 * PG, PG));
	SEE(vm(SYS_process_vm_readv, getpid(), &l, 1, &r, 1, 0));
	SEE(mprotect(p, PG, PROT_READ));
	SEE(vm(SYS_process_vm_writev, getpid(), &l, 1, &r, 1, 0));
}
