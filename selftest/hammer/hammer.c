/*
 * hammer.c - random hostile system calls: a guest that wants the kernel dead.
 *
 *	hammer SEED CALLS
 *
 * Theory of operation
 *
 * The first process forks workers, one generation after the other, until they
 * have made CALLS calls.  A worker has a few threads; each takes a call from
 * the kernel's own table and makes it with arguments that fit its format, and
 * often do not: bad pointers, sizes, descriptors, flags.  Most workers do not
 * live long: a random munmap or rt_sigreturn kills them, and so does the next
 * one's kill(-1).  A ticker thread interrupts calls that block; the first
 * process ends what lives too long.
 *
 * Only the kernel's survival counts: that all generations come to an end, and
 * that their processes can all be reaped.  Nothing is compared with the host,
 * and nothing of this must ever run there: main() looks where it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS     3
#define THREADS     3
#define LIFE_MS     2500 /* of a generation */
#define IDLE_MS     100  /* without a call: all its threads are stuck */
#define TICK_US     3000
#define CHILD_CALLS 12
#define ARENA_PAGES 32
#define PAGE        4096UL
#define N(a)        (sizeof(a) / sizeof(a)[0])

struct call {
	long nr;
	const char *name, *fmt;
};

static const struct call calls[] = {
#define SYS(nr, name, fmt, level) { nr, #name, fmt },
#include "kernel/syscall/syscalls.def"
#undef SYS
};

static struct board { /* shared by all processes */
	atomic_long made;
	atomic_int tids[WORKERS][THREADS];
} * board;

static char *arena; /* a worker's: pages that can be read and written */
static char *hole;  /* the page after it is not there */
static pid_t first;

/* --- chance */

static _Thread_local uint64_t chance;

