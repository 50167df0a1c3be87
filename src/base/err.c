#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void PRINTF_LIKE(6, 0) fill(struct err *e, int code, int sys, const char *file, int line, const char *fmt, va_list ap)
{
	e->code = code;
	e->sys_errno = sys;
	e->file = file;
	e->line = line;
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
}

int err_set_at(struct err *e, int code, const char *file, int line, const char *fmt, ...)
{
	if (e && !e->code) {
		va_list ap;
		va_start(ap, fmt);
		e->rule = NULL;
		e->offset = -1;
		fill(e, code, 0, file, line, fmt, ap);
		va_end(ap);
	}
	return code;
}

int err_sys_at(struct err *e, int code, const char *file, int line, const char *fmt, ...)
{
	int saved = errno;

	if (e && !e->code) {
		va_list ap;
		va_start(ap, fmt);
		e->rule = NULL;
		e->offset = -1;
		fill(e, code, saved, file, line, fmt, ap);
		va_end(ap);
		size_t used = strlen(e->text);
		snprintf(e->text + used, sizeof(e->text) - used, ": %s", strerror(saved));
	}
	errno = saved;
	return code;
}

int err_rule_at(struct err *e, const char *rule, long offset, const char *file, int line, const char *fmt, ...)
{
	if (e && !e->code) {
		va_list ap;
		va_start(ap, fmt);
		fill(e, ERR_PROTO, 0, file, line, fmt, ap);
		va_end(ap);
		e->rule = rule;
		e->offset = offset;
	}
	return ERR_PROTO;
}

void err_prefix(struct err *e, const char *fmt, ...)
{
	char old[sizeof(e->text)];
	char what[128];
	va_list ap;

	if (!e || !e->code)
		return;
	memcpy(old, e->text, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	int n = snprintf(e->text, sizeof(e->text), "%s: ", what);
	size_t used = (size_t)n < sizeof(e->text) ? (size_t)n : sizeof(e->text) - 1;
	size_t room = sizeof(e->text) - 1 - used;
	size_t len = strlen(old);
	if (len > room)
		len = room;
	memcpy(e->text + used, old, len);
	e->text[used + len] = '\0';
}

void err_clear(struct err *e)
{
	if (e)
		*e = ERR_INIT;
}

const char *err_name(int code)
{
	switch (code) {
	case 0: return "ok";
	case ERR_AGAIN: return "again";
	case ERR_CLOSED: return "closed";
	case ERR_IO: return "io";
	case ERR_PROTO: return "protocol";
	case ERR_AUTH: return "authentication";
	case ERR_CRYPTO: return "crypto";
	case ERR_STORE: return "store";
	case ERR_LIMIT: return "limit";
	case ERR_USAGE: return "usage";
	case ERR_NOMEM: return "memory";
	default: return "bug";
	}
}
