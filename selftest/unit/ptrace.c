/* ptrace.c - platform/ptrace: guest code, faults, threads, mappings, death. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/seccomp.h"
#include "platform/platform.h"
#include "selftest/unit/ptrace_guest.h"
#include "selftest/unit/unit.h"

/* --- system calls */

GUEST(g_hello, "mov $1, %eax; mov $1, %edi; lea 1f(%rip), %rsi\n"
	       "mov $5, %edx; syscall; mov %rax, %rdi; mov $60, %eax; syscall\n"
	       "1: .ascii \"hello\"");

TEST(ptrace, serves_write_and_exit)
{
	struct guest g;

	guest_init();
	guest_load(&g, g_hello, g_hello_end);
	guest_expect(&g, SYS_write);
	CHECK(g.r.rdi == 1 && g.r.rdx == 5);
	CHECK((int64_t)g.r.rax == -ENOSYS);
	CHECK(g.r.rsi - CODE_VA < PAGE_SIZE);
	guest_return(&g, 5);
	guest_expect(&g, SYS_exit);
	CHECK(g.r.rdi == 5);
	guest_free(&g);
}

GUEST(g_loop, "1: mov $39, %eax; syscall; inc %rbx; jmp 1b");

TEST(ptrace, all_registers_are_set_and_kept)
{
	struct guest g;
	struct regs want;

	guest_init();
	guest_load(&g, g_loop, g_loop_end);
	memset(&g.r, 0x11, 15 * 8);
	g.r.fs_base = 0x123456000;
	g.r.gs_base = 0x654321000;
	guest_expect(&g, SYS_getpid);
	CHECK(g.r.rdi == 0x1111111111111111 && g.r.r15 == 0x1111111111111111);
	CHECK(g.r.fs_base == 0x123456000 && g.r.gs_base == 0x654321000);
	want = g.r;
	guest_return(&g, 7);
	guest_expect(&g, SYS_getpid);
	want.rbx++;
	want.eflags = g.r.eflags; /* of inc */
	want.r11 = g.r.r11;
	CHECK(!memcmp(&want, &g.r, sizeof want));
	/* a batch in between clobbers the stub's registers, not the guest's */
	guest_map(g.as, g.c, DATA_VA + PAGE_SIZE, guest_frame(), PTE_W);
	guest_return(&g, 7);
	guest_expect(&g, SYS_getpid);
	want.rbx++;
	want.eflags = g.r.eflags;
	want.r11 = g.r.r11;
	CHECK(!memcmp(&want, &g.r, sizeof want));
	guest_free(&g);
}

GUEST(g_vsyscall, "mov $0xffffffffff600400, %rax; xor %edi, %edi; call *%rax\n"
		  "mov %rax, %rdi; mov $60, %eax; syscall");

TEST(ptrace, vsyscall_is_a_system_call)
{
	struct guest g;

	guest_init();
	guest_load(&g, g_vsyscall, g_vsyscall_end);
	guest_expect(&g, SYS_time);
	guest_return(&g, 4711);
	guest_expect(&g, SYS_exit);
	CHECK(g.r.rdi == 4711);
	CHECK(g.r.rsp == STACK_VA + PAGE_SIZE - 64);
	guest_free(&g);
}

GUEST(g_int80, "mov $20, %eax; mov $3, %ecx; int $0x80; hlt");

TEST(ptrace, int80_is_a_protection_fault)
{
	struct guest g;

	guest_init();
	guest_load(&g, g_int80, g_int80_end);
	guest_switch(&g);
	CHECK(g.ev.kind == PEV_EXCEPTION && g.ev.sig == SIGSEGV);
	CHECK(g.ev.code == SI_KERNEL && g.ev.trapno == 13);
	CHECK(g.r.rip == CODE_VA + 10 && g.r.rax == 20);
	guest_free(&g);
}

/* --- faults and exceptions */

GUEST(g_access, "cmp $1, %edi; je 1f; cmp $2, %edi; je 2f; jmp *%rsi\n"
		"1: mov (%rsi), %rax; hlt\n2: mov %rax, (%rsi); hlt");

static void check_fault(int how, uint64_t addr, int code, unsigned access)
{
	struct guest g;

	guest_load(&g, g_access, g_access_end);
	guest_map(g.as, g.c, DATA_VA + 4096, guest_frame(), PTE_NX);
	g.r.rdi = (uint64_t)how;
	g.r.rsi = addr;
	guest_switch(&g);
	CHECK(g.ev.kind == PEV_FAULT && g.ev.sig == SIGSEGV);
	CHECK(g.ev.addr == addr);
	CHECK(g.ev.code == code);
	CHECK(g.ev.access == access);
	CHECK(g.ev.trapno == 14);
	guest_free(&g);
}

TEST(ptrace, faults_say_where_and_why)
{
	unsigned rw = PACC_READ | PACC_WRITE;

	guest_init();
	check_fault(1, DATA_VA + 8192 + 8, SEGV_MAPERR, rw);
	check_fault(2, DATA_VA + 8192 + 8, SEGV_MAPERR, rw);
	check_fault(2, DATA_VA + 4096 + 8, SEGV_ACCERR, PACC_WRITE);
	check_fault(3, DATA_VA + 8192, SEGV_MAPERR, PACC_EXEC);
	check_fault(3, DATA_VA + 4096, SEGV_ACCERR, PACC_EXEC);
	check_fault(1, 0xffff888000000000, SEGV_MAPERR, rw);
	check_fault(1, 0, SEGV_MAPERR, rw);
}