static uint64_t rnd(void)
{
	uint64_t z = (chance += 0x9e3779b97f4a7c15u);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static unsigned below(unsigned n)
{
	return (unsigned)(rnd() % n);
}

static bool one_in(unsigned n)
{
	return below(n) == 0;
}

#define PICK(a) ((a)[below(N(a))])

/* --- numbers */

static uint64_t any_number(void)
{
	static const uint64_t edges[] = { 0, 1, 2, 3, 7, 8, 16, 255, 511, 512,
		1023, 1024, 4095, 4096, 4097, 65535, 65536, 0x7fffffff,
		0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff,
		0x8000000000000000, ~0ULL, ~0ULL - 1, ~0ULL - 4095 };

	switch (below(4)) {
	case 0:
		return below(16);
	case 1:
		return 1ULL << below(64);
	case 2:
		return PICK(edges);
	default:
		return rnd() >> below(64);
	}
}

static uint64_t any_flags(void)
{
	uint64_t f = 0;

	if (one_in(4))
		return 0;
	if (one_in(8))
		return any_number();
	for (unsigned n = below(4) + 1; n; n--)
		f |= 1ULL << below(32);
	return f;
}

static uint64_t any_size(void)
{
	static const uint64_t common[] = { 0, 1, 4, 8, 12, 16, 24, 32, 48, 64,
		88, 112, 128, 144, 256, 4096, 8192, 65536 };

	return one_in(3) ? any_number() : PICK(common);
}

static uint64_t any_fd(void)
{
	if (one_in(12))
		return any_number();
	return one_in(20) ? (uint64_t)AT_FDCWD : below(48);
}

/* Never the first process: it must see the end. */
static uint64_t any_pid(void)
{
	uint64_t n;

	switch (below(6)) {
	case 0:
		return (uint64_t)getpid();
	case 1:
		return (uint64_t)syscall(SYS_gettid);
	case 2:
		return (uint64_t)board->tids[below(WORKERS)][below(THREADS)];
	case 3:
		return 0;
	case 4:
		return (uint64_t) - (int64_t)below(100);
	default:
		n = any_number();
		return (int32_t)n == first ? 0 : n;
	}
}

/* --- addresses */

static uint64_t any_address(void)
{
	static const uint64_t odd[] = { 0, 1, 8, 0xfff, 0x1000, 0x7fffffffcff8,
		0x7fffffffd000, 0x7fffffffdffc, 0x7fffffffe000, 0x7ffffffff000,
		0x800000000000, 0xffff800000000000, 0xffffffffff600000,
		0xfffffffffffff000, 0xffffffffffffffff };

	return one_in(2) ? PICK(odd) : rnd() >> (16 + below(32)) & ~7ULL;
}

/* @n bytes in the arena, now and then across its end. */
static char *place(size_t n)
{
	size_t room = ARENA_PAGES * PAGE;

	if (one_in(24))
		return hole - below((unsigned)n + 1);
	return arena + (n < room ? below((unsigned)((room - n) / 8)) * 8 : 0);
}

static uint64_t any_pointer(void)
{
	if (one_in(10))
		return any_address();
	return (uint64_t)(uintptr_t)place(64) + (one_in(6) ? below(8) : 0);
}

/* Puts @n bytes of @p where the kernel can read them, or nearly. */
static uint64_t put(const void *p, size_t n)
{
	char *at = place(n);

	if (one_in(16))
		return any_address();
	if (at + n > hole)
		n = at < hole ? (size_t)(hole - at) : 0;
	memcpy(at, p, n);
	return (uint64_t)(uintptr_t)at;
}

static uint64_t any_path(void)
{
	static const char *const paths[] = { "/", ".", "..", "", "a", "b",
		"a/b", "a/../b", "/tmp", "/tmp/x", "/tmp/y", "/tmp/d",
		"/tmp/d/x", "/tmp/l", "/dev", "/dev/null", "/dev/zero",
		"/dev/full", "/dev/tty", "/dev/ptmx", "/dev/pts/0", "/dev/shm",
		"/dev/urandom", "/proc", "/proc/self", "/proc/self/fd",
		"/proc/self/fd/3", "/proc/self/fd/7", "/proc/self/maps",
		"/proc/self/mem", "/proc/self/exe", "/proc/self/cwd",
		"/proc/self/environ", "/proc/self/stat", "/proc/self/smaps",
		"/proc/self/comm", "/proc/self/oom_score_adj",
		"/proc/self/uid_map", "/proc/self/setgroups", "/proc/self/ns",
		"/proc/self/ns/mnt", "/proc/self/task", "/proc/self/mountinfo",
		"/proc/self/limits", "/proc/self/clear_refs",
		"/proc/self/timers", "/proc/sys/kernel/hostname",
		"/proc/sys/kernel/pid_max", "/proc/sys/fs/pipe-max-size",
		"/proc/net/unix", "/proc/meminfo", "/proc/mounts", "/sys",
		"/hammer", "/rw", "/rw/x", "/rw/y", "/rw/d", "/rw/d/e", "/rw/l",
		"/rw/fifo", "//rw//./d/..", "x/", "user.x",
		"security.capability", "system.posix_acl_access", "tmpfs",
		"proc", "devpts", "mode=0700,size=4k", "size=-1" };
	char longest[5000];
	size_t n;

	if (one_in(12)) {
		n = below(sizeof longest - 1);
		for (size_t i = 0; i < n; i++)
			longest[i] = one_in(9) ? '/' : (char)(1 + below(255));
		longest[n] = 0;
		return put(longest, n + 1);
	}
	snprintf(longest, sizeof longest, "%s", PICK(paths));
	return put(longest, strlen(longest) + 1);
}

/* --- what pointers point to */

static uint64_t any_timespec(void)
{
	struct timespec ts[2] = { { 0, below(2000000) },
		{ 0, below(2000000) } };

	if (one_in(6))
		ts[0] = (struct timespec){ (time_t)any_number(),
			(long)any_number() };
	return put(ts, sizeof ts);
}

static uint64_t any_iovec(void)
{
	struct iovec v[12];

	for (size_t i = 0; i < N(v); i++)
		v[i] = (struct iovec){ (void *)(uintptr_t)any_pointer(),
			one_in(8) ? any_size() : below(5000) };
	return put(v, sizeof v);
}

static uint64_t any_sockaddr(void)
{
	static const unsigned short families[] = { AF_UNIX, AF_UNIX, AF_UNIX,
		AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, 0, 255 };
	struct sockaddr_un a = { .sun_family = PICK(families) };

	if (one_in(2))
		snprintf(a.sun_path, sizeof a.sun_path, "/tmp/s%u", below(4));
	else
		snprintf(a.sun_path, sizeof a.sun_path, "%cs%u", 0, below(4));
	return put(&a, sizeof a);
}

static uint64_t any_control(size_t *n)
{
	struct {
		struct cmsghdr h;
		int v[6];
		struct cmsghdr h2;
		int v2[4];
	} c = { { CMSG_LEN(sizeof c.v), SOL_SOCKET, SCM_RIGHTS }, { 0 },
		{ CMSG_LEN(12), SOL_SOCKET, SCM_CREDENTIALS },
		{ (int)any_pid(), (int)below(3), (int)below(3), 0 } };

	for (size_t i = 0; i < N(c.v); i++)
		c.v[i] = (int)any_fd();
	if (one_in(3))
		c.h.cmsg_len = any_size();
	if (one_in(3))
		c.h2.cmsg_len = any_size();
	if (one_in(4))
		c.h.cmsg_type = (int)below(4);
	*n = one_in(3) ? any_size() : sizeof c;
	return put(&c, sizeof c);
}

static uint64_t any_msghdr(void)
{
	struct {
		struct msghdr m;
		unsigned len;
	} m[3];
	size_t n;

	memset(m, 0, sizeof m);
	for (size_t i = 0; i < N(m); i++) {
		m[i].m.msg_name =
			(void *)(uintptr_t)(one_in(2) ? 0 : any_sockaddr());
		m[i].m.msg_namelen = (unsigned)any_size();
		m[i].m.msg_iov = (void *)(uintptr_t)any_iovec();
		m[i].m.msg_iovlen = one_in(9) ? any_size() : below(12);
		m[i].m.msg_control = (void *)(uintptr_t)any_control(&n);
		m[i].m.msg_controllen = n;
	}
	return put(m, sizeof m);
}

static uint64_t any_pollfds(void)
{
	struct pollfd p[16];

	for (size_t i = 0; i < N(p); i++)
		p[i] = (struct pollfd){ (int)any_fd(), (short)rnd(), 0 };
	return put(p, sizeof p);
}

static uint64_t any_ioctl(void)
{
	static const unsigned long cmds[] = { 0x5401, 0x5402, 0x5403, 0x5404,
		0x5409, 0x540b, 0x540e, 0x540f, 0x5410, 0x5411, 0x5412, 0x5413,
		0x5414, 0x541b, 0x5420, 0x5421, 0x5422, 0x5423, 0x5424, 0x5425,
		0x5429, 0x5450, 0x5451, 0x5452, 0x5460, 0x80045430, 0x40045431,
		0x80045438, 0x80045439, 0x5441, 0x80086601, 0x40086602,
		0x80045440, 0x8910, 0x8904, 0x2285, 0x127f, 0xc0045878 };

	return one_in(8) ? rnd() : PICK(cmds);
}

/* A forged signal frame: rt_sigreturn takes it from the stack. */
static void forge_frame(uint64_t *w, size_t n)
{
	for (size_t i = 0; i < n; i++)
		w[i] = one_in(3) ? any_pointer() : any_number();
	w[23] = one_in(2) ? 0x33 | (uint64_t)0x2b << 48 : rnd();
	w[28] = one_in(2) ? 0 : any_pointer(); /* FP state */
}

static long sigreturn(void)
{
	uint64_t frame[160];

	forge_frame(frame, N(frame));
	__asm__ volatile("mov %%rsp, %%rbx\n\t"
			 "lea 8(%0), %%rsp\n\t"
			 "mov $15, %%eax\n\t"
			 "syscall\n\t"
			 "mov %%rbx, %%rsp"
			 :
			 : "r"(frame)
			 : "rax", "rbx", "rcx", "r11", "memory");
	return 0;
}

static uint64_t any_words(void)
{
	uint64_t w[24];

	for (size_t i = 0; i < N(w); i++)
		w[i] = one_in(4) ? any_pointer()
				 : (one_in(3) ? any_number() : below(64));
	return put(w, sizeof w);
}

static uint64_t any_args(void)
{
	const char *v[4] = { "hammer", "x", one_in(4) ? "y" : NULL, NULL };
	uint64_t p[4];

	for (size_t i = 0; i < N(v); i++)
		p[i] = v[i] ? put(v[i], strlen(v[i]) + 1) : 0;
	if (one_in(8))
		p[2] = p[3] = any_address();
	return put(p, sizeof p);
}

static uint64_t any_clone_flags(void)
{
	static const uint64_t sets[] = { 0, SIGCHLD, CLONE_FILES | SIGCHLD,
		CLONE_FS | SIGCHLD, CLONE_NEWNS | SIGCHLD,
		CLONE_NEWUSER | SIGCHLD, CLONE_NEWPID | SIGCHLD,
		CLONE_NEWUTS | CLONE_NEWIPC, CLONE_PARENT | SIGCHLD,
		CLONE_PTRACE, CLONE_NEWUSER | CLONE_NEWNS, CLONE_VFORK,
		CLONE_THREAD, CLONE_SIGHAND, 0x1000 | SIGCHLD };

	/* Without a stack of its own it must not share our memory. */
	return (one_in(3) ? any_flags() : PICK(sets)) & ~(uint64_t)CLONE_VM;
}

/* One argument: the letters stand in syscalls.def. */
static uint64_t any_arg(char kind)
{
	switch (kind) {
	case 'f':
		return any_fd();
	case 'D':
		return one_in(2) ? (uint64_t)AT_FDCWD : any_fd();
	case 'p':
		return any_path();
	case 'n':
		return any_size();
	case 'd':
		return one_in(3) ? any_pid() : any_number();
	case 'u':
	case 'r':
		return one_in(2) ? below(20) : any_number();
	case 'x':
	case 'm':
	case 'O':
		return any_flags();
	case 'o':
		return one_in(4) ? rnd() : below(010000);
	case 'M':
		return one_in(6) ? any_number() : below(8);
	case 'C':
		return any_clone_flags();
	case 'F':
		return one_in(4) ? any_number() : below(16) | below(4) << 7;
	case 'S':
		return one_in(4) ? any_number() : below(66);
	case 'l':
		return one_in(3) ? below(50) : AF_UNIX;
	case 'c':
		return any_ioctl();
	case 't':
	case 'i':
		return one_in(5) ? 0 : any_timespec();
	case 'v':
	case 'V':
		return any_iovec();
	case 'k':
		return any_sockaddr();
	case 'w':
		return any_pollfds();
	case 'A':
		return any_args();
	case 'q':
	case 'g':
	case 'e':
		return one_in(5) ? 0 : any_words();
	case 's':
		return one_in(2) ? any_msghdr() : any_words();
	default:
		return one_in(6) ? 0 : any_pointer();
	}
}

/* --- calls */

/* What ends the caller is left for later, mostly. */
static bool is_deadly(long nr)
{
	static const long deadly[] = { SYS_exit, SYS_exit_group, SYS_execve,
		SYS_execveat, SYS_kill, SYS_tkill, SYS_tgkill,
		SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_rt_sigaction,
		SYS_rt_sigreturn, SYS_mmap, SYS_munmap, SYS_mremap,
		SYS_mprotect, SYS_brk, SYS_arch_prctl, SYS_setrlimit,
		SYS_prlimit64, SYS_pidfd_send_signal, SYS_close_range,
		SYS_pivot_root, SYS_chroot, SYS_umount2, SYS_setuid,
		SYS_setresuid, SYS_setreuid, SYS_capset, SYS_process_vm_writev,
		SYS_remap_file_pages, SYS_set_tid_address,
		SYS_set_robust_list };

	for (size_t i = 0; i < N(deadly); i++)
		if (nr == deadly[i])
			return true;
	return false;
}

static bool spares_first(long nr, const uint64_t *a)
{
	return !((nr == SYS_process_vm_writev || nr == SYS_prlimit64 ||
			 nr == SYS_pidfd_open || nr == SYS_sched_setaffinity) &&
		 (int32_t)a[0] == first);
}

/* Memory calls have a victim that nobody lives in. */
static uint64_t victim(void)
{
	return 0x200000000000u + below(256) * PAGE;
}

static bool is_child_maker(long nr)
{
	return nr == SYS_fork || nr == SYS_vfork || nr == SYS_clone ||
	       nr == SYS_clone3;
}

static void make_call(const struct call *c, unsigned depth);

static void child(unsigned depth)
{
	chance ^= (uint64_t)getpid() << 32;
	for (int i = 0; i < CHILD_CALLS; i++)
		make_call(&PICK(calls), depth + 1);
	_exit(0);
}

static void make_call(const struct call *c, unsigned depth)
{
	uint64_t a[6];
	size_t n = strlen(c->fmt);
	long nr = c->nr, ret;

	if (is_deadly(nr) && !one_in(24))
		return;
	if (is_child_maker(nr) && (depth || !one_in(4)))
		return;
	for (size_t i = 0; i < 6; i++)
		a[i] = any_arg(i < n ? c->fmt[i] : 'd');
	if (c->fmt[0] == 'a' && n > 1 && c->fmt[1] == 'n' && !one_in(12))
		a[0] = victim() + (one_in(8) ? below(4096) : 0);
	if (nr == SYS_mmap && one_in(2))
		a[3] = (one_in(2) ? MAP_PRIVATE : MAP_SHARED) | MAP_FIXED |
		       (one_in(2) ? MAP_ANONYMOUS : 0);
	if ((nr == SYS_mmap || nr == SYS_mremap) && one_in(2))
		a[1] = (1 + below(64)) * PAGE;
	if (!spares_first(nr, a))
		return;
	atomic_fetch_add(&board->made, 1);
	if (nr == SYS_vfork) /* a child must not return from here */
		nr = SYS_fork;
	if (nr == SYS_rt_sigreturn)
		ret = sigreturn();
	else
		ret = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (is_child_maker(nr) && ret == 0)
		child(depth);
}

/* --- a worker */

static void open_things(void)
{
	int p[2];

	for (int fd = 0; fd < 3;
		fd++) /* what the first process prints counts */
		close(fd);
	(void)!pipe(p);
	(void)!pipe2(p, O_NONBLOCK);
	(void)socketpair(AF_UNIX, SOCK_STREAM, 0, p);
	(void)socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p);
	(void)socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p);
	(void)socket(AF_UNIX, SOCK_STREAM, 0);
	(void)eventfd(3, EFD_NONBLOCK);
	(void)epoll_create1(0);
	(void)inotify_init1(IN_NONBLOCK);
	(void)timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	(void)memfd_create("hammer", MFD_ALLOW_SEALING);
	(void)open("/dev/ptmx", O_RDWR | O_NOCTTY);
	(void)open("/tmp/x", O_RDWR | O_CREAT, 0600);
	(void)open("/rw/x", O_RDWR | O_CREAT, 0600);
	(void)open("/rw/d", O_RDONLY | O_DIRECTORY);
	(void)open("/proc/self/mem", O_RDWR);
	(void)open("/proc/self/maps", O_RDONLY);
	(void)open("/proc", O_RDONLY | O_DIRECTORY);
	(void)open("/dev/zero", O_RDWR);
	(void)open("/rw/fifo", O_RDWR | O_NONBLOCK);
	(void)mkdir("/tmp/d", 0700);
	(void)symlink("/tmp/d/../l", "/tmp/l");
}

