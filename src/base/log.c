#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char *log_who = "ringfence";
static enum log_level log_max = LOG_LEVEL_INFO;
static bool log_journal;

void log_open(const char *who, enum log_level max)
{
	log_who = who;
	log_max = max;
	log_journal = getenv("JOURNAL_STREAM") != NULL;
}

/* One write(2) a line, so that lines of several processes on one descriptor do not mix. */
static void PRINTF_LIKE(2, 0) line(enum log_level level, const char *fmt, va_list ap)
{
	static const char *const words[] = {"error", "warning", "info", "debug"};
	static const int priority[] = {3, 4, 6, 7};
	char buf[1200];
	int n;

	if (log_journal) {
		n = snprintf(buf, sizeof(buf), "<%d>%s: ", priority[level], log_who);
	} else {
		time_t now = time(NULL);
		struct tm tm;
		char when[32];
		gmtime_r(&now, &tm);
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
		n = snprintf(buf, sizeof(buf), "%s %s[%d] %s: ", when, log_who, (int)getpid(), words[level]);
	}
	size_t used = (size_t)n;
	n = vsnprintf(buf + used, sizeof(buf) - used - 1, fmt, ap);
	used += n < 0 ? 0 : (size_t)n < sizeof(buf) - used - 1 ? (size_t)n : sizeof(buf) - used - 2;
	buf[used++] = '\n';
	ssize_t ignored = write(STDERR_FILENO, buf, used);
	(void)ignored; /* nowhere to report that the log is gone */
}

bool log_enabled(enum log_level level)
{
	return level <= log_max;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level > log_max)
		return;
	va_start(ap, fmt);
	line(level, fmt, ap);
	va_end(ap);
}

void log_limited(struct log_limiter *l, enum log_level level, const char *fmt, ...)
{
	long minute = (long)(time(NULL) / 60);
	va_list ap;

	if (level > log_max)
		return;
	if (minute != l->minute) {
		if (l->dropped)
			log_write(level, "%u similar lines were left out", l->dropped);
		l->minute = minute;
		l->used = l->dropped = 0;
	}
	if (l->used >= l->burst) {
		l->dropped++;
		return;
	}
	l->used++;
	va_start(ap, fmt);
	line(level, fmt, ap);
	va_end(ap);
}
