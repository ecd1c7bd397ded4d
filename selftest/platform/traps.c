/* traps.c - what a signal handler sees of faults, traps and registers. */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "selftest/test.h"

static sigjmp_buf back;
static siginfo_t info;
static uint64_t trapno, error, cr2, rip;

static void on_trap(int sig, siginfo_t *si, void *ctx)
{
	greg_t *g = ((ucontext_t *)ctx)->uc_mcontext.gregs;

	(void)sig;
	info = *si;
	trapno = (uint64_t)g[REG_TRAPNO];
	error = (uint64_t)g[REG_ERR];
	cr2 = (uint64_t)g[REG_CR2];
	rip = (uint64_t)g[REG_RIP];
	siglongjmp(back, 1);
}

static void catch (int sig)
{
	struct sigaction sa = { .sa_sigaction = on_trap,
		.sa_flags = SA_SIGINFO };

	sigaction(sig, &sa, NULL);
	memset(&info, 0, sizeof info);
}

#define TRAP(sig, code)                    \
	do {                               \
		catch (sig);               \
		if (!sigsetjmp(back, 1)) { \
			code;              \
		}                          \
		SEE(info.si_signo);        \
		SEE(info.si_code);         \
		SEE(trapno);               \
	} while (0)

static char *page(int prot)
{
	return mmap(NULL, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

TEST(traps, read_of_nothing)
{
	char *p = page(PROT_READ);

	munmap(p, 4096);
	TRAP(SIGSEGV, *(volatile char *)p);
	SEE(info.si_addr == p);
	SEE(error);
	SEE(cr2 == (uintptr_t)p);
}

/* What the error code says of @insn, with the address of nothing in rdi. */
#define KIND(insn)                                                       \
	do {                                                             \
		catch (SIGSEGV);                                         \
		if (!sigsetjmp(back, 1))                                 \
			__asm__ volatile(                                \
				insn                                     \
				:                                        \
				: "D"(nothing), "S"(buf), "a"(0), "c"(1) \
				: "memory", "cc");                       \
		SEE_STR(insn);                                           \
		SEE(error);                                              \
		SEE(cr2 - (uintptr_t)nothing);                           \
	} while (0)

TEST(traps, which_instructions_write)
{
	char *nothing = page(PROT_READ), buf[64] = { 0 };

	munmap(nothing, 4096);
	nothing += 256;
	KIND("mov %%al, (%%rdi)");
	KIND("mov (%%rdi), %%eax");
	KIND("movq $7, 8(%%rdi)");
	KIND("addl $1, (%%rdi)");
	KIND("cmpl $1, (%%rdi)");
	KIND("add %%rax, (%%rdi)");
	KIND("add (%%rdi), %%rax");
	KIND("cmp %%rax, (%%rdi)");
	KIND("test %%eax, (%%rdi)");
	KIND("incl (%%rdi)");
	KIND("negl (%%rdi)");
	KIND("shll $3, (%%rdi)");
	KIND("lock xaddl %%eax, (%%rdi)");
	KIND("lock cmpxchg %%ecx, (%%rdi)");
	KIND("xchg %%eax, (%%rdi)");
	KIND("sete (%%rdi)");
	KIND("btsl $3, (%%rdi)");
	KIND("btl $3, (%%rdi)");
	KIND("movups %%xmm0, (%%rdi)");
	KIND("movups (%%rdi), %%xmm0");
	KIND("movdqa %%xmm0, 16(%%rdi)");
	KIND("movq %%xmm0, (%%rdi)");
	KIND("movq (%%rdi), %%xmm0");
	KIND("movd %%xmm0, (%%rdi)");
	KIND("movnti %%eax, (%%rdi)");
	KIND("fnstcw (%%rdi)");
	KIND("fldcw (%%rdi)");
	KIND("pushq (%%rdi)");
	KIND("rep stosb");
	KIND("rep movsb");
	KIND("xchg %%rsi, %%rdi; movsq; xchg %%rsi, %%rdi");
	KIND("scasb");
	KIND("mov %%gs, (%%rdi)");
}

TEST(traps, write_to_read_only_memory)
{
	char *p = page(PROT_READ);

	TRAP(SIGSEGV, *(volatile char *)(p + 5) = 1);
	SEE(info.si_addr == p + 5);
	SEE(error & 2); /* bit 0 depends on whether a page is there */
	SEE(*(volatile char *)p);
	TRAP(SIGSEGV, *(volatile char *)(p + 5) = 1);
	SEE(error);
}

TEST(traps, touch_of_prot_none)
{
	char *p = page(PROT_READ | PROT_WRITE);

	p[9] = 3;
	mprotect(p, 4096, PROT_NONE);
	TRAP(SIGSEGV, *(volatile char *)(p + 9));
	SEE(info.si_addr == p + 9);
	mprotect(p, 4096, PROT_READ);
	SEE(p[9]);
}

TEST(traps, execution_of_data)
{
	char *p = page(PROT_READ | PROT_WRITE);

	p[0] = (char)0xc3;
	TRAP(SIGSEGV, ((void (*)(void))(uintptr_t)p)());
	SEE(info.si_addr == p);
	SEE(rip == (uintptr_t)p);
	SEE(error);
	mprotect(p, 4096, PROT_READ | PROT_EXEC);
	((void (*)(void))(uintptr_t)p)();
	SEE(1);
}

TEST(traps, address_that_is_not_canonical)
{
	volatile char *p = (char *)0x8000000000000000;

	TRAP(SIGSEGV, (void)*p);
	SEE((long)info.si_addr);
	SEE(error);
}

TEST(traps, address_of_the_kernel)
{
	volatile char *p = (char *)0xffffffff81000000;

	TRAP(SIGSEGV, (void)*p);
	SEE(info.si_addr == p);
}

TEST(traps, breakpoint_and_undefined)
{
	TRAP(SIGTRAP, __asm__ volatile("int3"));
	SEE((long)info.si_addr);
	TRAP(SIGILL, __asm__ volatile("ud2"));
	SEE((uint64_t)info.si_addr == rip);
	TRAP(SIGSEGV, __asm__ volatile("hlt"));
	SEE((long)info.si_addr);
	SEE(error);
}

static void divide_floats(float a, float b)
{
	__asm__ volatile("divss %1, %0" : "+x"(a) : "x"(b));
}

TEST(traps, division)
{
	static const uint32_t masked = 0x1f80, unmasked = 0x1d80;
	volatile int zero = 0, one = 1;

	TRAP(SIGFPE, one /= zero);
	SEE((uint64_t)info.si_addr == rip);
	__asm__ volatile("ldmxcsr %0" : : "m"(unmasked));
	TRAP(SIGFPE, divide_floats(1, 0));
	__asm__ volatile("ldmxcsr %0" : : "m"(masked));
}

TEST(traps, single_step_by_the_program_itself)
{
	TRAP(SIGTRAP,
		__asm__ volatile("pushf; orq $0x100, (%rsp); popf; nop; nop"));
}

TEST(traps, end_of_a_mapped_file)
{
	char name[] = "/tmp/trapsXXXXXX";
	int fd = mkstemp(name);
	char *p;

	unlink(name);
	SEE(ftruncate(fd, 4096));
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	p[0] = 7;
	TRAP(SIGBUS, *(volatile char *)(p + 4096));
	SEE(info.si_addr == p + 4096);
	SEE(ftruncate(fd, 0));
	TRAP(SIGBUS, *(volatile char *)p);
	SEE(info.si_addr == p);
}

TEST(traps, vsyscall_page)
{
	long (*get_time)(long *) = (long (*)(long *))0xffffffffff600400;
	long t = 0, now;

	now = get_time(&t);
	SEE(now == t);
	SEE(syscall(SYS_time, NULL) - now < 2);
}

TEST(traps, numbers_that_are_no_call)
{
	SEE(syscall(100000));
	SEE(syscall(-1L));
	SEE(syscall(0x40000000 + 39)); /* x32 */
	SEE(syscall(0x100000000 + SYS_getpid) ==
		getpid()); /* upper half ignored */
}

/* Every register but rcx, r11 and rax comes back from a call as it was. */
TEST(traps, registers_survive_a_call)
{
	uint64_t ok;

	__asm__ volatile(
		"mov $0x1111, %%rbx; mov $0x2222, %%r12; mov $0x3333, %%r13\n"
		"mov $0x4444, %%r14; mov $0x5555, %%r15; mov $0x6666, %%rdi\n"
		"mov $0x7777, %%rsi; mov $0x8888, %%rdx; mov $0x9999, %%r8\n"
		"mov $0xaaaa, %%r9; mov $0xbbbb, %%r10\n"
		"mov $39, %%eax; syscall\n"
		"xor $0x1111, %%rbx; xor $0x2222, %%r12; xor $0x3333, %%r13\n"
		"xor $0x4444, %%r14; xor $0x5555, %%r15; xor $0x6666, %%rdi\n"
		"xor $0x7777, %%rsi; xor $0x8888, %%rdx; xor $0x9999, %%r8\n"
		"xor $0xaaaa, %%r9; xor $0xbbbb, %%r10\n"
		"mov %%rbx, %%rax; or %%r12, %%rax; or %%r13, %%rax; or %%r14, "
		"%%rax\n"
		"or %%r15, %%rax; or %%rdi, %%rax; or %%rsi, %%rax; or %%rdx, "
		"%%rax\n"
		"or %%r8, %%rax; or %%r9, %%rax; or %%r10, %%rax"
		: "=a"(ok)
		:
		: "rbx", "r12", "r13", "r14", "r15", "rdi", "rsi", "rdx", "r8",
		"r9", "r10", "rcx", "r11", "memory", "cc");
	SEE(ok);
}
