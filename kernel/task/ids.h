/* ids.h - changes of credentials, each as its manual page says. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"

struct task;

long ids_setuid(struct task *t, uint32_t uid);
long ids_setgid(struct task *t, uint32_t gid);
long ids_setreuid(struct task *t, uint32_t ruid, uint32_t euid);
long ids_setregid(struct task *t, uint32_t rgid, uint32_t egid);
long ids_setresuid(struct task *t, uint32_t ruid, uint32_t euid, uint32_t suid);
long ids_setresgid(struct task *t, uint32_t rgid, uint32_t egid, uint32_t sgid);
long ids_setfsuid(struct task *t, uint32_t uid);	/* the old one, always */
long ids_setfsgid(struct task *t, uint32_t gid);
bool ids_may_setgroups(struct task *t);
long ids_setgroups(struct task *t, const uint32_t *groups, uint32_t n);
long ids_capset(struct task *t, uint64_t effective, uint64_t permitted, uint64_t inheritable);
