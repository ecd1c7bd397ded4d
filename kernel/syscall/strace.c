/*
 * strace.c - prints system calls as the reference does (--strace).
 *
 * The format letters of syscalls.def say how an argument is shown; what points
 * out of the kernel is read only on exit, and only when the call succeeded.
 * Nothing here changes the guest: a pointer that cannot be read prints as the
 * error.
 */
#include "kernel/syscall/strace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/log.h"
#include "core/restart.h"
#include "core/str.h"
#include "kernel/mm/mm.h"
#include "kernel/syscall/strace_flags.h"
#include "kernel/task/task.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/mount.h"

#define LINE_MAX_STRACE 8192
#define PATH_SHOWN      256
#define STRINGS_SHOWN   16
#define VECTORS_SHOWN   8

atomic_bool strace_on;
static atomic_bool selected[SYSCALL_MAX];
static atomic_uint blob_max = 1024;

static long find_name(const char *name, size_t len)
{
	for (unsigned long nr = 0; nr < SYSCALL_MAX; nr++) {
		const struct syscall *s = syscall_find(nr);

		if (s && strlen(s->name) == len && !memcmp(s->name, name, len))
			return (long)nr;
	}
	return -1;
}

int strace_set(bool on, const char *list, unsigned blob_size, struct err *e)
{
	bool all = !list || !*list;

	atomic_store(&blob_max, blob_size);
	for (unsigned i = 0; i < SYSCALL_MAX; i++)
		atomic_store(&selected[i], all);
	for (const char *p = all ? "" : list; *p;) {
		size_t n = strcspn(p, ",");
		long nr = find_name(p, n);

		if (nr < 0)
			return err_set(e, EINVAL,
				"--strace-syscalls: no system call is named "
				"\"%.*s\" (see: runsc help syscalls)",
				(int)n, p);
		atomic_store(&selected[nr], true);
		p += n + (p[n] == ',');
	}
	atomic_store(&strace_on, on);
	return 0;
}

/* Escapes as Go's %q: the line stays one line of text. */
static void print_bytes(struct strbuf *s, const char *p, size_t n)
{
	sb_putc(s, '"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c == '"' || c == '\\')
			sb_printf(s, "\\%c", c);
		else if (c == '\n')
			sb_puts(s, "\\n");
		else if (c < 32 || c > 126)
			sb_printf(s, "\\x%02x", c);
		else
			sb_putc(s, (char)c);
	}
	sb_putc(s, '"');
}

static void print_blob(
	struct task *t, struct strbuf *s, uint64_t addr, uint64_t n)
{
	size_t max = atomic_load(&blob_max), shown = n < max ? (size_t)n : max;
	char buf[1024];

	sb_printf(s, "%#lx ", (unsigned long)addr);
	shown = MIN(shown, sizeof buf);
	if (copyin(t, buf, uaddr(addr), shown)) {
		sb_puts(s, "(bad address)");
		return;
	}
	print_bytes(s, buf, shown);
	if (shown < n)
		sb_puts(s, "...");
}

static void print_string(struct task *t, struct strbuf *s, uint64_t addr)
{
	char buf[PATH_SHOWN];
	ssize_t n;

	if (!addr) {
		sb_puts(s, "null");
		return;
	}
	n = copyinstr(t, buf, uaddr(addr), sizeof buf);
	sb_printf(s, "%#lx ", (unsigned long)addr);
	if (n == -ENAMETOOLONG)
		sb_printf(s, "%.*s...", PATH_SHOWN, buf);
	else if (n < 0)
		sb_puts(s, "(bad address)");
	else
		sb_puts(s, buf);
}

