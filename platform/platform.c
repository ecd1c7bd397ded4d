/* platform.c - the platforms that are compiled in, and the one in use. */
#include "platform/platform.h"

#include <string.h>

#include "platform/ptrace/ptrace.h"

const struct platform_ops *platform;
uint64_t platform_max_addr;
size_t platform_fp_size;

static const struct platform_ops *const list[] = { &ptrace_ops, NULL };

const struct platform_ops *const *platform_list(void)
{
	return list;
}

const struct platform_ops *platform_find(const char *name)
{
	for (const struct platform_ops *const *p = list; *p; p++)
		if (!strcmp((*p)->name, name))
			return *p;
	return NULL;
}
