/*
 * tty_ldisc.h - the line discipline: what a terminal does with bytes.
 *
 * Pure state: bytes come in from the far side (the master) and from programs, and
 * leave through two rings.  Knows no task, no file and no lock: the tty that
 * embeds it calls it under lc_tty and acts afterwards on what is left in sigs,
 * wake and pkt.  termios(3) is the contract.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <termios.h>

#include "core/attr.h"

struct uio;

#define LDISC_BUF 4096			/* bytes of input that programs have yet to read */
#define LDISC_NCC 19

/* struct termios2 of the kernel; without the speeds its struct termios. */
struct termios_abi {
	uint32_t iflag, oflag, cflag, lflag;
	uint8_t line;
	uint8_t cc[LDISC_NCC];
	uint32_t ispeed, ospeed;
};
_Static_assert(sizeof(struct termios_abi) == 44, "struct termios2");
#define TERMIOS1_SIZE 36

struct ring {				/* grows up to the limit that each put names */
	unsigned char *p;
	size_t size;			/* a power of two */
	size_t head, used;		/* head: next byte to take */
};

size_t ring_put(struct ring *r, const void *p, size_t n, size_t limit);	/* how many went in */
size_t ring_peek(const struct ring *r, const unsigned char **p);	/* a run of the oldest bytes */
void ring_drop(struct ring *r, size_t n);
void ring_free(struct ring *r);

#define LDISC_WAKE_READ	  1		/* programs may have something to read */
#define LDISC_WAKE_WRITE  2		/* ... room to write */
#define LDISC_WAKE_MASTER 4		/* the far side has something to read, or room */

struct ldisc {
	struct termios_abi t;
	struct termios_abi locked;	/* bits that TIOCSLCKTRMIOS froze */

	/* input: positions only grow; an index is taken modulo LDISC_BUF */
	unsigned char buf[LDISC_BUF];
	uint8_t delim[LDISC_BUF / 8];	/* which bytes end a line */
	size_t head, canon, tail;	/* next free; end of the last line; next to read */
	bool lnext, erasing;
	int64_t last_input;		/* kept only with VMIN and VTIME */
	struct ring raw;		/* from the master, not yet looked at */

	/* output */
	struct ring out;		/* to the master */
	struct ring echo;		/* kept back while stopped */
	unsigned column, canon_column;
	bool stopped;			/* ^S or TCOOFF */
	bool tco_stopped;		/* TCOOFF: only TCOON starts it again */

	uint64_t sigs;			/* SIGBIT()s for the foreground group */
	unsigned wake;			/* LDISC_WAKE_* */
	bool packet;			/* TIOCPKT */
	unsigned char pkt;		/* TIOCPKT_* not yet told to the master */
};

void ldisc_init(struct ldisc *l);
void ldisc_fini(struct ldisc *l);

/* The far side sends: how many bytes were taken. */
size_t ldisc_receive(struct ldisc *l, const void *p, size_t n);
size_t ldisc_receive_room(const struct ldisc *l);
/* A program writes: how many bytes were taken. */
size_t ldisc_write(struct ldisc *l, const void *p, size_t n);
bool ldisc_write_room(const struct ldisc *l);
/*
 * A program reads.  @since: when the call found nothing first (0: not before), kept
 * by the caller for the whole call; *@again: when to look again with no new
 * input, else untouched.  Bytes, 0 (end of file, or VTIME is over), -EAGAIN, -EFAULT.
 */
ssize_t ldisc_read(struct ldisc *l, struct uio *to, bool nonblock, int64_t *since,
	int64_t *again) MUST_CHECK;
bool ldisc_readable(const struct ldisc *l);
int ldisc_pending(const struct ldisc *l);	/* FIONREAD */

void ldisc_set_termios(struct ldisc *l, const struct termios_abi *t);
void ldisc_flush_input(struct ldisc *l);
void ldisc_flush_output(struct ldisc *l);
void ldisc_stop(struct ldisc *l);
void ldisc_start(struct ldisc *l);
