/* proc.c - proc(5): what must look the same everywhere. */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

static char text[65536];

static long slurp(const char *name)
{
	int fd = open(name, O_RDONLY);
	long n, len = 0;

	memset(text, 0, sizeof text);
	if (fd < 0)
		return -1;
	while ((n = read(fd, text + len, sizeof text - 1 - (size_t)len)) > 0)
		len += n;
	close(fd);
	return n < 0 ? n : len;
}

/* The value of "Key:\tvalue" in what slurp() read. */
static const char *field(const char *key)
{
	static char value[256];
	char *p = strstr(text, key);

	if (!p)
		return "(none)";
	p += strlen(key);
	snprintf(value, sizeof value, "%.*s", (int)strcspn(p, "\n"), p);
	return value;
}

static long number_at(int n) /* of stat, counted from 1 after the name */
{
	char *p = strrchr(text, ')');

	for (int i = 2; p && i < n; i++)
		p = strchr(p + 1, ' ');
	return p ? atol(p + 1) : -1;
}

TEST(proc, stat_of_self)
{
	SEE(slurp("/proc/self/stat") > 0);
	SEE(atoi(text) == getpid());
	SEE(number_at(4) == getppid());
	SEE(number_at(5) == getpgrp());
	SEE(number_at(6) == getsid(0));
	SEE(number_at(18));
	SEE(number_at(19));
	SEE(number_at(20));
	SEE(number_at(23) > 0);
	SEE(number_at(24) > 0);
	SEE(number_at(38));
	SEE(number_at(52));
}

TEST(proc, status_of_self)
{
	umask(027);
	prctl(PR_SET_NAME, "a b)c");
	signal(SIGUSR1, SIG_IGN);
	SEE(slurp("/proc/self/status") > 0);
	SEE_STR(field("Name:\t"));
	SEE_STR(field("Umask:\t"));
	SEE_STR(field("State:\t"));
	SEE(atoi(field("Tgid:\t")) == getpid());
	SEE(atoi(field("PPid:\t")) == getppid());
	SEE_STR(field("Uid:\t"));
	SEE_STR(field("Threads:\t"));
	SEE_STR(field("SigBlk:\t"));
	SEE(strtoull(field("SigIgn:\t"), NULL, 16) >> 9 & 1);
	SEE_STR(field("NoNewPrivs:\t"));
}

TEST(proc, comm_can_be_written)
{
	int fd = open("/proc/self/comm", O_RDWR);

	SEE(write(fd, "new name that is long", 21));
	SEE(slurp("/proc/self/comm"));
	SEE_STR(text);
	SEE(lseek(fd, 0, SEEK_SET));
	SEE(read(fd, text, 3));
}

TEST(proc, descriptors)
{
	char link[256] = "", name[64];
	struct stat st;
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC), ev = eventfd(5, 0);

	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	SEE(readlink(name, link, 255));
	SEE_STR(link);
	SEE(lstat(name, &st));
	SEE(st.st_mode);
	snprintf(name, sizeof name, "/proc/self/fd/%d", ev);
	memset(link, 0, sizeof link);
	SEE(readlink(name, link, 255));
	SEE_STR(link);
	snprintf(name, sizeof name, "/proc/self/fdinfo/%d", ev);
	SEE(slurp(name) > 0);
	SEE_STR(field("eventfd-count: "));
	snprintf(name, sizeof name, "/proc/self/fdinfo/%d", fd);
	SEE(slurp(name) > 0);
	SEE_STR(field("pos:\t"));
	SEE_STR(field("flags:\t"));
	SEE(access("/proc/self/fd/77", F_OK));
	SEE(access("/proc/self/fd/01", F_OK));
}

TEST(proc, links)
{
	char link[256] = "", self[32];

	SEE(chdir("/dev"));
	SEE(readlink("/proc/self/cwd", link, 255));
	SEE_STR(link);
	memset(link, 0, sizeof link);
	SEE(readlink("/proc/self/root", link, 255));
	SEE_STR(link);
	memset(link, 0, sizeof link);
	SEE(readlink("/proc/self", link, 255) > 0);
	snprintf(self, sizeof self, "%d", getpid());
	SEE(strcmp(link, self));
	SEE(readlink("/proc/self/exe", link, 255) > 0);
	SEE(access("/proc/self/task", F_OK));
	SEE(access("/proc/self/none", F_OK));
	SEE(mkdir("/proc/none", 0700));
	SEE(open("/proc/self/stat", O_WRONLY | O_CREAT, 0600) >= 0 || errno);
}

TEST(proc, a_zombie)
{
	char name[64];
	int pid = fork();

	if (!pid)
		_exit(0);
	siginfo_t si;
	SEE(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT));
	snprintf(name, sizeof name, "/proc/%d/status", pid);
	SEE(slurp(name) > 0);
	SEE_STR(field("State:\t"));
	snprintf(name, sizeof name, "/proc/%d/cmdline", pid);
	SEE(slurp(name));
	snprintf(name, sizeof name, "/proc/%d/maps", pid);
	SEE(slurp(name));
	snprintf(name, sizeof name, "/proc/%d/stat", pid);
	int fd = open(name, O_RDONLY);
	SEE(wait(NULL) == pid);
	SEE(read(fd, text, 10));
	SEE(open(name, O_RDONLY));
}

TEST(proc, maps_and_mem)
{
	char line[128];
	static char here[] = "find me";
	int fd = open("/proc/self/mem", O_RDWR);

	SEE(slurp("/proc/self/maps") > 0);
	SEE(strstr(text, "[stack]") != NULL);
	SEE(pread(fd, line, 8, (off_t)(long)here));
	SEE_STR(line);
	SEE(pwrite(fd, "F", 1, (off_t)(long)here));
	SEE_STR(here);
	SEE(pread(fd, line, 8, 4096));
}

