/* E-mails of the certificate monitor: which, what they say, and what became of them. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/certs.h"
#include "cluster/cluster_internal.h"
#include "cluster/monitor.h"
#include "cluster/param.h"

#define TEXT_MAX 24576        /* octets of an e-mail: it travels in one message between processes */
#define ROOM_FOR_END 512      /* octets of it kept for what stands behind the list */
#define AUTHORITIES_MAX (16u << 20) /* octets of PEM: thousands of them */

void monitor_mail_clear(struct monitor_mail *m)
{
	char *const texts[] = { m->server, m->security, m->user, m->sender, m->recipients, m->authorities, m->text };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		free(texts[i]);
	monitor_list_clear(&m->list);
	*m = (struct monitor_mail){ 0 };
}

/* --- where to --- */

static int needs(const char *value, const char *name, struct err *e)
{
	return *value ? 0 : err_set(e, ERR_USAGE, "no e-mail can be sent before the parameter '%s' is set", name);
}

static int default_sender(struct cluster *c, struct monitor_mail *m, struct err *e)
{
	if (m->sender[0])
		return 0;
	free(m->sender);
	m->sender = NULL;
	return asprintf(&m->sender, "ringfence@%s", c->node) < 0 ? err_set(e, ERR_NOMEM, "out of memory") : 0;
}

static int add_authority(void *ctx, const struct certs_entry *entry)
{
	struct wr *w = ctx;
	AUTO(auto_free) char *pem = NULL;
	int rc = strcmp(entry->unit, "tomcat-trust") == 0 ? cert_to_pem(entry->cert, &pem, NULL) : 0;

	if (!rc && pem && !wr_bytes(w, pem, strlen(pem)))
		rc = w->failed;
	return rc;
}

static int authorities(struct cluster *c, struct monitor_mail *m, struct err *e)
{
	struct wr w;

	wr_init(&w, AUTHORITIES_MAX);
	int rc = certs_list(c, CERTS_TRUST, add_authority, &w, e);
	if (rc) /* without one of them the server may be a stranger */
		rc = err_set(e, rc, "the certificates of tomcat-trust, which vouch for the SMTP server, could not be put together");
	if (!rc)
		m->authorities = strndup(w.len ? (const char *)wr_view_all(&w).p : "", w.len);
	wr_clear(&w);
	return rc || m->authorities ? rc : err_set(e, ERR_NOMEM, "out of memory");
}

static int address(struct cluster *c, struct monitor_mail *m, struct err *e)
{
	const struct { const char *name; char **to; } texts[] = {
		{ PARAM_SMTP_SERVER, &m->server }, { PARAM_SMTP_SECURITY, &m->security }, { PARAM_SMTP_USER, &m->user },
		{ PARAM_SMTP_SENDER, &m->sender }, { PARAM_NOTICE_TO, &m->recipients },
	};
	int rc = param_get_number(c, PARAM_SMTP_PORT, &m->port, e);

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && !rc; i++)
		rc = param_get(c, texts[i].name, texts[i].to, e);
	if (!rc)
		rc = needs(m->server, PARAM_SMTP_SERVER, e);
	if (!rc)
		rc = needs(m->recipients, PARAM_NOTICE_TO, e);
	if (!rc && m->user[0] && strcmp(m->security, "None") == 0)
		rc = err_set(e, ERR_USAGE, "'%s' is set, and a password is not sent in clear: set '%s' to STARTTLS or TLS",
			     PARAM_SMTP_USER, PARAM_SMTP_SECURITY);
	if (!rc)
		rc = default_sender(c, m, e);
	return rc ? rc : authorities(c, m, e);
}

/* --- what it says --- */

