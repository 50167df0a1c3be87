#pragma once

#include <stdbool.h>

#include "base/err.h"

/*
 * The log of a process. Libraries return errors and do not log; the server
 * logs once, at the boundary. What a stranger caused is debug, or goes through
 * log_limited. Bytes of strangers are escaped (text_escape) before they come here.
 */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* log_open: who is the process name in each line ("director"). Lines go to standard error, with syslog priorities
 * (<3>..<7>) instead of a time when it is a journal stream. Not reentrant; call once per process. */
void log_open(const char *who, enum log_level max);
bool log_enabled(enum log_level level); /* whether such a line would be written: for what is costly to format */
void log_write(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* At most `burst` lines a minute through one limiter; the first line of the next minute says how many were dropped. */
struct log_limiter {
	unsigned burst;
	unsigned used;
	unsigned dropped;
	long minute;
};
void log_limited(struct log_limiter *l, enum log_level level, const char *fmt, ...) PRINTF_LIKE(3, 4);
