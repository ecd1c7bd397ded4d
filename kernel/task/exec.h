/* exec.h - beginning a program from inside the sandbox's kernel. */
#pragma once

#include "core/attr.h"

struct task;

/* The first program of @t, which has no mm and no context yet; its own thread calls. */
int exec_first(struct task *t, const char *path, const char *const *argv, const char *const *envp) MUST_CHECK;
/* Would it start?  Reads headers only. */
int exec_check(struct task *t, const char *path) MUST_CHECK;