static void nothing(int sig)
{
	(void)sig;
}

static unsigned worker;

static void *hammer_thread(void *arg)
{
	unsigned n = (unsigned)(uintptr_t)arg;

	chance = (uint64_t)(n + 1) * 0x1000193u ^ chance ^
		 (uint64_t)getpid() * 0x9e3779b1u;
	board->tids[worker][n] = (int)syscall(SYS_gettid);
	for (;;)
		make_call(&PICK(calls), 0);
	return NULL;
}

static uint64_t seed;

static void *seeded_thread(void *arg)
{
	chance = seed;
	return hammer_thread(arg);
}

static void limit(int what, rlim_t n)
{
	struct rlimit r = { n, n };

	(void)setrlimit(what, &r);
}

static void work(void)
{
	struct sigaction sa = { .sa_handler = nothing };
	pthread_attr_t attr;
	pthread_t id;

	limit(RLIMIT_AS, 256 << 20);
	limit(RLIMIT_FSIZE, 1 << 20);
	limit(RLIMIT_NOFILE, 256);
	limit(RLIMIT_CORE, 0);
	arena = mmap(NULL, (ARENA_PAGES + 1) * PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED)
		_exit(1);
	hole = arena + ARENA_PAGES * PAGE;
	munmap(hole, PAGE);
	for (int sig = 1; sig < 65; sig++)
		if (sig != SIGSEGV && sig != SIGBUS && sig != SIGILL)
			(void)sigaction(sig, &sa, NULL);
	(void)unshare(CLONE_NEWNS);
	open_things();
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128 << 10);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&id, &attr, seeded_thread, (void *)i);
	for (;;) {
		usleep(TICK_US);
		for (int i = 0; i < THREADS; i++)
			(void)syscall(SYS_tgkill, getpid(),
				board->tids[worker][i], SIGUSR2);
	}
}

