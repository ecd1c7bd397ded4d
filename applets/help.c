/* help.c - runsc help, help <command>, help platforms, help syscalls. */
#include <stdio.h>
#include <string.h>

#include "applets/applet.h"
#include "kernel/syscall/syscall.h"
#include "platform/platform.h"

static void list_commands(void)
{
	const char *group = "";
	size_t n;
	const struct applet *a = applet_table(&n);

	puts("usage: runsc [global flags] <command> [flags] [arguments]\n");
	puts("A user-space Linux kernel for containers.");
	for (size_t i = 0; i < n; i++) {
		if (strcmp(group, a[i].group))
			printf("\n%s:\n", a[i].group);
		group = a[i].group;
		printf("  %-14s %s\n", a[i].name, a[i].summary);
	}
	puts("\n`runsc help <command>` describes one, `runsc help flags` the "
	     "global flags,\n`runsc help platforms` and `runsc help syscalls` "
	     "what there is inside.");
}

static void platforms(void)
{
	const struct platform_ops *const *list = platform_list();

	for (; *list; list++) {
		struct err e = { 0 };
		if ((*list)->probe(&e))
			printf("%-10s not on this host: %s\n", (*list)->name,
				e.msg);
		else
			printf("%-10s available\n", (*list)->name);
	}
}

/* The table itself: what dispatch uses cannot differ from what is printed. */
static int syscalls(int argc, char **argv, struct err *e)
{
	static const char *const levels[] = { "full", "part", "refused" };
	static int format;
	static const struct flag flags[] = {
		{ "format", FLAG_ENUM, &format, "table|csv|json", "" }, { 0 }
	};
	const char *sep = "";

	if (flags_parse(flags, argc, argv, e) < 0)
		return -e->code;
	fputs(format == 2 ? "["
		: format  ? "number,name,support\n"
			  : "NUM  NAME                     SUPPORT\n",
		stdout);
	for (unsigned long nr = 0; nr < SYSCALL_MAX; nr++) {
		const struct syscall *s = syscall_find(nr);
		if (!s)
			continue;
		if (format == 2)
			printf("%s\n{\"number\":%lu,\"name\":\"%s\","
			       "\"support\":\"%s\"}",
				sep, nr, s->name, levels[s->level]);
		else
			printf(format ? "%lu,%s,%s\n" : "%-4lu %-24s %s\n", nr,
				s->name, levels[s->level]);
		sep = ",";
	}
	fputs(format == 2 ? "\n]\n" : "", stdout);
	return 0;
}

static int describe(const char *name, struct err *e)
{
	const struct applet *a = applet_find(name);

	if (!a)
		return err_set(e, EINVAL, "there is no command \"%s\"", name);
	printf("runsc %s%s %s\n\n%s\n", a->name,
		a->flags[0].name ? " [flags]" : "", a->usage, a->summary);
	if (a->flags[0].name) {
		puts("\nflags:");
		flags_print(a->flags);
	}
	return 0;
}

int help_main(struct config *c, int argc, char **argv, struct err *e)
{
	const char *topic = argc > 1 ? argv[1] : NULL;

	(void)c;
	if (!topic)
		list_commands();
	else if (!strcmp(topic, "platforms"))
		platforms();
	else if (!strcmp(topic, "syscalls"))
		return syscalls(argc - 1, argv + 1, e);
	else if (!strcmp(topic, "flags"))
		config_help();
	else
		return describe(topic, e);
	return 0;
}
