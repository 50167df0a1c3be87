#pragma once

/*
 * Errors: a fallible call returns 0 or a negative class, and describes the
 * failure in a struct err that the caller owns. The class drives policy, the
 * text is for people. The first, most specific cause stays: setting an error
 * that is already set changes nothing.
 */

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

enum err_class {
	ERR_AGAIN = -1,   /* not now: wait for readiness or more bytes */
	ERR_CLOSED = -2,  /* the other side ended the conversation */
	ERR_IO = -3,      /* the system refused: sys_errno says why */
	ERR_PROTO = -4,   /* malformed file or message: rule says which rule it broke */
	ERR_AUTH = -5,    /* not allowed, or not trusted */
	ERR_CRYPTO = -6,  /* OpenSSL or a token failed, or a signature does not verify */
	ERR_STORE = -7,   /* the database failed */
	ERR_LIMIT = -8,   /* a stated bound was reached */
	ERR_USAGE = -9,   /* the caller or the operator asked for something impossible */
	ERR_NOMEM = -10,
	ERR_BUG = -11,    /* our mistake */
};

struct err {
	int code;          /* an enum err_class, 0 when nothing is wrong */
	int sys_errno;     /* errno of the failed call, or 0 */
	const char *rule;  /* static short name of the broken rule ("record-length"), or NULL */
	long offset;       /* octet offset in the input where rule was broken, or -1 */
	const char *file;  /* where the error was set */
	int line;
	char text[400];
};

#define ERR_INIT ((struct err){.offset = -1})

/*
 * err_set: record a failure and return its class, so that a caller can write
 *     return err_set(e, ERR_LIMIT, "%s: more than %d nodes", name, max);
 * e may be NULL. An error that is already set stays; code is returned anyway.
 */
#define err_set(e, code, ...) err_set_at((e), (code), __FILE__, __LINE__, __VA_ARGS__)

/* err_sys: as err_set, and appends the text of errno, which it keeps. */
#define err_sys(e, code, ...) err_sys_at((e), (code), __FILE__, __LINE__, __VA_ARGS__)

/* err_rule: ERR_PROTO with the rule it broke and the offset (or -1) where. */
#define err_rule(e, rule, offset, ...) err_rule_at((e), (rule), (offset), __FILE__, __LINE__, __VA_ARGS__)

int err_set_at(struct err *e, int code, const char *file, int line, const char *fmt, ...) PRINTF_LIKE(5, 6);
int err_sys_at(struct err *e, int code, const char *file, int line, const char *fmt, ...) PRINTF_LIKE(5, 6);
int err_rule_at(struct err *e, const char *rule, long offset, const char *file, int line, const char *fmt, ...)
	PRINTF_LIKE(6, 7);

/* err_prefix: put "what: " before the text of an error that is set. e may be NULL. */
void err_prefix(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* err_clear: forget the error, so that e can be used for another attempt. */
void err_clear(struct err *e);

/* err_name: the class as a word ("protocol", "limit"), for logs and JSON. */
const char *err_name(int code);