/* What ends with a unit's certificate, for whom, and what is done about it (users.md F1). */
static const char *consequence(const struct monitor_entry *entry)
{
	static const struct { const char *unit, *text; } table[] = {
		{ "CallManager", "Phones stop taking signed configurations and secure registrations: 'set cert regen CallManager'." },
		{ "CallManager-ECDSA", "Phones that load over HTTPS on port 6971 stop doing so: 'set cert regen CallManager-ECDSA'." },
		{ "TVS", "Phones cannot ask for certificates that they do not know: 'set cert regen TVS'." },
		{ "CAPF", "No LSC is issued, and LSCs of this issuer end: 'set cert regen CAPF'." },
		{ "ITLRecovery", "Trust lists cannot be recovered: 'set cert regen ITLRecovery'; read its warnings first." },
		{ "tomcat", "HTTPS services of phones and web pages are refused: 'set cert regen tomcat'." },
		{ "LSC", "The phone cannot register securely nor load an encrypted configuration: Install/Upgrade." },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].unit, entry->unit) == 0)
			return table[i].text;
	return text_ends(entry->unit, "-trust") ? "What this certificate vouches for is no longer trusted; delete it when nothing needs it." :
						  "";
}

static void line(struct wr *w, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void line(struct wr *w, const char *fmt, ...)
{
	char text[900];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text) - 2, fmt, ap);
	va_end(ap);
	size_t len = n < 0 ? 0 : (size_t)n < sizeof(text) - 2 ? (size_t)n : sizeof(text) - 3;
	/* What comes from a certificate's name must not begin a line of its own. */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = '?';
	memcpy(text + len, "\r\n", 2);
	wr_bytes(w, text, len + 2);
}

static void time_text(int64_t when, bool header, char *out, size_t size)
{
	time_t t = (time_t)when;
	struct tm tm;
	size_t n = 0;

	if (localtime_r(&t, &tm))
		n = header ? strftime(out, size, "%a, %d %b %Y %H:%M:%S %z", &tm) : strftime(out, size, "%a %b %d %H:%M:%S %Z %Y", &tm);
	if (!n)
		snprintf(out, size, "%" PRId64, when);
}

static int headers(struct cluster *c, const struct monitor_mail *m, const char *subject, struct wr *w, struct err *e)
{
	uint8_t id[16];
	char hex[33], date[64], *p = m->recipients;
	int rc = random_fill(c->random, id, sizeof(id), e);

	if (rc)
		return rc;
	text_hex(hex, sizeof(hex), (struct view){ id, sizeof(id) }, '\0', false);
	time_text(clock_wall_s(c->clock), true, date, sizeof(date));
	line(w, "Date: %s", date);
	line(w, "From: Cisco Certificate Monitor <%s>", m->sender);
	for (bool first = true; *(p += strspn(p, "; ")); first = false) {
		size_t len = strcspn(p, "; ");
		line(w, "%s%.*s%s", first ? "To: " : "  ", (int)len, p, p[len + strspn(p + len, "; ")] ? "," : "");
		p += len;
	}
	line(w, "Subject: %s", subject);
	line(w, "Message-ID: <%s@%s>", hex, c->node);
	line(w, "Auto-Submitted: auto-generated");
	line(w, "MIME-Version: 1.0");
	line(w, "Content-Type: text/plain; charset=utf-8");
	line(w, "Content-Transfer-Encoding: 8bit");
	line(w, "%s", "");
	return 0;
}

static void tell_entry(struct cluster *c, const struct monitor_entry *entry, struct wr *w)
{
	int64_t left = entry->not_after - clock_wall_s(c->clock);
	char when[64], alarm[MONITOR_ALARM_MAX], waiting[CAPF_WAITING_TEXT_MAX];
	int severity;

	time_text(entry->not_after, false, when, sizeof(when));
	line(w, "Certificate name:%s Unit:%s Type:%s Expiration:%s", entry->name, entry->unit, entry->type, when);
	if (left <= 0)
		line(w, "  has expired");
	else
		line(w, "  ends in %" PRId64 " days", left / 86400);
	if (entry->waiting.n) {
		capf_waiting_text(&entry->waiting, waiting);
		line(w, "  %s %s", waiting, CAPF_WAITING_REMEDY);
	} else if (*consequence(entry)) {
		line(w, "  %s", consequence(entry));
	}
	if (entry->state >= MONITOR_WEEK) {
		monitor_alarm_text(entry, c->node, alarm, &severity);
		line(w, "  %s", alarm);
	}
	line(w, "%s", "");
}