TEST(ptrace, a_served_fault_goes_on)
{
	struct guest g;

	guest_init();
	guest_load(&g, g_access, g_access_end);
	g.r.rdi = 2;
	g.r.rax = 99;
	g.r.rsi = DATA_VA + 4096;
	guest_switch(&g);
	CHECK(g.ev.kind == PEV_FAULT);
	guest_map(g.as, g.c, DATA_VA + 4096, guest_frame(), PTE_W | PTE_NX);
	guest_switch(&g);
	CHECK(g.ev.kind == PEV_EXCEPTION && g.ev.sig == SIGSEGV); /* hlt */
	CHECK(g.ev.code == SI_KERNEL && g.ev.addr == 0);
	CHECK(*(uint64_t *)phys_ptr(
		      ptable_get(&g.as->pt, DATA_VA + 4096) & PTE_ADDR) == 99);
	guest_free(&g);
}

GUEST(g_int3, "nop; int3; nop");
GUEST(g_ud2, "nop; ud2");
GUEST(g_div, "xor %edx, %edx; xor %ecx, %ecx; div %ecx");
GUEST(g_canon, "mov $0x8000000000000000, %rax; mov (%rax), %rax");

static void check_exception(const char *code, const char *end, int sig,
	int sicode, uint64_t rip, uint64_t trapno)
{
	struct guest g;

	guest_load(&g, code, end);
	guest_switch(&g);
	CHECK(g.ev.kind == PEV_EXCEPTION);
	CHECK(g.ev.sig == sig && g.ev.code == sicode);
	CHECK(g.r.rip == CODE_VA + rip && g.ev.trapno == trapno);
	guest_free(&g);
}

TEST(ptrace, exceptions_are_what_linux_says)
{
	guest_init();
	check_exception(g_int3, g_int3_end, SIGTRAP, SI_KERNEL, 2, 3);
	check_exception(g_ud2, g_ud2_end, SIGILL, ILL_ILLOPN, 1, 6);
	check_exception(g_div, g_div_end, SIGFPE, FPE_INTDIV, 4, 0);
	check_exception(g_canon, g_canon_end, SIGSEGV, SI_KERNEL, 10, 13);
}

TEST(ptrace, single_step_stops_after_each_instruction)
{
	struct guest g;

	guest_init();
	guest_load(&g, g_loop, g_loop_end);
	platform->pctx_switch(g.c, &g.r, REGS_ALL, SWITCH_STEP, &g.ev);
	CHECK(g.ev.kind == PEV_EXCEPTION && g.ev.sig == SIGTRAP);
	CHECK(g.ev.code == TRAP_TRACE || g.ev.code == TRAP_BRKPT);
	CHECK(g.r.rip == CODE_VA + 5);
	platform->pctx_switch(g.c, &g.r, REGS_RAX_ONLY, SWITCH_STEP, &g.ev);
	CHECK(g.ev.kind == PEV_SYSCALL && g.r.orig_rax == SYS_getpid);
	platform->pctx_switch(g.c, &g.r, REGS_RAX_ONLY, SWITCH_STEP, &g.ev);
	CHECK(g.ev.kind == PEV_EXCEPTION && g.r.rip == CODE_VA + 10);
	CHECK(!(g.r.eflags & 0x100));
	guest_free(&g);
}

/* --- floating point */

GUEST(g_fp, "movq %rdi, %xmm3; movq %rsi, %xmm15; mov $39, %eax; syscall\n"
	    "movq %xmm3, %rdi; movq %xmm15, %rsi; mov $39, %eax; syscall\n"
	    "movq %xmm3, %rdi; movq %xmm15, %rsi; mov $60, %eax; syscall");

TEST(ptrace, floating_point_state_stays_and_moves)
{
	struct guest g;
	char *fp, *fp2;
	uint64_t v = 1234567;

	guest_init();
	CHECK(platform_fp_size >= 512);
	fp = malloc(platform_fp_size);
	fp2 = malloc(platform_fp_size);
	guest_load(&g, g_fp, g_fp_end);
	/* nothing of ours is in it at the start */
	CHECK(platform->pctx_get_fp(g.c, fp) == 0);
	CHECK(*(uint16_t *)fp == 0x37f && *(uint32_t *)(fp + 24) == 0x1f80);
	for (int i = 32; i < 416; i++)
		CHECK(fp[i] == 0);
	g.r.rdi = 77;
	g.r.rsi = 88;
	guest_expect(&g, SYS_getpid);
	guest_map(g.as, g.c, DATA_VA + 4096, guest_frame(), PTE_W);
	guest_expect(&g, SYS_getpid);
	CHECK(g.r.rdi == 77 && g.r.rsi == 88);
	CHECK(platform->pctx_get_fp(g.c, fp) == 0);
	CHECK(*(uint64_t *)(fp + 160 + 3 * 16) == 77);
	memcpy(fp + 160 + 15 * 16, &v, sizeof v);
	CHECK(platform->pctx_set_fp(g.c, fp) == 0);
	CHECK(platform->pctx_get_fp(g.c, fp2) == 0);
	CHECK(!memcmp(fp, fp2, 416));
	guest_expect(&g, SYS_exit);
	CHECK(g.r.rdi == 77 && g.r.rsi == v);
	/* a forged state is refused, not fatal; XSAVE's header can be forged */
	if (platform_fp_size > 512) {
		memset(fp + 512, 0xff, 64);
		CHECK(platform->pctx_set_fp(g.c, fp) < 0);
	}
	guest_free(&g);
	free(fp);
	free(fp2);
}

