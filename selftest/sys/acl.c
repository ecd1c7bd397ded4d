/* acl.c - acl(5): access control lists, as system calls see them. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "selftest/sys/dir.h"
#include "selftest/test.h"

#define ACCESS  "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"
#define ANY     UINT32_MAX

enum {
	USER_OBJ = 1,
	USER = 2,
	GROUP_OBJ = 4,
	GROUP = 8,
	MASK = 16,
	OTHER = 32
};

static struct value {
	uint32_t version;
	struct ace {
		uint16_t tag, perm;
		uint32_t id;
	} e[8];
} value;

static size_t made(const struct ace *e, size_t n)
{
	value.version = 2;
	memcpy(value.e, e, n * sizeof *e);
	return 4 + n * sizeof *e;
}

#define MADE(...)                           \
	made((struct ace[]){ __VA_ARGS__ }, \
		sizeof((struct ace[]){ __VA_ARGS__ }) / sizeof(struct ace))

static int set(const char *file, const char *name, size_t n)
{
	return setxattr(file, name, &value, n, 0);
}

/* The list as text: "1:6 2.1000:4 ..." */
static const char *shown(const char *file, const char *name)
{
	static char text[256];
	struct value v;
	ssize_t n = getxattr(file, name, &v, sizeof v);
	size_t len = 0;

	if (n < 0)
		return strerror(errno);
	text[0] = 0;
	for (ssize_t i = 0; i < (n - 4) / 8; i++)
		len += (size_t)snprintf(text + len, sizeof text - len,
			"%u.%d:%u ", v.e[i].tag, (int)v.e[i].id, v.e[i].perm);
	return text;
}

static long mode_of(const char *file)
{
	struct stat st;

	return stat(file, &st) ? -1L : (long)st.st_mode & 07777;
}

TEST(acl, what_is_a_list)
{
	struct ace u = { USER_OBJ, 6, ANY }, g = { GROUP_OBJ, 4, ANY },
		   o = { OTHER, 0, ANY }, m = { MASK, 6, ANY },
		   n = { USER, 4, 1000 };
	char names[100];

	in_fresh_dir();
	make_file("f", "x");
	SEE(symlink("f", "l"));
	SEE_STR(shown("f", ACCESS));
	SEE(set("f", ACCESS, MADE(u, g)));
	SEE(set("f", ACCESS, MADE(u, n, g, o)));
	SEE(set("f", ACCESS, MADE(g, u, o)));
	SEE(set("f", ACCESS, MADE(u, u, g, o)));
	SEE(set("f", ACCESS, MADE(u, g, o) - 1));
	SEE(set("f", ACCESS, 3));
	SEE(set("f", DEFAULT, MADE(u, g, o)));
	SEE(set("f", ACCESS, MADE(u, g, o)));
	SEE_STR(shown("f", ACCESS));
	SEE(mode_of("f"));
	SEE(set("f", ACCESS, MADE(u, n, g, m, o)));
	SEE_STR(shown("f", ACCESS));
	SEE(mode_of("f"));
	SEE(getxattr("f", ACCESS, names, 3));
	SEE(getxattr("f", ACCESS, NULL, 0));
	SEE(setxattr("f", "user.a", "1", 1, 0));
	SEE(listxattr("f", NULL, 0));
	SEE(listxattr("f", names, 24));
	SEE(listxattr("f", names, sizeof names));
	SEE(chmod("f", 0710));
	SEE_STR(shown("f", ACCESS));
	SEE(lsetxattr("l", ACCESS, &value, MADE(u, g, o), 0));
	SEE(removexattr("f", ACCESS));
	SEE(removexattr("f", ACCESS));
	SEE(mode_of("f"));
	SEE_STR(shown("f", ACCESS));
	value.version = 1;
	SEE(set("f", ACCESS, 28));
	as_user();
	SEE(set("f", ACCESS, MADE(u, g, o)));
}

TEST(acl, who_may_then)
{
	struct ace u = { USER_OBJ, 6, ANY }, g = { GROUP_OBJ, 0, ANY },
		   o = { OTHER, 6, ANY }, m = { MASK, 4, ANY },
		   n = { USER, 6, 1000 }, other = { USER, 6, 1001 },
		   mine = { GROUP, 2, 1000 };

	in_fresh_dir();
	make_file("named", "x");
	make_file("grouped", "x");
	make_file("others", "x");
	SEE(mkdir("d", 0700));
	make_file("d/f", "x");
	SEE(set("named", ACCESS, MADE(u, n, g, m, o)));
	SEE(set("grouped", ACCESS, MADE(u, other, g, mine, m, o)));
	SEE(set("others", ACCESS, MADE(u, other, g, m, o)));
	n.perm = 5;
	m.perm = 7;
	SEE(set("d", ACCESS,
		MADE({ USER_OBJ, 7, ANY }, n, g, m, { OTHER, 0, ANY })));
	SEE(mode_of("d"));
	as_user();
	SEE(ok_fd(open("named", O_RDONLY)));
	SEE(ok_fd(open("named", O_RDWR)));
	SEE(ok_fd(open("grouped", O_RDONLY)));
	SEE(ok_fd(open("grouped", O_WRONLY)));
	SEE(ok_fd(open("others", O_RDWR)));
	SEE(access("named", R_OK));
	SEE(access("named", W_OK));
	SEE(ok_fd(open("d/f", O_RDONLY)));
	SEE(ok_fd(open("d/new", O_RDWR | O_CREAT, 0600)));
}

TEST(acl, what_new_files_get)
{
	struct ace u = { USER_OBJ, 7, ANY }, g = { GROUP_OBJ, 5, ANY },
		   o = { OTHER, 1, ANY }, m = { MASK, 7, ANY },
		   n = { USER, 6, 1000 };

	in_fresh_dir();
	umask(077);
	SEE(mkdir("d", 0755));
	SEE(set("d", DEFAULT, MADE(u, n, g, m, o)));
	SEE(mode_of("d"));
	make_file("d/f", "x");
	SEE(mode_of("d/f"));
	SEE_STR(shown("d/f", ACCESS));
	SEE_STR(shown("d/f", DEFAULT));
	SEE(mkdir("d/d", 0777));
	SEE(mode_of("d/d"));
	SEE_STR(shown("d/d", ACCESS));
	SEE_STR(shown("d/d", DEFAULT));
	SEE(mknod("d/fifo", S_IFIFO | 0640, 0));
	SEE_STR(shown("d/fifo", ACCESS));
	SEE(symlink("f", "d/l"));
	SEE(set("d", DEFAULT, MADE(u, g, o)));
	SEE(close(open("d/g", O_CREAT | O_WRONLY, 0666)));
	SEE(mode_of("d/g"));
	SEE_STR(shown("d/g", ACCESS));
	SEE(set("d", DEFAULT, 0));
	SEE(close(open("d/h", O_CREAT | O_WRONLY, 0666)));
	SEE(mode_of("d/h"));
}
