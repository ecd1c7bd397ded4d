/*
 * ptrace_bench.c - what the ptrace platform itself costs, against the host.
 *
 * ptrace_bench [rounds]	one line a case: ns an operation, here and
 * native
 *
 * No kernel stands behind it: the numbers are the floor that kernel/ adds to.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/thread.h"
#include "selftest/unit/ptrace_guest.h"

static unsigned rounds = 20000;

void test_fail(const char *file, int line, const char *cond)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, cond);
	_exit(1);
}

static void say(
	const char *what, int64_t ns, unsigned n, int64_t native, unsigned nn)
{
	printf("%-44s %9.2f us  native %8.2f us\n", what, (double)ns / n / 1e3,
		nn ? (double)native / nn / 1e3 : 0.0);
}

/* --- system calls */

GUEST(g_calls, "1: mov $110, %eax; syscall; jmp 1b");

static int64_t traps(struct guest *g, unsigned n)
{
	int64_t t0;

	for (unsigned i = 0; i < 1000; i++)
		guest_switch(g);
	t0 = mono_now();
	for (unsigned i = 0; i < n; i++) {
		guest_switch(g);
		guest_return(g, 1);
	}
	return mono_now() - t0;
}

static int64_t native_calls(unsigned n)
{
	int64_t t0 = mono_now();

	for (unsigned i = 0; i < n; i++)
		syscall(SYS_getppid);
	return mono_now() - t0;
}

static void *trap_thread(void *arg)
{
	struct guest g;

	guest_load(&g, g_calls, g_calls_end);
	*(int64_t *)arg = traps(&g, rounds);
	guest_free(&g);
	return NULL;
}

static void bench_traps(void)
{
	int64_t ns[2], all = 0;
	pthread_t id[2];

	trap_thread(&ns[0]);
	say("getppid, one thread", ns[0], rounds, native_calls(rounds), rounds);
	for (int i = 0; i < 2; i++)
		pthread_create(&id[i], NULL, trap_thread, &ns[i]);
	for (int i = 0; i < 2; i++) {
		pthread_join(id[i], NULL);
		all += ns[i];
	}
	say("getppid, each of two threads", all, 2 * rounds, 0, 0);
}

/* --- memory */

GUEST(g_touch, "1: mov $9, %eax; syscall\n" /* mmap: address in rax */
	       "mov %eax, (%rax); mov %rax, %rdi\n"
	       "mov $11, %eax; syscall; jmp 1b");

static int64_t native_touch(unsigned n)
{
	int64_t t0 = mono_now();

	for (unsigned i = 0; i < n; i++) {
		char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		*p = 1;
		munmap(p, 4096);
	}
	return mono_now() - t0;
}

static void bench_memory(void)
{
	unsigned n = rounds / 4;
	paddr_t pa = guest_frame();
	struct guest g;
	int64_t t0;

	guest_load(&g, g_touch, g_touch_end);
	t0 = mono_now();
	for (unsigned i = 0; i < n; i++) {
		guest_expect(&g, SYS_mmap);
		guest_map(g.as, g.c, DATA_VA + 8192, pa, PTE_W | PTE_NX);
		guest_return(&g, DATA_VA + 8192);
		guest_expect(&g, SYS_munmap);
		guest_unmap(g.as, g.c, DATA_VA + 8192, 1);
		guest_return(&g, 0);
	}
	say("mmap (mapped at once) + touch + munmap", mono_now() - t0, n,
		native_touch(n), n);
	guest_start(&g, CODE_VA);
	t0 = mono_now();
	for (unsigned i = 0; i < n; i++) {
		guest_expect(&g, SYS_mmap);
		guest_return(&g, DATA_VA + 8192);
		guest_switch(&g);
		CHECK(g.ev.kind == PEV_FAULT);
		guest_map(g.as, g.c, DATA_VA + 8192, pa, PTE_W | PTE_NX);
		guest_expect(&g, SYS_munmap);
		guest_unmap(g.as, g.c, DATA_VA + 8192, 1);
		guest_return(&g, 0);
	}
	say("mmap (mapped by a fault) + touch + munmap", mono_now() - t0, n, 0,
		0);
	guest_free(&g);
}

/* --- processes and threads */

struct child {
	struct guest g;
	struct park *done;
};

static void child_main(void *arg)
{
	struct child *k = arg;

	CHECK(platform->pctx_attach(k->g.c) == 0);
	k->g.dirty = REGS_ALL;
	guest_switch(&k->g);
	CHECK(k->g.ev.kind == PEV_SYSCALL);
	platform->pctx_free(k->g.c);
	park_wake(k->done);
}

static void run_child(struct guest *g, struct child *k)
{
	struct park done;

	park_init(&done);
	k->done = &done;
	k->g.r = g->r;
	CHECK(thread_start(child_main, k, "child", 0) == 0);
	platform->pctx_block(g->c, true);
	park_wait(&done, NO_DEADLINE);
	platform->pctx_block(g->c, false);
}

static void fork_once(struct guest *g)
{
	struct child k = { .g.as = guest_aspace() };

	guest_switch(g);
	mm_active_write(g->as);
	CHECK(!ptable_copy(&k.g.as->pt, &g->as->pt, 0, 1ULL << 47));
	CHECK(!platform->aspace_fork(k.g.as, g->as, g->c));
	mm_active_write_done(g->as);
	CHECK(!platform->pctx_new(k.g.as, g->c, &k.g.c));
	run_child(g, &k);
	platform->aspace_free(k.g.as);
	free(k.g.as);
}

