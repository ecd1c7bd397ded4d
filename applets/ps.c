/* ps.c - runsc ps: the processes of a container. */
#include <stdio.h>
#include <time.h>

#include "applets/applet.h"
#include "applets/oci/sandbox.h"
#include "core/own.h"

static int format;

const struct flag ps_flags[] = {
	{ "format", FLAG_ENUM, &format, "table|json",
		"table, or json: an array of process ids" },
	{ 0 },
};

static void print_json(const struct json *list)
{
	const struct json *p;
	const char *sep = "";

	putchar('[');
	json_for_each(p, list)
	{
		printf("%s%lld", sep,
			(long long)json_int(json_get(p, "pid"), 0));
		sep = ",";
	}
	puts("]");
}

/* Start times are printed as clock times: as of the container's creation. */
static void start_time(
	const struct cstate *s, int64_t start, char *buf, size_t n)
{
	time_t t = (s->created + start) / 1000000000;
	struct tm tm;

	localtime_r(&t, &tm);
	strftime(buf, n, "%H:%M", &tm);
}

static void print_table(const struct cstate *s, const struct json *list)
{
	const struct json *p;
	char start[16];

	printf("%-9s %-9s %-9s %-3s %-9s %-9s %-11s %s\n", "UID", "PID", "PPID",
		"C", "TTY", "STIME", "TIME", "CMD");
	json_for_each(p, list)
	{
		int64_t cpu = json_int(json_get(p, "cpu"), 0);
		start_time(s, json_int(json_get(p, "start"), 0), start,
			sizeof start);
		printf("%-9lld %-9lld %-9lld %-3d %-9s %-9s %lld.%02lds%-6s ",
			(long long)json_int(json_get(p, "uid"), 0),
			(long long)json_int(json_get(p, "pid"), 0),
			(long long)json_int(json_get(p, "ppid"), 0), 0,
			json_str(json_get(p, "tty"), "?"), start,
			(long long)cpu / 1000000000,
			(long)(cpu / 10000000 % 100), "");
		put_clean(json_str(json_get(p, "cmd"), ""), false);
		putchar('\n');
	}
}

int ps_main(struct config *c, int argc, char **argv, struct err *e)
{
	int i = applet_args(ps_flags, argc, argv, 1, -1, e), err;
	struct urpc_msg reply;
	struct json_doc *d;
	struct cstate s;

	if (i < 0)
		return i;
	err = state_load(&s, c, argv[i], false, e);
	if (err)
		return err;
	d = json_new(JSON_OBJECT);
	json_add_str(d, json_root(d), "cid", s.id);
	err = sandbox_call(
		&s, "containerManager.Processes", json_root(d), &reply, e);
	json_free(d);
	if (!err) {
		const struct json *list =
			json_get(json_root(reply.doc), "result");
		if (format)
			print_json(list);
		else
			print_table(&s, list);
		urpc_msg_fini(&reply);
	}
	state_fini(&s);
	return err;
}