static int finish(struct monitor_mail *m, struct wr *w, struct err *e)
{
	int rc = w->failed ? err_set(e, w->failed, "the e-mail would be larger than %d octets", TEXT_MAX) : 0;

	if (!rc) {
		m->text = strndup((const char *)wr_view_all(w).p, w->len);
		rc = m->text ? 0 : err_set(e, ERR_NOMEM, "out of memory");
	}
	wr_clear(w);
	return rc;
}

/* What finds no place keeps its turn for the next one. */
static int write_notice(struct cluster *c, struct monitor_mail *m, struct err *e)
{
	char subject[STORE_NAME_SIZE + 100];
	struct wr w;
	size_t i;

	wr_init(&w, TEXT_MAX);
	snprintf(subject, sizeof(subject), "Certificate expiration Notification: %zu certificate%s of %s", m->list.n,
		 m->list.n == 1 ? "" : "s", c->node);
	int rc = headers(c, m, subject, &w, e);
	for (i = 0; i < m->list.n && w.len + 2048 + ROOM_FOR_END < TEXT_MAX; i++)
		tell_entry(c, &m->list.entries[i], &w);
	if (i < m->list.n)
		line(&w, "%zu more end; the next e-mail names them.", m->list.n - i);
	m->list.n = i;
	if (m->list.n_lsc > MONITOR_LSC_MAX)
		line(&w, "%" PRIu64 " LSCs end in all, of which the first %d are told of.", m->list.n_lsc, MONITOR_LSC_MAX);
	line(&w, "'show cert monitor' at the admin: prompt of %s lists all.", c->node);
	if (rc) {
		wr_clear(&w);
		return rc;
	}
	return finish(m, &w, e);
}

static int write_test(struct cluster *c, struct monitor_mail *m, struct err *e)
{
	char subject[STORE_NAME_SIZE + 100];
	struct wr w;

	wr_init(&w, TEXT_MAX);
	snprintf(subject, sizeof(subject), "Certificate expiration Notification: test from %s", c->node);
	int rc = headers(c, m, subject, &w, e);
	line(&w, "This is a test ('utils cert monitor test'). E-mails about certificates that end come from here.");
	if (rc) {
		wr_clear(&w);
		return rc;
	}
	return finish(m, &w, e);
}

/* --- which --- */

static int due_only(struct cluster *c, struct monitor_list *l, struct err *e)
{
	AUTO(auto_free) char *frequency = NULL;
	int64_t now = clock_wall_s(c->clock), pause;
	size_t n = 0;
	int rc = param_get(c, PARAM_NOTICE_FREQUENCY, &frequency, e);

	if (rc)
		return rc;
	if (!param_period_s(frequency, &pause))
		return err_set(e, ERR_STORE, "the store has '%s' for %s, which is no period", frequency, PARAM_NOTICE_FREQUENCY);
	for (size_t i = 0; i < l->n; i++) {
		const struct monitor_entry *entry = &l->entries[i];
		bool ends = entry->state != MONITOR_VALID;

		if (ends && (entry->told.mailed > now || now - entry->told.mailed >= pause))
			l->entries[n++] = *entry;
	}
	l->n = n;
	return 0;
}

static int wanted(struct cluster *c, bool *is, struct err *e)
{
	struct store_monitor state;
	int64_t now = clock_wall_s(c->clock);
	int rc = param_get_bool(c, PARAM_NOTICE_MAIL, is, e);

	if (!rc)
		rc = store_monitor_get(c->store, c->node, &state, e);
	if (!rc && now < state.mail_retry && state.mail_retry - now <= MONITOR_RETRY_MAX_S)
		*is = false;
	return rc;
}

