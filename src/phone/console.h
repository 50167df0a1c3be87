#pragma once

#include "base/clock.h"
#include "phone/decide.h"

/*
 * A phone's own words: its console log and what it shows its user. Wording and spelling are those of real phones, as far
 * as documents print them (seed 003, seed 000; behaviour.md 4.2, 4.4); the lines that no document prints are marked in
 * console.c.
 */
struct console {
	void (*line)(void *ctx, const char *text);    /* one console line, without a newline */
	void (*message)(void *ctx, const char *text); /* one message on the phone's screen */
	void *ctx;
	const struct clock *clock;
	unsigned seq;
	unsigned transfer; /* number in [] of TFTP lines */
	int64_t epoch_ms;  /* with the monotonic time of a line: its time of day; set by the first */
};

void console_log(struct console *c, const char *fmt, ...) PRINTF_LIKE(2, 3);   /* NOT lines */
void console_error(struct console *c, const char *fmt, ...) PRINTF_LIKE(2, 3); /* ERR lines */
void console_message(struct console *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Downloads. limit 0: none is logged. */
void console_requesting(struct console *c, const char *name, const char *server, size_t limit);
void console_finished(struct console *c, size_t octets);
void console_not_found(struct console *c, const char *name);
void console_no_answer(struct console *c, const char *name, const char *why);
void console_config_wanted(struct console *c, const char *name, const char *server, bool secure);

/* Decisions: what was looked at, then what came of it. address: of the server, for those about servers. */
void console_list_decided(struct console *c, const struct decision *d, size_t header_len);
void console_file_decided(struct console *c, const struct decision *d, const char *name);
void console_server_decided(struct console *c, const struct decision *d, const char *address);

/* TLS connections and TVS. */
void console_tls_begin(struct console *c, const char *address, unsigned port);
void console_tls_done(struct console *c, const char *address);
void console_tvs_begin(struct console *c, const struct decision *asking, const char *address, unsigned port);
void console_tvs_server_decided(struct console *c, const struct decision *d, const char *address);
void console_tvs_sent(struct console *c, const struct decision *asking);
void console_tvs_answered(struct console *c, const struct tvs_msg *answer);
void console_tvs_cached(struct console *c, const struct tvs_msg *answer);
void console_tvs_flushed(struct console *c);
