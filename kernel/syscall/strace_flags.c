/* strace_flags.c - names of flag bits and numbers, for strace only. */
#include "kernel/syscall/strace_flags.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "core/attr.h"
#include "core/str.h"

#define F(x)          \
	{             \
		x, #x \
	}
#define CLONE_PIDFD_K         0x1000
#define CLONE_CLEAR_SIGHAND_K 0x100000000ULL

static void print_bits(
	struct strbuf *s, uint64_t v, const struct flag_name *names, size_t n)
{
	const char *sep = "";

	for (size_t i = 0; i < n; i++) {
		if (!names[i].bit || (v & names[i].bit) != names[i].bit)
			continue;
		sb_printf(s, "%s%s", sep, names[i].name);
		v &= ~names[i].bit;
		sep = "|";
	}
	if (v || !*sep)
		sb_printf(s, "%s%#lx", sep, (unsigned long)v);
}

static void print_value(
	struct strbuf *s, uint64_t v, const struct flag_name *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (names[i].bit == v) {
			sb_puts(s, names[i].name);
			return;
		}
	sb_printf(s, "%#lx", (unsigned long)v);
}

void strace_open_flags(struct strbuf *s, uint64_t v)
{
	static const struct flag_name names[] = { F(O_CREAT), F(O_EXCL),
		F(O_NOCTTY), F(O_TRUNC), F(O_APPEND), F(O_NONBLOCK), F(O_SYNC),
		F(O_DSYNC), F(O_DIRECT), F(O_TMPFILE), F(O_DIRECTORY),
		F(O_NOFOLLOW), F(O_NOATIME), F(O_CLOEXEC),
		{ 010000000, "O_PATH" }, { 0100000, "O_LARGEFILE" } };
	static const char *const mode[] = { "O_RDONLY", "O_WRONLY", "O_RDWR",
		"O_ACCMODE" };

	sb_puts(s, mode[v & 3]);
	v &= ~3ULL;
	if (v) {
		sb_putc(s, '|');
		print_bits(s, v, names, ARRAY_SIZE(names));
	}
}

void strace_prot(struct strbuf *s, uint64_t v)
{
	static const struct flag_name names[] = { F(PROT_READ), F(PROT_WRITE),
		F(PROT_EXEC), F(PROT_GROWSDOWN), F(PROT_GROWSUP) };

	if (!v)
		sb_puts(s, "PROT_NONE");
	else
		print_bits(s, v, names, ARRAY_SIZE(names));
}

void strace_map_flags(struct strbuf *s, uint64_t v)
{
	static const struct flag_name names[] = { { 3, "MAP_SHARED_VALIDATE" },
		F(MAP_SHARED), F(MAP_PRIVATE), F(MAP_FIXED), F(MAP_ANONYMOUS),
		F(MAP_GROWSDOWN), F(MAP_DENYWRITE), F(MAP_LOCKED),
		F(MAP_NORESERVE), F(MAP_POPULATE), F(MAP_NONBLOCK),
		F(MAP_STACK), F(MAP_HUGETLB),
		{ 0x100000, "MAP_FIXED_NOREPLACE" } };

	print_bits(s, v, names, ARRAY_SIZE(names));
}

void strace_clone_flags(struct strbuf *s, uint64_t v)
{
	static const struct flag_name names[] = { F(CLONE_VM), F(CLONE_FS),
		F(CLONE_FILES), F(CLONE_SIGHAND), F(CLONE_VFORK),
		F(CLONE_PARENT), F(CLONE_THREAD), F(CLONE_SYSVSEM),
		F(CLONE_SETTLS), F(CLONE_PARENT_SETTID),
		F(CLONE_CHILD_CLEARTID), F(CLONE_CHILD_SETTID),
		F(CLONE_DETACHED), F(CLONE_UNTRACED), F(CLONE_PTRACE),
		F(CLONE_NEWNS), F(CLONE_NEWUTS), F(CLONE_NEWIPC),
		F(CLONE_NEWUSER), F(CLONE_NEWPID), F(CLONE_NEWNET),
		F(CLONE_NEWCGROUP), F(CLONE_IO),
		{ CLONE_PIDFD_K, "CLONE_PIDFD" },
		{ CLONE_CLEAR_SIGHAND_K, "CLONE_CLEAR_SIGHAND" } };

	print_bits(s, v & ~0xffULL, names, ARRAY_SIZE(names));
	if (v & 0xff) {
		sb_putc(s, '|');
		strace_signal(s, v & 0xff);
	}
}

static const char *const signals[] = { "0", "SIGHUP", "SIGINT", "SIGQUIT",
	"SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL",
	"SIGUSR1", "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM",
	"SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN",
	"SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF",
	"SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS" };

void strace_signal(struct strbuf *s, uint64_t sig)
{
	if (sig < ARRAY_SIZE(signals))
		sb_puts(s, signals[sig]);
	else
		sb_printf(s, "signal %lu", (unsigned long)sig);
}

void strace_sigset(struct strbuf *s, uint64_t set)
{
	const char *sep = "";

	sb_putc(s, '[');
	for (unsigned i = 1; i <= 64; i++) {
		if (!(set >> (i - 1) & 1))
			continue;
		sb_puts(s, sep);
		strace_signal(s, i);
		sep = " ";
	}
	sb_putc(s, ']');
}

void strace_futex_op(struct strbuf *s, uint64_t op)
{
	static const struct flag_name names[] = { F(FUTEX_WAIT), F(FUTEX_WAKE),
		F(FUTEX_REQUEUE), F(FUTEX_CMP_REQUEUE), F(FUTEX_WAKE_OP),
		F(FUTEX_LOCK_PI), F(FUTEX_UNLOCK_PI), F(FUTEX_TRYLOCK_PI),
		F(FUTEX_WAIT_BITSET), F(FUTEX_WAKE_BITSET),
		F(FUTEX_WAIT_REQUEUE_PI), F(FUTEX_CMP_REQUEUE_PI) };

	print_value(s, op & 127, names, ARRAY_SIZE(names));
	if (op & FUTEX_PRIVATE_FLAG)
		sb_puts(s, "|FUTEX_PRIVATE_FLAG");
	if (op & FUTEX_CLOCK_REALTIME)
		sb_puts(s, "|FUTEX_CLOCK_REALTIME");
}

void strace_family(struct strbuf *s, uint64_t family)
{
	static const struct flag_name names[] = { F(AF_UNSPEC), F(AF_UNIX),
		F(AF_INET), F(AF_INET6), F(AF_NETLINK), F(AF_PACKET) };

	print_value(s, family, names, ARRAY_SIZE(names));
}

void strace_rlimit(struct strbuf *s, uint64_t resource)
{
	static const struct flag_name names[] = { F(RLIMIT_CPU),
		F(RLIMIT_FSIZE), F(RLIMIT_DATA), F(RLIMIT_STACK),
		F(RLIMIT_CORE), F(RLIMIT_RSS), F(RLIMIT_NPROC),
		F(RLIMIT_NOFILE), F(RLIMIT_MEMLOCK), F(RLIMIT_AS),
		F(RLIMIT_LOCKS), F(RLIMIT_SIGPENDING), F(RLIMIT_MSGQUEUE),
		F(RLIMIT_NICE), F(RLIMIT_RTPRIO), F(RLIMIT_RTTIME) };

	print_value(s, resource, names, ARRAY_SIZE(names));
}