GUEST(g_avx, "vmovq %rdi, %xmm5; vinsertf128 $1, %xmm5, %ymm5, %ymm5\n"
	     "mov $39, %eax; syscall\n"
	     "vextractf128 $1, %ymm5, %xmm6; vmovq %xmm6, %rsi\n"
	     "mov $60, %eax; syscall");

TEST(ptrace, wide_registers_survive_everything)
{
	struct guest g;
	char *fp;

	if (!__builtin_cpu_supports("avx"))
		SKIP("this CPU has no AVX");
	guest_init();
	fp = malloc(platform_fp_size);
	guest_load(&g, g_avx, g_avx_end);
	g.r.rdi = 0x1122334455667788;
	guest_expect(&g, SYS_getpid);
	guest_map(g.as, g.c, DATA_VA + 4096, guest_frame(), PTE_W);
	CHECK(platform->pctx_get_fp(g.c, fp) == 0);
	CHECK(platform->pctx_set_fp(g.c, fp) == 0);
	guest_expect(&g, SYS_exit);
	CHECK(g.r.rsi == 0x1122334455667788);
	guest_free(&g);
	free(fp);
}

GUEST(g_keys,
	"xor %ecx, %ecx; xor %edx, %edx; mov $-1, %eax; wrpkru\n"
	"1: mov $39, %eax; syscall; xor %ecx, %ecx; rdpkru; mov %eax, %edi\n"
	"mov $39, %eax; syscall; mov (%rsi), %rax");

TEST(ptrace, protection_keys_do_not_disturb_batches)
{
	struct guest g, k = { 0 };

	guest_init();
	guest_load(&g, g_keys, g_keys_end);
	g.r.rsi = DATA_VA;
	guest_switch(&g);
	if (g.ev.sig == SIGILL)
		SKIP("this CPU has no protection keys");
	CHECK(g.ev.kind == PEV_SYSCALL);
	guest_map(g.as, g.c, DATA_VA + 4096, guest_frame(), PTE_W);
	guest_unmap(g.as, NULL, DATA_VA + 4096, 1);
	CHECK(!(ptable_get(&g.as->pt, DATA_VA + 4096) & PTE_HOST));
	guest_expect(&g, SYS_getpid);
	CHECK((uint32_t)g.r.rdi == ~0u);
	/* a child's leader has the same rights */
	k.as = guest_aspace();
	mm_active_write(g.as);
	CHECK(ptable_copy(&k.as->pt, &g.as->pt, 0, 1ULL << 47) == 0);
	CHECK(platform->aspace_fork(k.as, g.as, g.c) == 0);
	mm_active_write_done(g.as);
	guest_unmap(k.as, NULL, STACK_VA, 1);
	CHECK(ptable_get(&k.as->pt, STACK_VA) == 0);
	platform->aspace_free(k.as);
	free(k.as);
	guest_switch(&g);
	CHECK(g.ev.kind == PEV_EXCEPTION && g.ev.sig == SIGSEGV);
	CHECK(g.ev.code == 4 && g.ev.addr == DATA_VA); /* SEGV_PKUERR */
	guest_free(&g);
}

/* --- threads */

GUEST(g_count,
	"1: lock incq (%rdi); dec %rsi; jz 2f; mov $39, %eax; syscall; jmp 1b\n"
	"2: movq %xmm3, %rdi; mov $60, %eax; syscall");
#define THREADS 16
#define ROUNDS  200

static void *count_thread(void *arg)
{
	struct guest *g = arg;

	CHECK(platform->pctx_attach(g->c) == 0);
	guest_start(g, CODE_VA);
	g->r.rdi = DATA_VA;
	g->r.rsi = ROUNDS;
	for (int i = 1; i < ROUNDS; i++)
		guest_expect(g, SYS_getpid);
	guest_expect(g, SYS_exit);
	CHECK(g->r.rdi == 5); /* inherited floating-point register */
	platform->pctx_free(g->c);
	return NULL;
}

