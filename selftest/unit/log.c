/* log.c - core/log: the shape of a line in each format. */
#include "core/log.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/unit/unit.h"

static char got[65536];

/* What was written to @p since the last call. */
static const char *drain(int p[2])
{
	ssize_t n = read(p[0], got, sizeof got - 1);

	got[n > 0 ? n : 0] = 0;
	return got;
}

TEST(log, text_has_level_date_pid_and_place)
{
	char letter, file[32], msg[32];
	int p[2], month, day, h, m, pid, line, end = 0;
	double s;

	CHECK(pipe(p) == 0);
	log_set_debug(p[1], LOG_TEXT);
	log_level = LOG_INFO;
	log_info("hello %d", 7);
	log_debug("not this one");
	drain(p);
	CHECK(sscanf(got, "%c%2d%2d %d:%d:%lf %d %[a-z.]:%d] %[a-z0-9 ]%n",
		      &letter, &month, &day, &h, &m, &s, &pid, file, &line, msg,
		      &end) == 10);
	CHECK(letter == 'I' && pid == getpid() && !strcmp(file, "log.c"));
	CHECK(!strcmp(msg, "hello 7") && !strcmp(got + end, "\n"));
	CHECK(got[5] == ' ' && got[14] == '.' && got[21] == ' ');
}

TEST(log, json_is_msg_level_time)
{
	static const char want[] = "{\"msg\":\"a \\\"quoted\\\" \\\\ line\\n"
				   "and\\u0001\xef\xbf\xbd\",";
	char level[16], time[64];
	int p[2], end = 0;

	CHECK(pipe(p) == 0);
	log_set_user(p[1], LOG_JSON);
	CHECK(log_user_fd() == p[1]);
	log_info("not this one");
	log_error("a \"quoted\" \\ line\nand\x01\xff");
	drain(p);
	CHECK(!strncmp(got, want, sizeof want - 1));
	CHECK(sscanf(strstr(got, ",\"level\""),
		      ",\"level\":\"%15[a-z]\",\"time\":\"%63[0-9:.TZ-]\"}%n",
		      level, time, &end) == 2);
	CHECK(end && !strcmp(level, "error") && strlen(time) == 30);
	log_set_user(p[1], LOG_JSON_K8S);
	log_warn("w");
	CHECK(!strncmp(drain(p), "{\"log\":\"w\",\"level\":\"warning\"", 27));
}

TEST(log, long_lines_stay_lines)
{
	static char big[20000];
	int p[2];

	memset(big, '"', sizeof big - 1);
	CHECK(pipe(p) == 0);
	log_set_user(p[1], LOG_JSON);
	log_error("%s", big);
	drain(p);
	CHECK(strlen(got) > 4000 && !strcmp(got + strlen(got) - 2, "}\n"));
	log_set_user(p[1], LOG_TEXT);
	log_error("%s", big);
	drain(p);
	CHECK(strchr(got, '\n') == got + strlen(got) - 1);
}

TEST(log, raw_and_line)
{
	int u[2], d[2];

	CHECK(pipe(u) == 0 && pipe(d) == 0);
	log_set_user(u[1], LOG_JSON);
	log_set_debug(d[1], LOG_TEXT);
	log_raw("dying");
	CHECK(!strcmp(drain(d), "dying\n"));
	CHECK(!strncmp(drain(u), "{\"msg\":\"dying\",\"level\":\"error\"", 30));
	log_line("[   1] sh E read()\n", 19);
	CHECK(!strcmp(drain(d), "[   1] sh E read()\n"));
}

static void fail(void)
{
	bug_on(1 + 1 == 2);
}

TEST(log, bug_on_says_where_and_aborts)
{
	char err[4096];
	int status = test_fork(fail, err, sizeof err);

	CHECK(!WIFEXITED(status) || WEXITSTATUS(status));
	CHECK(strstr(err, "runsc: bug: selftest/unit/log.c:"));
	CHECK(strstr(err, "1 + 1 == 2"));
}

static void *chatter(void *arg)
{
	for (int i = 0; i < 100; i++)
		log_error("%s", "abcdefghijklmnopqrstuvwxyz");
	return arg;
}

TEST(log, lines_of_threads_do_not_mix)
{
	pthread_t id[4];
	FILE *f = tmpfile();
	char *line = got;
	int lines = 0;

	CHECK(f);
	log_set_user(fileno(f), LOG_TEXT);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&id[i], NULL, chatter, NULL) == 0);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(id[i], NULL) == 0);
	rewind(f);
	for (; fgets(line, sizeof got, f); lines++)
		CHECK(strstr(line, "] abcdefghijklmnopqrstuvwxyz\n"));
	CHECK(lines == 400);
	fclose(f);
}