static void print_fd(struct task *t, struct strbuf *s, int fd)
{
	struct path root = { 0 };
	struct file *f;
	char buf[PATH_SHOWN], *name = NULL;
	int err;

	if (fd == AT_FDCWD) {
		sb_puts(s, "AT_FDCWD ");
		fsctx_lock(t->fs);
		root = t->fs->cwd;
		path_get(&root);
		fsctx_unlock(t->fs);
		name = path_name(&root, NULL, buf, sizeof buf, &err);
		path_put(&root);
		sb_puts(s, name ? name : "?");
		return;
	}
	f = fd_lookup_path(t, fd);
	sb_printf(s, "%#x ", (unsigned)fd);
	if (!f) {
		sb_puts(s, "(bad FD)");
		return;
	}
	if (f->path.dentry)
		name = path_name(&f->path, NULL, buf, sizeof buf, &err);
	sb_puts(s, name ? name : f->ops->name ? f->ops->name : "?");
	file_put(f);
}

static void print_strings(struct task *t, struct strbuf *s, uint64_t addr)
{
	uint64_t p;

	sb_printf(s, "%#lx [", (unsigned long)addr);
	for (int i = 0; addr && i < STRINGS_SHOWN; i++) {
		char buf[PATH_SHOWN];
		ssize_t n;

		if (copyin(t, &p, uaddr(addr + 8 * (uint64_t)i), sizeof p) ||
			!p)
			break;
		n = copyinstr(t, buf, uaddr(p), sizeof buf);
		if (i)
			sb_puts(s, ", ");
		print_bytes(s, buf, n >= 0 ? (size_t)n : 0);
	}
	sb_putc(s, ']');
}

static void print_iovec(struct task *t, struct strbuf *s, uint64_t addr,
	uint64_t n, uint64_t limit)
{
	struct {
		uint64_t base, len;
	} v;

	sb_printf(s, "%#lx [", (unsigned long)addr);
	for (unsigned i = 0; i < n && i < VECTORS_SHOWN; i++) {
		if (copyin(t, &v, uaddr(addr + i * sizeof v), sizeof v))
			break;
		if (i)
			sb_puts(s, ", ");
		sb_printf(s, "{base=%#lx, len=%lu, ", (unsigned long)v.base,
			(unsigned long)v.len);
		print_blob(t, s, v.base, MIN(v.len, limit));
		limit -= MIN(v.len, limit);
		sb_putc(s, '}');
	}
	sb_putc(s, ']');
}

static void print_timespec(struct task *t, struct strbuf *s, uint64_t addr)
{
	int64_t ts[2];

	if (!addr)
		sb_puts(s, "null");
	else if (copyin(t, ts, uaddr(addr), sizeof ts))
		sb_printf(s, "%#lx (bad address)", (unsigned long)addr);
	else
		sb_printf(s, "%#lx {sec=%ld nsec=%ld}", (unsigned long)addr,
			ts[0], ts[1]);
}

static void print_itimer(struct task *t, struct strbuf *s, uint64_t addr)
{
	print_timespec(t, s, addr);
	if (!addr)
		return;
	sb_puts(s, " value ");
	print_timespec(t, s, addr + 16);
}

static void print_sigset(struct task *t, struct strbuf *s, uint64_t addr)
{
	uint64_t set;

	if (!addr) {
		sb_puts(s, "null");
	} else if (copyin(t, &set, uaddr(addr), sizeof set)) {
		sb_printf(s, "%#lx (bad address)", (unsigned long)addr);
	} else {
		sb_printf(s, "%#lx ", (unsigned long)addr);
		strace_sigset(s, set);
	}
}

static void print_sigaction(struct task *t, struct strbuf *s, uint64_t addr)
{
	struct sigaction_k sa;

	if (!addr) {
		sb_puts(s, "null");
	} else if (copyin(t, &sa, uaddr(addr), sizeof sa)) {
		sb_printf(s, "%#lx (bad address)", (unsigned long)addr);
	} else {
		sb_printf(s, "%#lx {handler=%#lx flags=%#lx mask=",
			(unsigned long)addr, (unsigned long)sa.handler,
			(unsigned long)sa.flags);
		strace_sigset(s, sa.mask);
		sb_putc(s, '}');
	}
}

