/*
 * main.c - picks the applet by argv[0] or by the first word.
 *
 * One executable, many names: runsc takes global flags, then a command;
 * runsc-sandbox and runsc-gofer are what it calls the processes it starts
 * (the command follows in their arguments); runsc-<command> is that command.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "applets/applet.h"
#include "core/log.h"
#include "core/own.h"
#include "core/str.h"

#ifndef VERSION
#error "the Makefile sets VERSION"
#endif

const struct flag no_flags[] = { { 0 } };

static const struct applet applets[] = {
#define APPLET(name, fn, flags, group, usage, summary) \
	{ name, group, usage, summary, flags, fn##_main },
#include "applets/applets.def"
#undef APPLET
};

const struct applet *applet_table(size_t *n)
{
	*n = ARRAY_SIZE(applets);
	return applets;
}

const struct applet *applet_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(applets); i++)
		if (!strcmp(applets[i].name, name))
			return &applets[i];
	return NULL;
}

int applet_args(const struct flag *flags, int argc, char **argv, int min,
	int max, struct err *e)
{
	const struct applet *a = applet_find(argv[0]);
	int i = flags_parse(flags, argc, argv, e);

	if (i < 0)
		return err_wrap(e, "see `runsc help %s`", argv[0]);
	if (argc - i < min || (max >= 0 && argc - i > max))
		return err_set(e, EINVAL, "usage: runsc %s%s %s", argv[0],
			flags[0].name ? " [flags]" : "", a ? a->usage : "");
	return i;
}

/* A closed 0, 1 or 2 would be taken by the next open(). */
static void fill_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

/* Bytes of the character at @s that a terminal merely shows; 0: it acts on it,
 * or it is none. */
static int shown(const unsigned char *s, const unsigned char *end)
{
	if (s[0] < 0x20 || s[0] == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0))
		return 0; /* C0, DEL, C1 */
	return utf8_seq(s, end);
}

static void clean(char *text, bool lines)
{
	unsigned char *s = (unsigned char *)text, *end = s + strlen(text);

	while (s < end) {
		int n = shown(s, end);

		if (!n && !(lines && *s == '\n'))
			*s = '?';
		s += n ? n : 1;
	}
}

void put_clean(const char *text, bool lines)
{
	own_mem char *copy = xstrdup(text);

	clean(copy, lines);
	fputs(copy, stdout);
}

static int report(const char *command, struct err *e)
{
	clean(e->msg, false);
	log_error("%s", e->msg);
	dprintf(2, "runsc %s: %s\n", command, e->msg);
	return EXIT_FAILED;
}

static int version(void)
{
	printf("runsc version %s\nspec: 1.0.2\n", VERSION);
	return 0;
}

static int run_applet(
	const struct applet *a, struct config *c, int argc, char **argv)
{
	struct err e = { 0 };
	int ret;

	ret = config_logs(c, a->name, argc > 1 ? argv[argc - 1] : NULL, &e);
	if (!ret)
		ret = config_check(c, strcmp(a->group, "internal") != 0, &e);
	if (!ret)
		ret = a->run(c, argc, argv, &e);
	if (fflush(stdout) && ret >= 0)
		ret = err_set(
			&e, errno, "standard output: %s", strerror(errno));
	return ret < 0 ? report(a->name, &e) : ret;
}

int main(int argc, char **argv)
{
	const char *name = argc && argv[0] ? argv[0] : "runsc";
	const struct applet *a = NULL;
	struct config c;
	struct err e = { 0 };
	int i;

	if (strrchr(name, '/'))
		name = strrchr(name, '/') + 1;
	fill_stdio();
	if (!strcmp(name, "runsc-exec"))
		_exit(exec_waiter_main(
			argc, argv)); /* filtered: no exit handlers */
	if (!strcmp(name, "containerd-shim-runsc-v1")) {
		fprintf(stderr,
			"containerd-shim-runsc-v1: the shim is not "
			"there yet: use containerd-shim-runc-v2 with this "
			"runtime as its binary\n");
		return EXIT_FAILED;
	}
	config_init(&c);
	if (!strncmp(name, "runsc-", 6))
		a = applet_find(name + 6);
	if (a && strcmp(a->group, "internal")) {
		argv[0] = (char *)(uintptr_t)a->name;
		return run_applet(a, &c, argc, argv);
	}
	i = config_parse(&c, argc, argv, &e);
	if (i < 0) {
		fprintf(stderr, "runsc: %s (see `runsc help`)\n", e.msg);
		return EXIT_USAGE;
	}
	if (c.version)
		return version();
	if (c.help || c.h || i >= argc) {
		char *help[] = { (char[]){ "help" }, NULL };
		help_main(&c, 1, help, &e);
		fflush(stdout);
		return c.help || c.h ? 0 : EXIT_FAILED;
	}
	a = applet_find(argv[i]);
	if (!a) {
		if (config_logs(&c, "unknown", NULL, &e))
			return report(argv[i], &e);
		err_set(&e, EINVAL,
			"there is no such command; `runsc help` "
			"lists them");
		return report(argv[i], &e);
	}
	return run_applet(a, &c, argc - i, argv + i);
}