int monitor_mail_next(struct cluster *c, struct monitor_mail *m, bool *due, struct err *e)
{
	struct monitor_mail got = { .kind = MONITOR_MAIL_NOTICE };
	bool is;
	int rc = wanted(c, &is, e);

	*due = false;
	if (rc || !is)
		return rc;
	rc = monitor_look(c, &got.list, e);
	if (!rc)
		rc = due_only(c, &got.list, e);
	is = !rc && got.list.n;
	if (is)
		rc = address(c, &got, e);
	if (is && !rc)
		rc = write_notice(c, &got, e);
	if (rc || !is) {
		monitor_mail_clear(&got);
		return rc;
	}
	*m = got;
	*due = true;
	return 0;
}

int monitor_mail_test(struct cluster *c, struct monitor_mail *m, struct err *e)
{
	struct monitor_mail got = { .kind = MONITOR_MAIL_TEST };
	int rc = address(c, &got, e);

	if (!rc)
		rc = write_test(c, &got, e);
	if (rc) {
		monitor_mail_clear(&got);
		return rc;
	}
	*m = got;
	return 0;
}

/* --- what became of it --- */

static int told(struct cluster *c, const struct monitor_list *l, int64_t now, struct err *e)
{
	char name[STORE_NAME_SIZE + 64];
	int rc = 0;

	for (size_t i = 0; i < l->n && !rc; i++) {
		struct store_notice n;

		snprintf(name, sizeof(name), "%s/%s", l->entries[i].unit, l->entries[i].name);
		rc = store_notice_get(c->store, c->node, name, l->entries[i].sha256, &n, e);
		n.mailed = now;
		if (!rc)
			rc = store_notice_set(c->store, c->node, name, l->entries[i].sha256, &n, e);
	}
	return rc;
}

static int record(struct cluster *c, const struct monitor_mail *m, const char *failed, const char *refused,
		  struct err *e)
{
	int64_t now = clock_wall_s(c->clock), wait = MONITOR_RETRY_S;
	struct store_monitor state;
	int rc = store_monitor_get(c->store, c->node, &state, e);

	if (rc)
		return rc;
	state.mail_tried = now;
	if (!failed && refused[0])
		snprintf(state.mail_error, sizeof(state.mail_error), "to %s; the others have it", refused);
	else
		snprintf(state.mail_error, sizeof(state.mail_error), "%s", failed ? failed : "");
	if (!failed) {
		state.mail_sent = now;
		state.mail_retry = 0;
		state.mail_failures = 0;
	} else {
		for (unsigned i = 0; i < state.mail_failures && wait < MONITOR_RETRY_MAX_S; i++)
			wait *= 2;
		if (m->kind == MONITOR_MAIL_NOTICE) {
			state.mail_failures++;
			state.mail_retry = now + (wait < MONITOR_RETRY_MAX_S ? wait : MONITOR_RETRY_MAX_S);
		}
	}
	rc = store_monitor_set(c->store, c->node, &state, e);
	return rc || failed ? rc : told(c, &m->list, now, e);
}

int monitor_mail_again(struct cluster *c, struct err *e)
{
	struct store_monitor state;
	int rc = store_monitor_get(c->store, c->node, &state, e);

	if (rc || !state.mail_retry)
		return rc;
	state.mail_retry = 0;
	return store_monitor_set(c->store, c->node, &state, e);
}

int monitor_mail_done(struct cluster *c, const struct monitor_mail *m, const char *failed, const char *refused,
		      struct err *e)
{
	int rc = store_begin(c->store, e);

	if (!rc)
		rc = record(c, m, failed, refused, e);
	if (!rc)
		rc = store_commit(c->store, e);
	if (rc)
		store_rollback(c->store);
	return rc;
}