static void print_wait_status(struct task *t, struct strbuf *s, uint64_t addr)
{
	int st;

	if (!addr)
		sb_puts(s, "null");
	else if (copyin(t, &st, uaddr(addr), sizeof st))
		sb_printf(s, "%#lx (bad address)", (unsigned long)addr);
	else
		sb_printf(s, "%#lx %#x", (unsigned long)addr, (unsigned)st);
}

static void print_sockaddr(
	struct task *t, struct strbuf *s, uint64_t addr, uint64_t len)
{
	struct sockaddr_un un = { 0 };

	if (!addr) {
		sb_puts(s, "null");
		return;
	}
	if (copyin(t, &un, uaddr(addr), MIN(len, sizeof un))) {
		sb_printf(s, "%#lx (bad address)", (unsigned long)addr);
		return;
	}
	sb_printf(s, "%#lx {Family: ", (unsigned long)addr);
	strace_family(s, un.sun_family);
	if (un.sun_family == AF_UNIX && len > sizeof un.sun_family) {
		sb_puts(s, ", Addr: ");
		print_bytes(s, un.sun_path,
			un.sun_path[0]
				? strnlen(un.sun_path, sizeof un.sun_path)
				: MIN(len, sizeof un) - sizeof un.sun_family);
	}
	sb_putc(s, '}');
}

static void print_pollfds(
	struct task *t, struct strbuf *s, uint64_t addr, uint64_t n)
{
	struct pollfd p;

	sb_printf(s, "%#lx [", (unsigned long)addr);
	for (unsigned i = 0; i < n && i < VECTORS_SHOWN; i++) {
		if (copyin(t, &p, uaddr(addr + i * sizeof p), sizeof p))
			break;
		sb_printf(s, "%s{FD: %d, Events: %#x, REvents: %#x}",
			i ? ", " : "", p.fd, (unsigned short)p.events,
			(unsigned short)p.revents);
	}
	sb_putc(s, ']');
}

static void print_epoll_event(struct task *t, struct strbuf *s, uint64_t addr)
{
	struct {
		uint32_t events;
		uint64_t data;
	} __attribute__((packed)) ev;

	if (!addr || copyin(t, &ev, uaddr(addr), sizeof ev))
		sb_printf(s, "%#lx", (unsigned long)addr);
	else
		sb_printf(s, "%#lx {events=%#x data=%#lx}", (unsigned long)addr,
			ev.events, (unsigned long)ev.data);
}

/* What a pointer leads to is there before the call (in), or after it (out). */
static void print_arg(struct task *t, struct strbuf *s, char fmt,
	const struct sysargs *a, int i, bool exit, long ret)
{
	uint64_t v = a->r[i], next = i < 5 ? a->r[i + 1] : 0;
	bool done = exit && ret >= 0;

	switch (fmt) {
	case 'd':
		sb_printf(s, "%d", (int)v);
		return;
	case 'u':
		sb_printf(s, "%u", (unsigned)v);
		return;
	case 'n':
		sb_printf(s, "%lu", (unsigned long)v);
		return;
	case 'o':
		sb_printf(s, "0o%o", (unsigned)v);
		return;
	case 'f':
	case 'D':
		print_fd(t, s, (int)v);
		return;
	case 'p':
		print_string(t, s, v);
		return;
	case 'A':
		print_strings(t, s, v);
		return;
	case 'b':
		print_blob(t, s, v, next);
		return;
	case 'v':
		print_iovec(t, s, v, next, UINT64_MAX);
		return;
	case 'O':
		strace_open_flags(s, v);
		return;
	case 'M':
		strace_prot(s, v);
		return;
	case 'm':
		strace_map_flags(s, v);
		return;
	case 'C':
		strace_clone_flags(s, v);
		return;
	case 'F':
		strace_futex_op(s, v);
		return;
	case 'S':
		strace_signal(s, v);
		return;
	case 'q':
		print_sigset(t, s, v);
		return;
	case 'g':
		print_sigaction(t, s, v);
		return;
	case 't':
		print_timespec(t, s, v);
		return;
	case 'i':
		print_itimer(t, s, v);
		return;
	case 'k':
		print_sockaddr(t, s, v, next);
		return;
	case 'l':
		strace_family(s, v);
		return;
	case 'w':
		print_pollfds(t, s, v, next);
		return;
	case 'e':
		print_epoll_event(t, s, v);
		return;
	case 'r':
		strace_rlimit(s, v);
		return;
	}
	if (done && v) {
		uint32_t len;

		switch (fmt) {
		case 'B':
		case 'P':
			print_blob(t, s, v, (uint64_t)ret);
			return;
		case 'V':
			print_iovec(t, s, v, next, (uint64_t)ret);
			return;
		case 'T':
			print_timespec(t, s, v);
			return;
		case 'W':
			print_wait_status(t, s, v);
			return;
		case 'K':
			if (!copyin(t, &len, uaddr(next), sizeof len)) {
				print_sockaddr(t, s, v, len);
				return;
			}
		}
	}
	sb_printf(s, "%#lx", (unsigned long)v);
}