TEST(ptrace, threads_share_memory)
{
	struct guest g, t[THREADS];
	pthread_t id[THREADS];
	char *fp;
	uint64_t five = 5;

	guest_init();
	fp = malloc(platform_fp_size);
	guest_load(&g, g_count, g_count_end);
	g.r.rdi = DATA_VA;
	g.r.rsi = 2;
	guest_expect(&g, SYS_getpid);
	CHECK(platform->pctx_get_fp(g.c, fp) == 0);
	memcpy(fp + 160 + 3 * 16, &five, 8);
	if (platform_fp_size > 512)
		fp[512] |= 3;
	CHECK(platform->pctx_set_fp(g.c, fp) == 0);
	for (int i = 0; i < THREADS; i++) {
		t[i] = (struct guest){ .as = g.as };
		CHECK(platform->pctx_new(g.as, g.c, &t[i].c) == 0);
		CHECK(!pthread_create(&id[i], NULL, count_thread, &t[i]));
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(id[i], NULL);
	guest_expect(&g, SYS_exit);
	CHECK(*(uint64_t *)phys_ptr(guest_data(&g)) == THREADS * ROUNDS + 2);
	guest_free(&g);
	free(fp);
}

static atomic_bool kick_done; /* the context may go */

static void *spin_thread(void *arg)
{
	struct guest *g = arg;

	CHECK(platform->pctx_attach(g->c) == 0);
	guest_start(g, CODE_VA);
	g->r.rdi = DATA_VA;
	guest_switch(g);
	CHECK(g->ev.kind == PEV_KICKED);
	while (!atomic_load(&kick_done))
		sched_yield();
	platform->pctx_free(g->c);
	return NULL;
}

GUEST(g_spin, "1: lock incq (%rdi); jmp 1b");

TEST(ptrace, an_outsider_changes_mappings_of_running_code)
{
	struct guest g, t;
	pthread_t id;
	uint64_t seen, *word;
	paddr_t old;

	guest_init();
	guest_load(&g, g_spin, g_spin_end);
	t = g;
	CHECK(platform->pctx_new(g.as, NULL, &t.c) == 0);
	CHECK(!pthread_create(&id, NULL, spin_thread, &t));
	for (int i = 0; i < 50; i++) {
		old = guest_data(&g);
		word = phys_ptr(old);
		while (*(volatile uint64_t *)word == 0)
			sched_yield();
		guest_map(g.as, NULL, DATA_VA, guest_frame(), PTE_W | PTE_NX);
		seen = *(volatile uint64_t *)word;
		usleep(500);
		CHECK(*(volatile uint64_t *)word == seen);
	}
	platform->pctx_kick(t.c);
	atomic_store(&kick_done, true);
	pthread_join(id, NULL);
	guest_free(&g);
}

/* --- kicks */

static struct {
	atomic_bool stop;
	atomic_uint wanted, seen;
	struct pctx *c;
} storm;

static void *kicker(void *arg)
{
	(void)arg;
	for (unsigned i = 1; i <= 3000; i++) {
		atomic_store(&storm.wanted, i);
		platform->pctx_kick(storm.c);
		while (atomic_load(&storm.seen) != i)
			sched_yield();
	}
	atomic_store(&storm.stop, true);
	platform->pctx_kick(storm.c);
	return NULL;
}

static void run_storm(const char *code, const char *end)
{
	struct guest g;
	pthread_t id;
	unsigned batch = 0;

	guest_load(&g, code, end);
	g.r.rdi = DATA_VA;
	storm.c = g.c;
	atomic_store(&storm.stop, false);
	atomic_store(&storm.seen, 0);
	CHECK(!pthread_create(&id, NULL, kicker, NULL));
	while (!atomic_load(&storm.stop)) {
		guest_switch(&g);
		CHECK(g.ev.kind == PEV_KICKED || g.ev.kind == PEV_SYSCALL);
		if (++batch % 16 == 0)
			guest_map(g.as, g.c, DATA_VA + 8192, guest_frame(), 0);
		if (g.ev.kind == PEV_KICKED)
			atomic_store(&storm.seen, atomic_load(&storm.wanted));
	}
	pthread_join(id, NULL);
	guest_free(&g);
}

TEST(ptrace, no_kick_is_lost)
{
	guest_init();
	run_storm(g_spin, g_spin_end);
	run_storm(g_loop, g_loop_end);
}

TEST(ptrace, signals_from_outside_mean_nothing)
{
	static const int sigs[] = { SIGTERM, SIGCHLD, SIGSEGV, SIGTRAP, SIGHUP,
		SIGSYS, SIGSTOP, SIGCONT };
	struct guest g;

	guest_init();
	guest_load(&g, g_loop, g_loop_end);
	for (size_t i = 0; i < ARRAY_SIZE(sigs); i++) {
		if (sigs[i] == SIGSEGV || sigs[i] == SIGTRAP ||
			sigs[i] == SIGSYS)
			CHECK(!syscall(SYS_tgkill, guest_pid(g.as), g.c->tid,
				sigs[i]));
		else
			CHECK(!kill(guest_pid(g.as), sigs[i]));
		guest_expect(&g, SYS_getpid);
		guest_map(g.as, g.c, DATA_VA + 8192, guest_frame(), 0);
		guest_map(g.as, NULL, DATA_VA + 8192, guest_frame(), 0);
	}
	guest_free(&g);
}

/* --- fork */

TEST(ptrace, fork_copies_the_host_map)
{
	struct guest g, k = { 0 };
	uint64_t one = 1;

	guest_init();
	guest_load(&g, g_count, g_count_end);
	g.r.rdi = DATA_VA;
	g.r.rsi = 1000;
	guest_expect(&g, SYS_getpid);
	k.as = guest_aspace();
	mm_active_write(g.as);
	CHECK(ptable_copy(&k.as->pt, &g.as->pt, 0, 1ULL << 47) == 0);
	CHECK(platform->aspace_fork(k.as, g.as, g.c) == 0);
	mm_active_write_done(g.as);
	/* a change in the child before it has a context, by someone else's hand
	 */
	guest_map(k.as, g.c, DATA_VA, guest_frame(), PTE_W | PTE_NX);
	CHECK(platform->pctx_new(k.as, g.c, &k.c) == 0);
	CHECK(platform->pctx_attach(k.c) == 0);
	k.r = g.r;
	k.dirty = REGS_ALL;
	guest_expect(&k, SYS_getpid);
	guest_expect(&k, SYS_getpid);
	guest_expect(&g, SYS_getpid);
	memcpy(&one, phys_ptr(guest_data(&g)), 8);
	CHECK(one == 2);
	memcpy(&one, phys_ptr(guest_data(&k)), 8);
	CHECK(one == 2);
	guest_free(&k);
	guest_expect(&g, SYS_getpid);
	guest_free(&g);
}

/* --- mappings */

struct map {
	uint64_t start, end, off;
	char perm[5];
};

/* Compares /proc/PID/maps below the stub's pages with the page table. */
static int table_vs_maps(void *arg, uint64_t va, pte_t *pte)
{
	struct map *m = *(struct map **)arg;
	bool host = (*pte & PTE_P) && (*pte & PTE_HOST);

	CHECK(!(*pte & (PTE_STALE | PTE_PROT)));
	if (!host)
		return 0;
	while (m->end && m->end <= va)
		m++;
	CHECK(m->start <= va && va < m->end);
	CHECK(m->off + (va - m->start) == (*pte & PTE_ADDR));
	CHECK((m->perm[1] == 'w') == !!(*pte & PTE_W));
	CHECK((m->perm[2] == 'x') == !(*pte & PTE_NX));
	*(struct map **)arg = m;
	return 0;
}

static uint64_t compare_maps(struct aspace *as, unsigned *nmaps)
{
	static struct map maps[70000];
	struct map *m = maps;
	char path[64], line[512];
	uint64_t pages = 0;
	unsigned n = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/maps", guest_pid(as));
	f = fopen(path, "r");
	CHECK(f);
	while (fgets(line, sizeof line, f) && n < ARRAY_SIZE(maps) - 1) {
		CHECK(sscanf(line, "%lx-%lx %4s %lx", &maps[n].start,
			      &maps[n].end, maps[n].perm, &maps[n].off) == 4);
		if (maps[n].start >= platform_max_addr)
			break;
		pages += (maps[n].end - maps[n].start) / PAGE_SIZE;
		n++;
	}
	fclose(f);
	maps[n] = (struct map){ 0 };
	(void)ptable_walk(&as->pt, 0, 1ULL << 47, table_vs_maps, &m);
	if (nmaps)
		*nmaps = n;
	return pages;
}

static int count_host(void *arg, uint64_t va, pte_t *pte)
{
	(void)va;
	*(uint64_t *)arg += (*pte & PTE_P) && (*pte & PTE_HOST);
	return 0;
}

static uint64_t present(struct aspace *as)
{
	uint64_t n;

	mm_active_read(as);
	n = as->pt.npresent;
	mm_active_read_done(as);
	return n;
}

static uint64_t host_pages(struct aspace *as)
{
	uint64_t n = 0;

	(void)ptable_walk(&as->pt, 0, 1ULL << 47, count_host, &n);
	return n;
}

TEST(ptrace, a_stub_holds_nothing_of_ours)
{
	struct aspace *as;
	char path[64], line[512];
	int n = 0;
	FILE *f;

	guest_init();
	as = guest_aspace();
	CHECK(platform->aspace_new(as) == 0);
	CHECK(compare_maps(as, NULL) == 0);
	snprintf(path, sizeof path, "/proc/%d/maps", guest_pid(as));
	f = fopen(path, "r");
	while (fgets(line, sizeof line, f))
		n += !strstr(line, "[vsyscall]");
	CHECK(n == 2);
	fclose(f);
	platform->aspace_free(as);
	free(as);
}

#define PAGES 2048

static void random_change(struct guest *g, paddr_t base)
{
	unsigned at = (unsigned)random() % PAGES;
	unsigned n = 1 + (unsigned)random() % MIN(64u, PAGES - at);
	pte_t bits = (random() & 1 ? PTE_W : 0) | (random() & 1 ? PTE_NX : 0);
	int what = (int)(random() % 8);
	uint64_t va;

	for (unsigned i = at; i < at + n; i++) {
		va = DATA_VA + (1ULL << 30) + i * PAGE_SIZE;
		if (what < 3)
			CHECK(!ptable_set(
				&g->as->pt, va, base + i * PAGE_SIZE, bits));
		else if (what == 3)
			CHECK(!ptable_set(&g->as->pt, va,
				base + (random() % PAGES) * PAGE_SIZE, bits));
		else if (what < 6)
			(void)ptable_clear(&g->as->pt, va);
		else
			ptable_protect(&g->as->pt, va, bits);
	}
}

TEST(ptrace, random_changes_agree_with_the_host)
{
	struct guest g;
	uint64_t lo = DATA_VA + (1ULL << 30), hi = lo + PAGES * PAGE_SIZE;
	paddr_t base = 256ULL << 20;

	guest_init();
	srandom(1);
	guest_load(&g, g_loop, g_loop_end);
	for (int i = 0; i < 10000; i++) {
		mm_active_write(g.as);
		for (long k = random() % 4; k >= 0; k--)
			random_change(&g, base);
		platform->aspace_sync(g.as, i % 5 ? g.c : NULL, lo, hi);
		if (i % 7 == 0)
			ptable_prune(&g.as->pt, lo, hi);
		mm_active_write_done(g.as);
		if (i % 100 == 1) {
			CHECK(compare_maps(g.as, NULL) == host_pages(g.as));
			CHECK(host_pages(g.as) == present(g.as));
			guest_expect(&g, SYS_getpid);
		}
	}
	guest_free(&g);
}

TEST(ptrace, a_kept_frame_of_prot_none_is_not_accessible)
{
	struct guest g;
	paddr_t pa;

	guest_init();
	guest_load(&g, g_access, g_access_end);
	pa = guest_data(&g);
	mm_active_write(g.as);
	ptable_protect(&g.as->pt, DATA_VA, PTE_NONE | PTE_NX);
	platform->aspace_sync(g.as, g.c, DATA_VA, DATA_VA + 4096);
	mm_active_write_done(g.as);
	g.r.rdi = 1;
	g.r.rsi = DATA_VA;
	guest_switch(&g);
	CHECK(g.ev.kind == PEV_FAULT && g.ev.addr == DATA_VA);
	CHECK(guest_data(&g) == pa);
	mm_active_write(g.as);
	ptable_protect(&g.as->pt, DATA_VA, PTE_NX);
	platform->aspace_sync(g.as, g.c, DATA_VA, DATA_VA + 4096);
	mm_active_write_done(g.as);
	guest_switch(&g);
	CHECK(g.ev.kind == PEV_EXCEPTION); /* hlt, behind the load */
	guest_free(&g);
}

/* Every second page of a file in reverse order: no two can be merged. */
TEST(ptrace, more_mappings_than_the_host_allows)
{
	struct guest g;
	uint64_t lo = DATA_VA + (1ULL << 30), va;
	unsigned n = 100000, nmaps;
	paddr_t base = 128ULL << 20;

	guest_init();
	guest_load(&g, g_access, g_access_end);
	for (unsigned i = 0; i < n; i += 1000) {
		mm_active_write(g.as);
		for (unsigned k = i; k < i + 1000; k++)
			CHECK(!ptable_set(&g.as->pt, lo + k * PAGE_SIZE,
				base + (n - k) * PAGE_SIZE, PTE_W | PTE_NX));
		platform->aspace_sync(g.as, g.c, lo + i * PAGE_SIZE,
			lo + (i + 1000) * PAGE_SIZE);
		mm_active_write_done(g.as);
	}
	CHECK(present(g.as) == n + 3);
	CHECK(compare_maps(g.as, &nmaps) == host_pages(g.as));
	CHECK(nmaps < n && nmaps > 1000);
	/* what fell out comes back */
	va = lo + 5 * PAGE_SIZE;
	guest_start(&g, CODE_VA);
	g.r.rdi = 1;
	g.r.rsi = va;
	guest_switch(&g);
	CHECK(g.ev.kind == PEV_EXCEPTION && g.ev.sig == SIGSEGV);
	/* one huge range that cannot fit at once */
	mm_active_write(g.as);
	for (unsigned k = 0; k < n; k++)
		CHECK(!ptable_set(&g.as->pt, lo + k * PAGE_SIZE,
			base + (n + 7 - k) * PAGE_SIZE, PTE_W | PTE_NX));
	platform->aspace_sync(g.as, g.c, lo, lo + n * PAGE_SIZE);
	mm_active_write_done(g.as);
	CHECK(compare_maps(g.as, &nmaps) == host_pages(g.as));
	guest_unmap(g.as, g.c, lo, n);
	CHECK(compare_maps(g.as, &nmaps) == host_pages(g.as));
	guest_free(&g);
}

TEST(ptrace, windows_map_host_files)
{
	char name[] = "/tmp/unit-ptrace-XXXXXX", buf[8192];
	int ro, hfd = mkstemp(name);
	paddr_t pa;
	struct guest g;

	CHECK(hfd >= 0);
	ro = open(name, O_RDONLY);
	unlink(name);
	memset(buf, 'w', sizeof buf);
	CHECK(write(hfd, buf, 4096) == 4096);
	guest_init();
	guest_load(&g, g_access, g_access_end);
	pa = phys_memfile_size + 3 * WINDOW_SIZE;
	CHECK(phys_window_map(pa, ro, 0, 8192, false) == 0);
	CHECK(phys_copy(buf, phys_ptr(pa + 4000), 200) == 96);
	CHECK(phys_copy(buf, phys_ptr(pa), 100) == 100 && buf[99] == 'w');
	guest_map(g.as, g.c, DATA_VA + 4096, pa, PTE_NX);
	guest_map(g.as, g.c, DATA_VA + 8192, pa + 4096, PTE_NX);
	g.r.rdi = 1;
	g.r.rsi = DATA_VA + 8192;
	guest_switch(&g);
	CHECK(g.ev.kind == PEV_EXCEPTION && g.ev.sig == SIGBUS);
	CHECK(g.ev.code == BUS_ADRERR && g.ev.addr == DATA_VA + 8192);
	/* a writable descriptor in the same window: mprotect fails, mmap does
	 * it */
	CHECK(phys_window_map(pa, hfd, 0, 8192, true) == 0);
	mm_active_write(g.as);
	ptable_protect(&g.as->pt, DATA_VA + 4096, PTE_W | PTE_NX);
	platform->aspace_sync(g.as, g.c, DATA_VA, DATA_VA + 16384);
	mm_active_write_done(g.as);
	guest_start(&g, CODE_VA);
	g.r.rdi = 2;
	g.r.rsi = DATA_VA + 4096;
	g.r.rax = 0x4142434445464748;
	guest_switch(&g);
	CHECK(g.ev.kind == PEV_EXCEPTION && g.ev.sig == SIGSEGV);
	CHECK(pread(hfd, buf, 8, 0) == 8 && buf[0] == 'H');
	guest_free(&g);
	phys_window_unmap(pa);
}

/* --- death */

static void *die_thread(void *arg)
{
	struct guest *g = arg;

	CHECK(platform->pctx_attach(g->c) == 0);
	guest_start(g, CODE_VA);
	g->r.rdi = DATA_VA;
	guest_switch(g);
	CHECK(g->ev.kind == PEV_DEAD);
	guest_switch(g);
	CHECK(g->ev.kind == PEV_DEAD);
	platform->pctx_kick(g->c);
	CHECK(platform->pctx_get_fp(g->c, &g->r) == -ESRCH);
	platform->pctx_free(g->c);
	return NULL;
}

TEST(ptrace, a_killed_stub_is_a_dead_context)
{
	struct guest g, t;
	struct pctx *c;
	pthread_t id;
	pid_t dead;

	guest_init();
	for (int i = 0; i < 20; i++) {
		guest_load(&g, g_spin, g_spin_end);
		t = g;
		CHECK(platform->pctx_new(g.as, i % 2 ? g.c : NULL, &t.c) == 0);
		CHECK(!pthread_create(&id, NULL, die_thread, &t));
		while (*(volatile uint64_t *)phys_ptr(guest_data(&g)) == 0)
			sched_yield();
		CHECK(!kill(guest_pid(g.as), SIGKILL));
		guest_map(g.as, i % 3 ? g.c : NULL, DATA_VA, guest_frame(), 0);
		(void)platform->pctx_new(g.as, i % 3 ? g.c : NULL, &c);
		pthread_join(id, NULL);
		guest_switch(&g);
		CHECK(g.ev.kind == PEV_DEAD);
		guest_free(&g);
	}
	/* one that is idle in the pool */
	guest_load(&g, g_loop, g_loop_end);
	dead = guest_pid(g.as);
	guest_free(&g);
	CHECK(!kill(dead, SIGKILL));
	usleep(10000);
	/* others live on */
	guest_load(&g, g_loop, g_loop_end);
	guest_expect(&g, SYS_getpid);
	guest_free(&g);
}

TEST(ptrace, nothing_is_left_behind)
{
	struct guest g;
	struct pctx *c;

	guest_init();
	for (int i = 0; i < 50; i++) {
		guest_load(&g, g_loop, g_loop_end);
		CHECK(platform->pctx_new(g.as, g.c, &c) == 0);
		platform->pctx_free(c); /* never attached */
		guest_expect(&g, SYS_getpid);
		CHECK(platform->pctx_cpu_ns(g.c) >= 0);
		guest_free(&g);
	}
	/* no zombies: all that is left are stubs that still run */
	CHECK(waitpid(-1, NULL, WNOHANG | __WALL) == 0);
}

static void forbid_ptrace(int error)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { ARRAY_SIZE(f), f };

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == 0);
}

