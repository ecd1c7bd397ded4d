/* sysname.h - names of the host's system calls, for messages. */
#pragma once

#include "core/str.h"

/* Appends "openat (257)"; async-signal-safe. */
void sb_syscall(struct strbuf *s, long nr);
