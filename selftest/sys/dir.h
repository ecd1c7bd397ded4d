/*
 * dir.h - a directory of its own for a test that makes files.
 *
 * in_fresh_dir() makes one below /tmp and goes there; it is removed when the
 * test ends, however that happens.  Anybody may write to it.
 */
#pragma once

void in_fresh_dir(void);
/* Goes on as an ordinary user without capabilities. */
void as_user(void);
/* Makes file @name with @text; the test fails when it cannot. */
void make_file(const char *name, const char *text);
/* What file @name holds: static text. */
const char *file_text(const char *name);
/* Opens, and fails the test if that fails. */
int must_open(const char *name, int flags, int mode);

/* 0 when @r is a descriptor (its number may differ), which is closed; else -1. */
int ok_fd(int r);