static void exec_once(struct guest *g)
{
	struct child k = { .g.as = guest_aspace() };

	guest_switch(g);
	CHECK(!platform->aspace_new(k.g.as));
	CHECK(!platform->pctx_new(k.g.as, g->c, &k.g.c));
	guest_map(k.g.as, g->c, CODE_VA,
		ptable_get(&g->as->pt, CODE_VA) & PTE_ADDR, 0);
	run_child(g, &k);
	platform->aspace_free(k.g.as);
	free(k.g.as);
}

static void thread_once(struct guest *g)
{
	struct child k = { .g.as = g->as };

	guest_switch(g);
	CHECK(!platform->pctx_new(g->as, g->c, &k.g.c));
	run_child(g, &k);
}

static int64_t repeat(struct guest *g, void (*fn)(struct guest *g), unsigned n)
{
	int64_t t0;

	for (unsigned i = 0; i < 20; i++)
		fn(g);
	t0 = mono_now();
	for (unsigned i = 0; i < n; i++)
		fn(g);
	return mono_now() - t0;
}

static void *nothing(void *arg)
{
	return arg;
}

static int64_t native_threads(unsigned n)
{
	int64_t t0 = mono_now();
	pthread_t id;

	for (unsigned i = 0; i < n; i++) {
		pthread_create(&id, NULL, nothing, NULL);
		pthread_join(id, NULL);
	}
	return mono_now() - t0;
}

static int64_t native_forks(unsigned n)
{
	int64_t t0 = mono_now();

	for (unsigned i = 0; i < n; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	return mono_now() - t0;
}

static void bench_processes(void)
{
	unsigned n = rounds / 40;
	struct guest g;

	guest_load(&g, g_calls, g_calls_end);
	traps(&g, 100);
	say("fork + one call + exit + wait", repeat(&g, fork_once, n), n,
		native_forks(n), n);
	say("new process + one call + exit + wait", repeat(&g, exec_once, n), n,
		0, 0);
	say("thread + one call + exit + join", repeat(&g, thread_once, n), n,
		native_threads(n), n);
	guest_free(&g);
}

/* --- two threads and a pipe's worth of blocking */

struct pingpong {
	struct park park[2];
	struct aspace *as;
	struct pctx *c;
	unsigned n;
};

/* As kernel/ would: trap, wake the other, trap, block until woken. */
static void pong(struct pingpong *p, struct guest *g, int me)
{
	for (unsigned i = 0; i < p->n; i++) {
		guest_switch(g);
		if (!me)
			park_wake(&p->park[1]);
		else
			guest_switch(g);
		platform->pctx_block(g->c, true);
		park_wait(&p->park[me], NO_DEADLINE);
		platform->pctx_block(g->c, false);
		if (me)
			park_wake(&p->park[0]);
		else
			guest_switch(g);
	}
}

static void *pong_thread(void *arg)
{
	struct pingpong *p = arg;
	struct guest g = { .as = p->as, .c = p->c };

	CHECK(platform->pctx_attach(g.c) == 0);
	guest_start(&g, CODE_VA);
	pong(p, &g, 1);
	platform->pctx_free(g.c);
	return NULL;
}

static int native_pipe[2][2];

static void *native_pong(void *arg)
{
	char c;

	for (unsigned i = 0; i < rounds / 4; i++)
		if (read(native_pipe[0][0], &c, 1) != 1 ||
			write(native_pipe[1][1], &c, 1) != 1)
			break;
	return arg;
}

static int64_t native_pingpong(unsigned n)
{
	int64_t t0;
	pthread_t id;
	char c = 0;

	CHECK(!pipe(native_pipe[0]) && !pipe(native_pipe[1]));
	pthread_create(&id, NULL, native_pong, NULL);
	t0 = mono_now();
	for (unsigned i = 0; i < n; i++)
		CHECK(write(native_pipe[0][1], &c, 1) == 1 &&
			read(native_pipe[1][0], &c, 1) == 1);
	pthread_join(id, NULL);
	return mono_now() - t0;
}

static void bench_pingpong(void)
{
	struct pingpong p = { .n = rounds / 4 };
	struct guest g;
	pthread_t id;
	int64_t t0;

	guest_load(&g, g_calls, g_calls_end);
	p.as = g.as;
	park_init(&p.park[0]);
	park_init(&p.park[1]);
	CHECK(!platform->pctx_new(g.as, g.c, &p.c));
	t0 = mono_now();
	pthread_create(&id, NULL, pong_thread, &p);
	pong(&p, &g, 0);
	pthread_join(id, NULL);
	say("ping-pong: two calls each, there and back", mono_now() - t0, p.n,
		native_pingpong(p.n), p.n);
	guest_free(&g);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		rounds = (unsigned)atoi(argv[1]);
	if (rounds < 400)
		rounds = 400;
	setvbuf(stdout, NULL, _IOLBF, 0);
	guest_init();
	bench_traps();
	bench_memory();
	bench_processes();
	bench_pingpong();
	return 0;
}
