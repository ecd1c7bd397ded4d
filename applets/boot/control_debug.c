/* control_debug.c - control methods that look into the sandbox. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "applets/boot/boot.h"
#include "core/log.h"
#include "core/own.h"
#include "core/str.h"
#include "kernel/kernel.h"

#define STACKS_MAX (1 << 20)

static int stacks(struct control_call *call, struct err *e)
{
	own_mem char *buf = malloc(STACKS_MAX);

	if (!buf)
		return err_set(e, ENOMEM, "out of memory");
	struct strbuf s = strbuf(buf, STACKS_MAX);
	kernel_stacks(&s);
	json_add_str(call->doc, call->root, "result", buf);
	return 0;
}

/* {"level":"debug","strace":"all"|"off"|"read,write","logPackets":true} */
static int change_logging(struct control_call *call, struct err *e)
{
	const char *level = json_str(json_get(call->arg, "level"), NULL);
	const char *strace = json_str(json_get(call->arg, "strace"), NULL);

	if (level && !strcmp(level, "debug"))
		log_level = LOG_DEBUG;
	else if (level && !strcmp(level, "info"))
		log_level = LOG_INFO;
	else if (level && !strcmp(level, "warning"))
		log_level = LOG_WARNING;
	else if (level)
		return err_set(e, EINVAL,
			"log level %.20s: must be warning, "
			"info or debug",
			level);
	if (strace && !strcmp(strace, "off"))
		kernel_set_strace(false, NULL);
	else if (strace)
		kernel_set_strace(true, strcmp(strace, "all") ? strace : NULL);
	return 0;
}

const struct control_method control_debug_methods[] = {
	{ "debug.Stacks", stacks },
	{ "Logging.Change", change_logging },
	{ 0 },
};
