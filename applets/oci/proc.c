/* proc.c - host processes that may be gone: a pid with its start time. */
#include "applets/oci/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/own.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

/* Start time and state letter of @pid; false when there is no such process. */
static bool read_stat(pid_t pid, uint64_t *start, char *state)
{
	char path[40], buf[1024];
	unsigned long long v;
	ssize_t n;
	char *p;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, buf, sizeof buf - 1);
	if (n <= 0)
		return false;
	buf[n] = 0;
	p = strrchr(buf, ')'); /* comm may hold anything */
	if (!p || sscanf(p + 2,
			  "%c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
			  "%*u %*u %*d %*d %*d %*d %*d %*d %llu",
			  state, &v) != 2)
		return false;
	*start = v;
	return true;
}

struct proc proc_of(pid_t pid)
{
	struct proc p = { .pid = pid };
	char state;

	if (!read_stat(pid, &p.start, &state))
		p.start = 0;
	return p;
}

bool proc_alive(const struct proc *p)
{
	uint64_t start;
	char state;

	return p->pid > 0 && read_stat(p->pid, &start, &state) &&
	       start == p->start && state != 'Z' && state != 'X';
}

int pidfd_open_(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

int proc_kill(const struct proc *p, int sig)
{
	own_fd int fd = pidfd_open_(p->pid);

	if (!proc_alive(p))
		return -ESRCH;
	if (fd >= 0)
		return syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0) ? -errno
									: 0;
	return kill(p->pid, sig) ? -errno : 0;
}

/* Hosts before 5.3 have no pidfd: look once a millisecond. */
static int wait_by_looking(const struct proc *p, int ms)
{
	struct timespec ts = { 0, 1000000 };

	for (int i = 0; ms < 0 || i < ms; i++) {
		if (!proc_alive(p))
			return 0;
		nanosleep(&ts, NULL);
	}
	return -ETIMEDOUT;
}

int proc_wait_dead(const struct proc *p, int ms)
{
	struct pollfd pfd = { .events = POLLIN };
	int n;

	if (!proc_alive(p))
		return 0;
	own_fd int fd = pidfd_open_(p->pid);
	if (fd < 0)
		return fd == -ESRCH ? 0 : wait_by_looking(p, ms);
	if (!proc_alive(p)) /* reused between the look and the open */
		return 0;
	pfd.fd = fd;
	do
		n = poll(&pfd, 1, ms);
	while (n < 0 && errno == EINTR);
	return n ? 0 : -ETIMEDOUT;
}

void proc_destroy(const struct proc *p)
{
	if (p->pid <= 0)
		return;
	if (proc_kill(p, SIGKILL) == 0 && proc_wait_dead(p, 10000))
		return;
	while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
		;
}
