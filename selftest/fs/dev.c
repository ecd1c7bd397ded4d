/* dev.c - null(4), zero(4), full(4), random(4). */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "selftest/test.h"

static char buf[8192];

TEST(dev, null)
{
	int fd = open("/dev/null", O_RDWR);

	SEE(read(fd, buf, 10));
	SEE(write(fd, buf, 10));
	SEE(lseek(fd, 100, SEEK_SET));
	SEE(ftruncate(fd, 0));
	SEE(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
	SEE(errno);
	SEE(fsync(fd));
	SEE(open("/dev/null", O_WRONLY | O_TRUNC | O_CREAT, 0600) >= 0);
}

TEST(dev, zero_and_full)
{
	int z = open("/dev/zero", O_RDWR), f = open("/dev/full", O_RDWR);
	char *p;

	memset(buf, 1, sizeof buf);
	SEE(read(z, buf, sizeof buf));
	SEE(buf[0] + buf[8191]);
	SEE(write(z, buf, 100));
	SEE(write(f, buf, 100));
	SEE(read(f, buf, 100));
	SEE(pread(z, buf, 10, 5));
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, z, 0);
	SEE(p != MAP_FAILED && !p[5000]);
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, z, 0);
	SEE(p != MAP_FAILED && (p[1] = 3));
}

TEST(dev, random)
{
	int fd = open("/dev/urandom", O_RDWR),
	    r = open("/dev/random", O_RDONLY);
	struct pollfd p = { .fd = r, .events = POLLIN };
	char a[16] = "", b[16] = "";

	SEE(read(fd, a, 16));
	SEE(read(r, b, 16));
	CHECK(memcmp(a, b, 16));
	SEE(read(fd, buf, sizeof buf));
	SEE(write(fd, a, 16));
	SEE(poll(&p, 1, 0));
	SEE(p.revents);
}

static void numbers(const char *name)
{
	struct stat st;

	SEE(stat(name, &st));
	SEE(major(st.st_rdev));
	SEE(minor(st.st_rdev));
	SEE(st.st_mode);
}

TEST(dev, numbers)
{
	numbers("/dev/null");
	numbers("/dev/zero");
	numbers("/dev/full");
	numbers("/dev/random");
	numbers("/dev/urandom");
}

TEST(dev, made_by_mknod)
{
	int fd;

	unlink("/tmp/selftest-dev");
	SEE(mknod("/tmp/selftest-dev", S_IFCHR | 0666, makedev(1, 5)));
	SEE((fd = open("/tmp/selftest-dev", O_RDONLY)) >= 0);
	buf[0] = 1;
	SEE(read(fd, buf, 1));
	SEE(buf[0]);
	unlink("/tmp/selftest-dev");
	SEE(mknod("/tmp/selftest-dev", S_IFCHR | 0666, makedev(250, 77)));
	SEE(open("/tmp/selftest-dev", O_RDONLY));
	unlink("/tmp/selftest-dev");
}

TEST(dev, links_to_descriptors)
{
	char link[64] = "";

	SEE(readlink("/dev/fd", link, 63));
	SEE_STR(link);
	SEE(readlink("/dev/stdin", link, 63));
	SEE_STR(link);
	SEE(access("/dev/fd/1", F_OK));
}