TEST(proc, mem_reaches_pages_that_nobody_has_touched)
{
	char *p = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("/proc/self/mem", O_RDWR | O_APPEND);

	SEE(pwrite(fd, "abc", 3, (off_t)(long)(p + 4095)));
	SEE_STR(p + 4095);
	SEE(mprotect(p, 4096, PROT_READ));
	SEE(pwrite(fd, "d", 1, (off_t)(long)p));
	SEE_STR(p);
	SEE(munmap(p + 4096, 4096));
	SEE(pwrite(fd, "efg", 3, (off_t)(long)(p + 4094)));
	SEE_STR(p + 4094);
}

TEST(proc, limits_and_oom)
{
	int fd;

	SEE(slurp("/proc/self/limits") > 0);
	text[75] = 0;
	SEE_STR(text);
	SEE((fd = open("/proc/self/oom_score_adj", O_RDWR)) >= 0);
	SEE(write(fd, "500\n", 4));
	SEE(write(fd, "2000", 4));
	SEE(write(fd, "x", 1));
	SEE(slurp("/proc/self/oom_score_adj"));
	SEE_STR(text);
}

TEST(proc, coredump_filter)
{
	int fd = open("/proc/self/coredump_filter", O_RDWR);
	const char *all[] = { "0x7f\n", "3", "-1", "x", " 1", "3 ",
		"0xffffffff", "0x100000000", "010" };

	SEE(slurp("/proc/self/coredump_filter"));
	SEE_STR(text);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		SEE_STR(all[i]);
		SEE(write(fd, all[i], strlen(all[i])));
		slurp("/proc/self/coredump_filter");
		SEE_STR(text);
	}
	if (fork() == 0) {
		slurp("/proc/self/coredump_filter");
		SEE_STR(text);
		_exit(0);
	}
	SEE(wait(NULL) > 0);
	execl("/bin/busybox", "busybox", "cat", "/proc/self/coredump_filter",
		(char *)NULL);
}

TEST(proc, system_files_have_their_lines)
{
	SEE(slurp("/proc/meminfo") > 0);
	SEE(strncmp(text, "MemTotal:", 9));
	SEE(slurp("/proc/stat") > 0);
	SEE(strncmp(text, "cpu  ", 5));
	SEE(strstr(text, "\nbtime ") != NULL);
	SEE(slurp("/proc/uptime") > 0);
	SEE(slurp("/proc/loadavg") > 0);
	SEE(slurp("/proc/cpuinfo") > 0);
	SEE(strncmp(text, "processor\t: 0\n", 14));
	SEE(slurp("/proc/self/mountinfo") > 0);
	SEE(slurp("/proc/filesystems") > 0);
	SEE(strstr(text, "nodev\tproc\n") != NULL);
	SEE(slurp("/proc/sys/kernel/ostype"));
	SEE_STR(text);
	SEE(slurp("/proc/sys/kernel/random/uuid"));
	SEE(slurp("/proc/sys/kernel/cap_last_cap"));
	SEE(slurp("/proc/sys/kernel/ngroups_max"));
}

static bool page_is_there(int fd, const void *p)
{
	uint64_t word = 0;

	CHECK(pread(fd, &word, 8, (off_t)((uintptr_t)p / 4096 * 8)) == 8);
	return word >> 63;
}

TEST(proc, pagemap)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t word[4];
	char *p = mmap(NULL, 1 << 22, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(fd >= 0 && p != MAP_FAILED);
	madvise(p, 1 << 22, MADV_NOHUGEPAGE);
	SEE(page_is_there(fd, p + (1 << 21)));
	p[0] = 1;
	SEE(page_is_there(fd, p));
	SEE(page_is_there(fd, p + (1 << 21)));
	SEE(madvise(p, 4096, MADV_DONTNEED));
	SEE(page_is_there(fd, p));
	SEE(page_is_there(fd, (void *)page_is_there));
	SEE(page_is_there(fd, NULL));
	SEE(pread(fd, word, 32, 0));
	SEE(pread(fd, word, 7, 0));
	SEE(pread(fd, word, 8, 4));
	SEE(pread(fd, word, 8, 1L << 50));
}

TEST(proc, resident_memory_adds_up)
{
	char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long rss, anon, file, shmem;

	CHECK(p != MAP_FAILED);
	memset(p, 1, 1 << 20);
	CHECK(slurp("/proc/self/status") > 0);
	rss = atol(field("VmRSS:"));
	anon = atol(field("RssAnon:"));
	file = atol(field("RssFile:"));
	shmem = atol(field("RssShmem:"));
	SEE(rss == anon + file + shmem);
	SEE(anon > 0);
	SEE(file > 0);
	SEE(shmem >= 1024);
	CHECK(slurp("/proc/self/smaps_rollup") > 0);
	SEE(atol(field("Pss_Shmem:")) > 0);
	SEE(atol(field("Anonymous:")) > 0);
}

TEST(proc, small_files_of_self)
{
	int fd = open("/proc/self/timerslack_ns", O_RDWR);

	SEE(slurp("/proc/self/timerslack_ns"));
	SEE_STR(text);
	SEE(write(fd, "1000", 4));
	SEE(prctl(PR_GET_TIMERSLACK));
	SEE(write(fd, "x", 1));
	SEE(write(fd, "0", 1));
	SEE(prctl(PR_GET_TIMERSLACK));
	SEE(slurp("/proc/self/attr/current"));
	SEE(slurp("/proc/self/syscall") > 0);
	text[strcspn(text, " ")] = 0;
	SEE_STR(text);
}
