/* select.c - select(2), pselect(2). */
#include <fcntl.h>
#include <sys/select.h>
#include <sys/time.h>
#include <unistd.h>

#include "selftest/test.h"

TEST(select, three_sets)
{
	struct timeval tv = { 5, 0 };
	fd_set r, w, x;
	int p[2];

	SEE(pipe(p));
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&x);
	FD_SET(p[0], &r);
	FD_SET(p[1], &w);
	FD_SET(p[0], &x);
	SEE(select(p[1] + 1, &r, &w, &x, &tv));
	SEE(!!FD_ISSET(p[0], &r));
	SEE(!!FD_ISSET(p[1], &w));
	SEE(!!FD_ISSET(p[0], &x));
	SEE(write(p[1], "x", 1));
	FD_SET(p[0], &r);
	SEE(select(p[1] + 1, &r, &w, NULL, NULL));
	SEE(!!FD_ISSET(p[0], &r));
}

TEST(select, time_left_is_written_back)
{
	struct timeval tv = { 0, 20000 };

	SEE(select(0, NULL, NULL, NULL, &tv));
	SEE(tv.tv_usec);
	SEE(tv.tv_sec);
}

TEST(select, errors)
{
	struct timeval tv = { 0, 0 }, bad = { -1, 0 };
	fd_set r;

	FD_ZERO(&r);
	FD_SET(900, &r);
	SEE(select(901, &r, NULL, NULL, &tv));
	SEE(select(-1, NULL, NULL, NULL, &tv));
	SEE(select(1, bad_addr, NULL, NULL, &tv));
	SEE(select(0, NULL, NULL, NULL, &bad));
}

TEST(select, end_of_file_is_readable)
{
	struct timeval tv = { 0, 0 };
	fd_set r;
	int p[2];

	SEE(pipe(p));
	SEE(close(p[1]));
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	SEE(select(p[0] + 1, &r, NULL, NULL, &tv));
}