static void check_clean_fp(struct pctx *c)
{
	char *fp = malloc(platform_fp_size);

	CHECK(platform->pctx_get_fp(c, fp) == 0);
	CHECK(*(uint16_t *)fp == 0x37f && *(uint32_t *)(fp + 24) == 0x1f80);
	for (int i = 32; i < 416; i++)
		CHECK(fp[i] == 0);
	for (size_t i = 576; i < platform_fp_size; i++)
		CHECK(fp[i] == 0);
	free(fp);
}

static void *second_thread(void *arg)
{
	struct guest *g = arg;

	CHECK(platform->pctx_attach(g->c) == 0);
	check_clean_fp(g->c);
	platform->pctx_free(g->c);
	return NULL;
}

/* A process whose leader, too, was cloned by a guest with something to hide. */
static pid_t first_life(void)
{
	struct guest g, k = { 0 };
	pid_t pid;

	guest_load(&g, g_fp, g_fp_end);
	g.r.rdi = 0x5ec4e75ec4e7;
	guest_expect(&g, SYS_getpid);
	k.as = guest_aspace();
	mm_active_write(g.as);
	CHECK(ptable_copy(&k.as->pt, &g.as->pt, 0, 1ULL << 47) == 0);
	CHECK(platform->aspace_fork(k.as, g.as, g.c) == 0);
	mm_active_write_done(g.as);
	CHECK(platform->pctx_new(k.as, g.c, &k.c) == 0);
	CHECK(platform->pctx_attach(k.c) == 0);
	k.r = g.r;
	k.dirty = REGS_ALL;
	guest_expect(&k, SYS_getpid);
	CHECK(k.r.rdi == 0x5ec4e75ec4e7);
	platform->pctx_kick(k.c);
	pid = guest_pid(k.as);
	guest_free(&g);
	guest_free(&k);
	return pid;
}

