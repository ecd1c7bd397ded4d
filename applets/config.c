/* config.c - the global flags, one struct. */
#include "applets/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/flag.h"
#include "core/log.h"
#include "core/own.h"
#include "core/str.h"

enum flag_state { WORKS, INERT, LATER };

struct row {
	const char *name;
	enum flag_type type;
	enum flag_state state;
	size_t offset;
	const char *values;
	const char *help;
};

static const struct row rows[] = {
#define G(type, field, name, values, dflt, state, help)                     \
	{ name, FLAG_##type, state, offsetof(struct config, field), values, \
		help },
#include "applets/flags.def"
#undef G
};

static const struct config defaults = {
#define G(type, field, name, values, dflt, state, help) .field = dflt,
#include "applets/flags.def"
#undef G
};

#define NROWS ARRAY_SIZE(rows)

/* These may come from an annotation without --allow-flag-override. */
static const char *const free_annotations[] = { "debug", "debug-command",
	"debug-to-user-log", "strace", "strace-syscalls", "strace-log-size",
	"host-uds", "net-disconnect-ok", "reproduce-nftables", "overlay2",
	"oci-seccomp", "pause-external-networking", "allow-connected-on-save",
	"qdisc", "qdisc-tbf-rate", "qdisc-tbf-burst", "mount-cgroup-v2" };

void config_init(struct config *c)
{
	*c = defaults;
}

static const void *row_value(const struct config *c, const struct row *r)
{
	return (const char *)c + r->offset;
}

static size_t row_size(const struct row *r)
{
	switch (r->type) {
	case FLAG_BOOL:
		return sizeof(bool);
	case FLAG_INT:
	case FLAG_ENUM:
		return sizeof(int);
	default:
		return sizeof(int64_t);
	}
}

static bool row_is_default(const struct config *c, const struct row *r)
{
	const void *v = row_value(c, r), *d = row_value(&defaults, r);

	if (r->type == FLAG_STR)
		return !strcmp(
			*(const char *const *)v, *(const char *const *)d);
	return !memcmp(v, d, row_size(r));
}

/* The table as flags_parse() wants it, with targets inside @c. */
static void make_table(struct config *c, struct flag *t)
{
	for (size_t i = 0; i < NROWS; i++)
		t[i] = (struct flag){ rows[i].name, rows[i].type,
			(char *)c + rows[i].offset, rows[i].values,
			rows[i].help };
	t[NROWS] = (struct flag){ 0 };
}

int config_parse(struct config *c, int argc, char **argv, struct err *e)
{
	struct flag table[NROWS + 1];

	make_table(c, table);
	return flags_parse(table, argc, argv, e);
}

/* The @i-th word of "a|b|c". */
static void enum_word(const char *values, int i, char *buf, size_t n)
{
	while (i-- > 0 && strchr(values, '|'))
		values = strchr(values, '|') + 1;
	snprintf(buf, n, "%.*s", (int)strcspn(values, "|"), values);
}

static char *row_print(const struct config *c, const struct row *r)
{
	const void *v = row_value(c, r);
	char word[32];

	switch (r->type) {
	case FLAG_BOOL:
		return xasprintf("--%s=%s", r->name,
			*(const bool *)v ? "true" : "false");
	case FLAG_INT:
		return xasprintf("--%s=%d", r->name, *(const int *)v);
	case FLAG_ENUM:
		enum_word(r->values, *(const int *)v, word, sizeof word);
		return xasprintf("--%s=%s", r->name, word);
	case FLAG_STR:
		return xasprintf("--%s=%s", r->name, *(const char *const *)v);
	case FLAG_DURATION:
		return xasprintf(
			"--%s=%lldns", r->name, (long long)*(const int64_t *)v);
	default:
		return xasprintf("--%s=%llu", r->name,
			(unsigned long long)*(const uint64_t *)v);
	}
}

/* What to do without a flag that people do set; NULL: leave it out. */
static const char *remedy(const char *name)
{
	static const struct {
		const char *name, *what;
	} list[] = {
		{ "overlay", "what the container writes goes into its root "
			     "tree; leave the flag out" },
		{ "overlay2", "what the container writes goes into its root "
			      "tree; leave the flag out or say none" },
		{ "oci-seccomp", "the guest's calls reach no host kernel, with "
				 "or without that filter; leave the flag out" },
		{ "rootless", "run as root, or with -TESTONLY-unsafe-nonroot" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		if (!strcmp(list[i].name, name))
			return list[i].what;
	return "leave the flag out";
}

int config_check(const struct config *c, bool warn, struct err *e)
{
	for (size_t i = 0; i < NROWS; i++) {
		const struct row *r = &rows[i];

		if (r->state == WORKS || row_is_default(c, r))
			continue;
		own_mem char *text = row_print(c, r);
		if (r->state == LATER)
			return err_set(e, ENOTSUP,
				"%s is not supported yet: %s", text,
				remedy(r->name));
		if (warn)
			log_warn("%s has no effect here", text);
	}
	if (c->network == NET_HOST)
		return err_set(e, ENOTSUP,
			"--network=host is not supported "
			"yet, and the sandbox has no way to the network: use "
			"--network=none or leave the flag out");
	return 0;
}

static bool annotation_allowed(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(free_annotations); i++)
		if (!strcmp(free_annotations[i], name))
			return true;
	return false;
}

int config_annotations(
	struct config *c, const struct json *annotations, struct err *e)
{
	static const char prefix[] = "dev.gvisor.flag.";
	struct flag table[NROWS + 1];
	const struct json *p;
	int err;

	make_table(c, table);
	json_for_each(p, annotations)
	{
		if (!p->key || !str_prefix(p->key, prefix))
			continue;
		const char *name = p->key + sizeof prefix - 1;
		if (!c->allow_flag_override && !annotation_allowed(name))
			return err_set(e, EPERM,
				"annotation %s: flag %s may "
				"be set by an annotation only with "
				"--allow-flag-override",
				p->key, name);
		/* The value outlives the document: flags borrow their text. */
		err = flag_set(table, name, xstrdup(json_str(p, "")), e);
		if (err == -ENOENT)
			return err_set(e, EINVAL,
				"annotation %s: there is no flag --%s", p->key,
				name);
		if (err)
			return err_wrap(e, "annotation %s", p->key);
	}
	return config_check(c, false, e);
}

/* Flags that describe one call, not the container. */
static bool row_is_local(const struct row *r)
{
	static const char *const local[] = { "root", "log", "log-format",
		"log-fd", "debug-log-fd", "panic-log-fd", "coverage-fd", "help",
		"h", "version" };

	for (size_t i = 0; i < ARRAY_SIZE(local); i++)
		if (!strcmp(local[i], r->name))
			return true;
	return false;
}

size_t config_args(const struct config *c, char **out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < NROWS && n < max; i++)
		if (!row_is_local(&rows[i]) && !row_is_default(c, &rows[i]))
			out[n++] = row_print(c, &rows[i]);
	return n;
}