/* --- the first process */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Reaps what ends by itself, then ends the rest. */
static void see_off(void)
{
	static const struct timespec nap = { 0, 2000000 };
	int64_t now = now_ms(), end = now + LIFE_MS, idle = now + IDLE_MS;
	long made = -1;
	int left = WORKERS;
	pid_t pid;

	for (; left && now < end && now < idle; now = now_ms()) {
		if (made != atomic_load(&board->made))
			idle = now + IDLE_MS;
		made = atomic_load(&board->made);
		pid = waitpid(-1, NULL, WNOHANG);
		if (pid == 0)
			nanosleep(&nap, NULL);
		else if (pid > 0)
			left -= left > 1 || one_in(2);
		else
			break;
	}
	do {
		kill(-1, SIGKILL);
		pid = waitpid(-1, NULL, 0);
	} while (pid > 0 || errno == EINTR);
}

static void generation(void)
{
	int gone = open("/proc/self", O_PATH | O_DIRECTORY);

	if (gone >= 0)
		close(gone);
	(void)unlink("/rw/x");
	(void)mkdir("/rw/d", 0755);
	(void)mkfifo("/rw/fifo", 0600);
	memset(board->tids, 0, sizeof board->tids);
	for (worker = 0; worker < WORKERS; worker++) {
		seed = rnd();
		pid_t pid = fork();

		if (pid == 0)
			work();
		if (pid < 0) {
			perror("hammer: fork");
			exit(1);
		}
	}
	see_off();
}

static bool in_sandbox(void)
{
	char line[200] = "";
	int fd = open("/proc/version", O_RDONLY);

	if (fd < 0 || read(fd, line, sizeof line - 1) < 0)
		return false;
	close(fd);
	return getpid() == 1 && strstr(line, "(root@localhost)");
}

int main(int argc, char **argv)
{
	long want = argc == 3 ? atol(argv[2]) : 0;
	long generations = 0;

	if (want <= 0 || !in_sandbox()) {
		fputs("usage, as the first process of a sandbox only: "
		      "hammer SEED CALLS\n",
			stderr);
		return 2;
	}
	first = getpid();
	chance = strtoull(argv[1], NULL, 0);
	board = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED)
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("seed %s\n", argv[1]);
	for (; atomic_load(&board->made) < want; generations++)
		generation();
	printf("survived %ld generations\n", generations);
	return 0;
}