TEST(ptrace, a_second_life_knows_nothing_of_the_first)
{
	struct guest g, t;
	pthread_t id;
	pid_t pid;

	guest_init();
	pid = first_life();
	g = (struct guest){ .as = guest_aspace() };
	CHECK(platform->aspace_new(g.as) == 0);
	CHECK(guest_pid(g.as) == pid);
	CHECK(compare_maps(g.as, NULL) == 0);
	CHECK(platform->pctx_new(g.as, NULL, &g.c) == 0);
	CHECK(platform->pctx_attach(g.c) == 0);
	check_clean_fp(g.c);
	t = g;
	CHECK(platform->pctx_new(g.as, NULL, &t.c) == 0); /* by the leader */
	CHECK(!pthread_create(&id, NULL, second_thread, &t));
	pthread_join(id, NULL);
	guest_map(g.as, g.c, CODE_VA, guest_frame(), 0);
	guest_start(&g, CODE_VA + 4096);
	guest_switch(&g);
	CHECK(g.ev.kind == PEV_FAULT);
	CHECK(platform->pctx_cpu_ns(g.c) < 1000000000);
	guest_free(&g);
}

TEST(ptrace, probe_really_tries)
{
	struct err e;

	CHECK(platform_find("ptrace")->probe(&e) == 0);
	CHECK(platform_find("none") == NULL);
	forbid_ptrace(EPERM);
	CHECK(platform_find("ptrace")->probe(&e) == -EPERM);
	CHECK(strstr(e.msg, "ptrace") && strstr(e.msg, "seccomp"));
	CHECK(platform_find("ptrace")->init(-1, &e) < 0);
	CHECK(waitpid(-1, NULL, WNOHANG | __WALL) < 0); /* no child is left */
	_exit(0); /* a leak check needs ptrace */
}