int config_apply(struct config *c, const char *arg, struct err *e)
{
	struct flag table[NROWS + 1];
	const char *eq = strchr(arg, '=');
	char name[64];
	int err;

	make_table(c, table);
	if (strncmp(arg, "--", 2) || !eq || eq - arg - 2 >= (int)sizeof name)
		return err_set(e, EINVAL, "%s: not a saved flag", arg);
	snprintf(name, sizeof name, "%.*s", (int)(eq - arg - 2), arg + 2);
	err = flag_set(table, name, eq + 1, e);
	return err == -ENOENT ? err_set(e, EINVAL, "unknown flag %s", arg)
			      : err;
}

const char *config_root(const struct config *c)
{
	static char buf[512];
	const char *dir = getenv("XDG_RUNTIME_DIR");

	if (c->root[0])
		return c->root;
	if (!dir || dir[0] != '/')
		return "/var/run/runsc";
	snprintf(buf, sizeof buf, "%s/runsc", dir);
	return buf;
}

/* Is @command one whose debug log --debug-command asks for? */
static bool debug_wanted(const char *list, const char *command)
{
	bool invert = list[0] == '!', found = false;
	size_t n = strlen(command), len;

	if (!list[0])
		return true;
	for (list += invert; *list; list += len + (list[len] == ',')) {
		len = strcspn(list, ",");
		found |= len == n && !strncmp(list, command, n);
	}
	return found != invert;
}

static void timestamp(char *buf, size_t n)
{
	struct timespec ts;
	struct tm tm;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	len = strftime(buf, n, "%Y%m%d-%H%M%S", &tm);
	snprintf(buf + len, n - len, ".%06ld", ts.tv_nsec / 1000);
}

static void expand_log_name(const char *pattern, const char *command,
	const char *id, char *buf, size_t n)
{
	static const char dflt[] = "runsc.log.%TIMESTAMP%.%COMMAND%.txt";
	struct strbuf s = strbuf(buf, n);
	size_t len = strlen(pattern);
	char when[40];

	timestamp(when, sizeof when);
	for (int part = 0; part < 2; part++) {
		const char *p = part ? dflt : pattern;
		if (part && (!len || pattern[len - 1] != '/'))
			break;
		while (*p) {
			if (str_prefix(p, "%TIMESTAMP%")) {
				sb_puts(&s, when);
				p += 11;
			} else if (str_prefix(p, "%COMMAND%")) {
				sb_puts(&s, command);
				p += 9;
			} else if (str_prefix(p, "%ID%")) {
				sb_puts(&s, id ? id : "");
				p += 4;
			} else {
				sb_putc(&s, *p++);
			}
		}
	}
}

int config_debug_log(
	const struct config *c, const char *command, const char *id)
{
	char path[1024];
	int fd;

	if (!c->debug_log[0] || !debug_wanted(c->debug_command, command))
		return -1;
	expand_log_name(c->debug_log, command, id, path, sizeof path);
	if (strrchr(path, '/') && strrchr(path, '/') != path) {
		*strrchr(path, '/') = 0;
		(void)mkdir(path, 0775); /* open() reports what matters */
		path[strlen(path)] = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY,
		0664);
	if (fd < 0)
		log_warn("debug log %s: %s", path, strerror(errno));
	return fd;
}

int config_logs(const struct config *c, const char *command, const char *id,
	struct err *e)
{
	int user = c->log_fd, debug = c->debug_log_fd;

	if (user < 0 && c->log[0]) {
		user = open(c->log,
			O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY,
			0644);
		if (user < 0)
			return err_set(e, errno, "--log=%s: %s", c->log,
				strerror(errno));
	}
	log_set_user(user, c->log_format);
	if (debug < 0)
		debug = config_debug_log(c, command, id);
	if (debug < 0 && c->debug_to_user_log)
		debug = user;
	log_set_debug(debug, c->debug_log_format);
	log_set_stderr(c->alsologtostderr);
	log_level = c->debug ? LOG_DEBUG : LOG_INFO;
	return 0;
}

void config_help(void)
{
	struct config c = defaults;
	struct flag table[NROWS + 1];

	make_table(&c, table);
	flags_print(table);
}
