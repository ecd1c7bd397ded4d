/*
 * log.h - one line per event, to up to two places.
 *
 * The user log (--log, --log-fd) is for the engine that called us: errors and
 * warnings, text or JSON ({"msg","level","time"}), one write(2) a line.  The
 * debug log (--debug-log) gets everything at or below the level.  Safe from
 * any thread, allocates nothing, and from a signal handler with log_raw().
 */
#pragma once

#include <stdbool.h>

#include "core/attr.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON, LOG_JSON_K8S };

extern enum log_level log_level;	/* debug log: highest level written */

/* Each takes over @hfd (never closed); -1 turns the sink off. */
void log_set_user(int hfd, enum log_format format);
void log_set_debug(int hfd, enum log_format format);
void log_set_stderr(bool also);		/* --alsologtostderr */
int log_user_fd(void);			/* for inheritance by a child; -1: none */
int log_debug_fd(void);

/*
 * The guest log (--user-log): what whoever runs the program should know of it, such as a call
 * that is not there.  Text, with a time; takes over @hfd.
 */
void log_set_guest(int hfd);
void log_guest(const char *fmt, ...) PRINTF(1, 2);

void log_at(enum log_level level, const char *file, int line, const char *fmt, ...) PRINTF(4, 5);
#define log_msg(level, ...) log_at(level, __FILE_NAME__, __LINE__, __VA_ARGS__)
#define log_error(...)	log_msg(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)	log_msg(LOG_WARNING, __VA_ARGS__)
#define log_info(...)	do { if (log_level >= LOG_INFO) log_msg(LOG_INFO, __VA_ARGS__); } while (0)
#define log_debug(...)	do { if (log_level >= LOG_DEBUG) log_msg(LOG_DEBUG, __VA_ARGS__); } while (0)
/* Async-signal-safe: @text as it is, to both sinks. */
void log_raw(const char *text);
/* Logs @text as it is at debug level, without a prefix of its own (strace). */
void log_line(const char *text, unsigned long len);

/* Our own state is wrong: logs file, line and condition, then aborts. */
#define bug_on(cond) do { if (unlikely(cond)) bug_(__FILE__, __LINE__, #cond); } while (0)
NORETURN void bug_(const char *file, int line, const char *cond);