static void *kick_later(void *arg)
{
	usleep(50000);
	platform->pctx_kick(arg);
	return NULL;
}

TEST(ptrace, cpu_time_is_that_of_guest_code)
{
	struct guest g;
	pthread_t id;
	int64_t ns;

	guest_init();
	guest_load(&g, g_spin, g_spin_end);
	g.r.rdi = DATA_VA;
	CHECK(!pthread_create(&id, NULL, kick_later, g.c));
	guest_switch(&g);
	CHECK(g.ev.kind == PEV_KICKED);
	pthread_join(id, NULL);
	ns = platform->pctx_cpu_ns(g.c);
	CHECK(ns > 5000000 && ns < 500000000);
	usleep(20000);
	CHECK(platform->pctx_cpu_ns(g.c) - ns < 5000000);
	guest_free(&g);
}

/* --- in a sandbox */

static const struct seccomp_rule test_rules[] = { ALLOW(write), ALLOW(fstat),
	ALLOW(ioctl), ALLOW(sigaltstack), ALLOW_ARG(kill, 1, SIGKILL),
	SECCOMP_END };

static void *filtered_thread(void *arg)
{
	struct guest *g = arg;

	CHECK(platform->pctx_attach(g->c) == 0);
	guest_start(g, CODE_VA);
	for (int i = 0; i < 100; i++)
		guest_expect(g, SYS_getpid);
	platform->pctx_kick(g->c);
	guest_switch(g);
	CHECK(g->ev.kind == PEV_KICKED);
	platform->pctx_free(g->c);
	return NULL;
}