static void print_call(struct task *t, struct strbuf *s, unsigned long nr,
	const struct sysargs *a, bool exit, long ret)
{
	const struct syscall *sc = syscall_find(nr);
	const char *fmt = sc ? sc->fmt : "aaaaaa";

	sb_printf(s, "[% 4d:% 4d] %s %c ", t->tg->tgid, t->tid, t->comm,
		exit ? 'X' : 'E');
	if (sc)
		sb_puts(s, sc->name);
	else
		sb_printf(s, "sys_%lu", nr);
	sb_putc(s, '(');
	for (int i = 0; fmt[i] && i < 6; i++) {
		if (i)
			sb_puts(s, ", ");
		print_arg(t, s, fmt[i], a, i, exit, ret);
	}
	sb_putc(s, ')');
}

static bool wanted(unsigned long nr)
{
	return nr >= SYSCALL_MAX || atomic_load(&selected[nr]);
}

void strace_enter(struct task *t, unsigned long nr, const struct sysargs *a)
{
	char buf[LINE_MAX_STRACE];
	struct strbuf s = strbuf(buf, sizeof buf);

	if (!wanted(nr))
		return;
	print_call(t, &s, nr, a, false, 0);
	log_line(buf, s.len);
}

/* Go prints a duration with its largest unit: 12.3µs, 1.5ms, 2.1s. */
static void print_duration(struct strbuf *s, int64_t ns)
{
	if (ns < 1000)
		sb_printf(s, "%ldns", (long)ns);
	else if (ns < 1000000)
		sb_printf(s, "%ld.%ldµs", (long)(ns / 1000),
			(long)(ns % 1000 / 100));
	else if (ns < 1000000000)
		sb_printf(s, "%ld.%ldms", (long)(ns / 1000000),
			(long)(ns % 1000000 / 100000));
	else
		sb_printf(s, "%ld.%lds", (long)(ns / 1000000000),
			(long)(ns % 1000000000 / 100000000));
}

static int visible_errno(long ret)
{
	switch (-ret) {
	case ERESTARTSYS:
	case ERESTARTNOINTR:
	case ERESTARTNOHAND:
	case ERESTART_RESTARTBLOCK:
		return EINTR;
	}
	return (int)-ret;
}

void strace_exit(struct task *t, unsigned long nr, const struct sysargs *a,
	long ret, int64_t ns)
{
	char buf[LINE_MAX_STRACE];
	struct strbuf s = strbuf(buf, sizeof buf);
	int err = ret < 0 && ret > -4096 ? visible_errno(ret) : 0;

	if (!wanted(nr))
		return;
	print_call(t, &s, nr, a, true, ret);
	if (err)
		sb_printf(&s, " = 0 (0x0) errno=%d (%s) (", err, strerror(err));
	else
		sb_printf(&s, " = %ld (%#lx) (", ret, (unsigned long)ret);
	print_duration(&s, ns);
	sb_putc(&s, ')');
	log_line(buf, s.len);
}
