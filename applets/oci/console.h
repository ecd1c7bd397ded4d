/* console.h - terminals of containers on the host: pty pairs and the relay. */
#pragma once

#include <stdbool.h>
#include <termios.h>

#include "core/err.h"

struct console {
	int master, slave;		/* owned, -1: none */
};

/* A pty pair in raw mode: the guest's kernel does the line discipline. */
int console_open(struct console *c, struct err *e) MUST_CHECK;
void console_close(struct console *c);
/* The size of the terminal that fd 0 is, if it is one: before the guest looks. */
void console_take_size(const struct console *c);
/* Sends the master to the engine's socket at @path and closes it here. */
int console_send(struct console *c, const char *path, struct err *e) MUST_CHECK;

/*
 * Foreground: fd 0 is the user's terminal (or not); bytes go between 0/1 and the
 * master.  enter puts fd 0 into raw mode, leave restores it.
 */
struct relay {
	int master;			/* borrowed */
	bool raw;			/* fd 0 is a terminal and raw */
	bool in_open;
	struct termios saved;
	char in[4096], out[4096];
	size_t nin, nout;		/* bytes not yet written */
};
void relay_enter(struct relay *r, int master);
void relay_leave(struct relay *r);
struct pollfd;
/* Fills @p[0..2] before a poll, and acts on them after it.  False: the master hung up. */
void relay_poll(const struct relay *r, struct pollfd *p);
bool relay_step(struct relay *r, const struct pollfd *p);
/* After the end of the container: what is still in the pty. */
void relay_drain(struct relay *r);
/* The size of fd 0 to the pty; true when there was one. */
bool relay_resize(const struct relay *r);