/* Everything once, when neither clone, ptrace of others nor open are left. */
static void run_filtered(void)
{
	struct guest g, t, k = { 0 };
	struct err e;
	pthread_t id;
	char *fp;

	const struct seccomp_rule *lists[] = {
		seccomp_core,
		test_rules,
		platform_find("ptrace")->rules,
#ifdef SANITIZED
		seccomp_sanitizer,
#endif
	};

	guest_init();
	CHECK(seccomp_install("test", lists, ARRAY_SIZE(lists), &e) == 0);
	fp = malloc(platform_fp_size);
	guest_load(&g, g_loop, g_loop_end);
	for (int i = 0; i < 1000; i++)
		guest_expect(&g, SYS_getpid);
	CHECK(platform->pctx_get_fp(g.c, fp) == 0);
	CHECK(platform->pctx_set_fp(g.c, fp) == 0);
	CHECK(platform->pctx_cpu_ns(g.c) > 0);
	t = g;
	CHECK(platform->pctx_new(g.as, g.c, &t.c) == 0);
	CHECK(!pthread_create(&id, NULL, filtered_thread, &t));
	platform->pctx_block(g.c, true);
	pthread_join(id, NULL);
	platform->pctx_block(g.c, false);
	guest_unmap(g.as, NULL, DATA_VA, 1);
	k.as = guest_aspace();
	mm_active_write(g.as);
	CHECK(ptable_copy(&k.as->pt, &g.as->pt, 0, 1ULL << 47) == 0);
	CHECK(platform->aspace_fork(k.as, g.as, g.c) == 0);
	mm_active_write_done(g.as);
	CHECK(platform->pctx_new(k.as, g.c, &k.c) == 0);
	CHECK(platform->pctx_attach(k.c) == 0);
	k.r = g.r;
	k.dirty = REGS_ALL;
	guest_expect(&k, SYS_getpid);
	guest_free(&k);
	guest_free(&g);
	free(fp);
}

TEST(ptrace, works_under_a_filter)
{
	run_filtered();
	_exit(0); /* a leak check needs more calls */
}

static void put_file(const char *path, const char *text)
{
	int hfd = open(path, O_WRONLY);

	if (hfd < 0 || write(hfd, text, strlen(text)) < 0)
		SKIP("no user namespaces here");
	close(hfd);
}

/* As the sandbox: nobody, pid 1, no root, no capability, a filter. */
TEST(ptrace, works_as_nobody_in_namespaces)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct none[2] = { 0 };
	uid_t uid = getuid();
	char map[64];
	int status;
	pid_t pid;

	if (unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS))
		SKIP("no user namespaces here");
	snprintf(map, sizeof map, "65534 %d 1", uid);
	put_file("/proc/self/setgroups", "deny");
	put_file("/proc/self/uid_map", map);
	pid = fork();
	if (pid == 0) {
		CHECK(getpid() == 1);
		(void)!chroot("/proc/self/fdinfo");
		(void)!chdir("/");
		CHECK(setresuid(65534, 65534, 65534) == 0);
		CHECK(syscall(SYS_capset, &h, none) == 0);
		CHECK(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
		run_filtered();
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(status == 0);
	_exit(0); /* no process can be made here any more */
}
