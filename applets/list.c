/* list.c - runsc list: the containers under --root. */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "applets/applet.h"
#include "applets/oci/state.h"
#include "core/own.h"

static bool quiet, sandboxes;
static int format;

const struct flag list_flags[] = {
	{ "quiet", FLAG_BOOL, &quiet, NULL, "only the ids" },
	{ "format", FLAG_ENUM, &format, "text|json", "how to print" },
	{ "sandbox", FLAG_BOOL, &sandboxes, NULL,
		"only sandboxes: here each container has its own" },
	{ 0 },
};

static void when(int64_t ns, char *buf, size_t n)
{
	time_t t = ns / 1000000000;
	struct tm tm;
	size_t len;

	gmtime_r(&t, &tm);
	len = strftime(buf, n, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + len, n - len, ".%09lldZ", (long long)(ns % 1000000000));
}

static void print_row(const struct cstate *s)
{
	char created[64], owner[16];

	when(s->created, created, sizeof created);
	snprintf(owner, sizeof owner, s->owner ? "%u" : "root", s->owner);
	printf("%-11s %-7d %-9s %-31s %-33s %s\n", s->id,
		s->status == ST_STOPPED ? 0 : s->sandbox.pid,
		status_names[s->status], s->bundle, created, owner);
}

static void add_json(struct json_doc *d, const struct cstate *s)
{
	struct json *o = json_add(d, json_root(d), NULL, JSON_OBJECT);
	char created[64], owner[16];

	when(s->created, created, sizeof created);
	snprintf(owner, sizeof owner, s->owner ? "%u" : "root", s->owner);
	json_add_str(d, o, "ociVersion",
		s->spec.version ? s->spec.version : "1.0.2");
	json_add_str(d, o, "id", s->id);
	json_add_int(d, o, "pid", s->status == ST_STOPPED ? 0 : s->sandbox.pid);
	json_add_str(d, o, "status", status_names[s->status]);
	json_add_str(d, o, "bundle", s->bundle);
	json_add_str(d, o, "created", created);
	json_add_str(d, o, "owner", owner);
}

int list_main(struct config *c, int argc, char **argv, struct err *e)
{
	struct json_doc *d;
	char **ids;
	int i = applet_args(list_flags, argc, argv, 0, 0, e);

	if (i < 0)
		return i;
	ids = state_list(c, e);
	if (!ids)
		return -e->code;
	d = json_new(JSON_ARRAY);
	if (!quiet && !format)
		printf("%-11s %-7s %-9s %-31s %-33s %s\n", "ID", "PID",
			"STATUS", "BUNDLE", "CREATED", "OWNER");
	for (size_t n = 0; ids[n]; n++) {
		struct cstate s;
		struct err gone;
		if (quiet)
			puts(ids[n]);
		else if (!state_load(&s, c, ids[n], false, &gone)) {
			if (format)
				add_json(d, &s);
			else
				print_row(&s);
			state_fini(&s);
		}
		free(ids[n]);
	}
	free(ids);
	if (format && !quiet) {
		own_mem char *text = json_print(json_root(d), 0, false);
		puts(text);
	}
	json_free(d);
	return 0;
}
