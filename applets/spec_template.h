/* spec_template.h - the config.json that spec writes and that do runs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/json.h"

struct spec_template {
	const char *root, *cwd, *hostname;
	const char *netns;		/* path to join, NULL: a new one */
	bool no_netns;
	bool readonly, terminal;
	const char *const *args, *const *env, *const *caps;	/* caps NULL: a few */
	size_t nargs, nenv, ncaps;
	int nofile;			/* 0: no limit is named */
};

struct json_doc *spec_template(const struct spec_template *t);
/* One more mount; @options comma-separated. */
void spec_add_mount(struct json_doc *d, const char *dest, const char *type,
	const char *source, const char *options);
