#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd/capf/run.h"
#include "cmd/json.h"

/* What END_SESSION says. Source: 7.4. */
static const char *reason_words(uint8_t reason)
{
	switch (reason) {
	case CAPF_REASON_NO_ACTION: return "nothing is scheduled for this device";
	case CAPF_REASON_SUCCESS: return "the server says that it is done";
	case CAPF_REASON_INVALID:
		return "the server declines: the authentication string or certificate is wrong or missing, the device or this address is locked out, or (CUCM) there is nothing to do";
	case CAPF_REASON_UNKNOWN_DEVICE: return "the server knows no such device";
	default: return "the server ended the session for a reason that nobody knows";
	}
}

static const char *op_name(enum capf_op op)
{
	static const char *const names[] = {"enroll", "fetch", "delete"};

	return names[op];
}

/* Why it is not done. */
static void failure(const struct capf_run *r, char *out, size_t size)
{
	const struct capf_session *s = &r->session;
	size_t n = 0;

	if (!r->ended)
		n = text_append(out, size, 0, "%s port %u: %s", r->o.host, r->o.port, r->why);
	else if (r->end.retry)
		n = text_append(out, size, 0, "the server says: come back in %" PRIu32 " seconds", r->end.retry_s);
	else if (s->declined[0])
		n = text_append(out, size, 0, "%s", s->declined);
	else
		n = text_append(out, size, 0, "%s (reason %u)", reason_words(r->end.reason), r->end.reason);
	if (r->ended && r->why[0])
		n = text_append(out, size, n, "; %s", r->why);
	if (!r->ended && s->declined[0])
		n = text_append(out, size, n, "; before, %s", s->declined);
	if (s->key_waits)
		text_append(out, size, n, "; the new key waits in %s: enroll again then with --use-key %s", s->key_out, s->key_out);
	else if (s->lsc)
		text_append(out, size, n, "; the certificate was stored in %s all the same, but the server may not count it",
			    s->cert_out);
	else if (s->obeyed && s->op == CAPF_OP_DELETE)
		text_append(out, size, n, "; the server was told that the certificate is deleted, but no file was removed");
}

static void iso_date(int64_t when_s, char out[32])
{
	time_t t = (time_t)when_s;
	struct tm tm;

	out[0] = '\0';
	if (gmtime_r(&t, &tm))
		strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static const char *key_kind(const struct cert *c)
{
	return cert_key_type(c) == CERT_KEY_RSA ? "RSA" : "EC";
}

static void done_text(const struct capf_run *r)
{
	const struct capf_session *s = &r->session;
	char until[32];

	if (s->op == CAPF_OP_FETCH)
		printf("%s: the server has the certificate %s.\n", s->device, cert_subject(s->cert));
	else if (s->op == CAPF_OP_DELETE)
		printf("%s: the server was told that the certificate is deleted%s.\n", s->device,
		       r->o.n_remove ? "" : "; no file was removed");
	if (!s->lsc)
		return;
	iso_date(cert_not_after(s->lsc), until);
	printf("%s: a certificate for a key of %s %u is in %s.\n", s->device, key_kind(s->lsc), cert_key_bits(s->lsc),
	       s->cert_out);
	printf("subject: %s\nissuer:  %s\nuntil:   %s\n", cert_subject(s->lsc), cert_issuer(s->lsc), until);
	if (!s->given_key)
		printf("key:     %s\n", s->key_out);
}

static json_t *json_lsc(const struct cert *c)
{
	char from[32], until[32];

	iso_date(cert_not_before(c), from);
	iso_date(cert_not_after(c), until);
	return json_pack("{s:s, s:s, s:o, s:s, s:s, s:s, s:i}", "subject", cert_subject(c), "issuer", cert_issuer(c),
			 "serial", json_hex(cert_serial(c)), "not_before", from, "not_after", until,
			 "key_type", key_kind(c), "key_bits", (int)cert_key_bits(c));
}

/* What is not known or does not apply is null. */
static int report_json(const struct capf_run *r, bool done, const char *why, struct err *e)
{
	const struct capf_session *s = &r->session;
	bool reason = r->ended && !r->end.retry;
	json_t *o = json_pack("{s:s, s:s, s:b}", "device", s->device, "operation", op_name(s->op), "done", done);

	json_object_set_new(o, "server_trusted", r->refused ? json_false() : r->trusted ? json_true() : json_null());
	json_object_set_new(o, "version", r->end.greeted ? json_integer(r->end.version) : json_null());
	json_object_set_new(o, "reason", reason ? json_integer(r->end.reason) : json_null());
	json_object_set_new(o, "retry_after", r->ended && r->end.retry ? json_integer(r->end.retry_s) : json_null());
	json_object_set_new(o, "certificate", s->lsc ? json_lsc(s->lsc) : json_null());
	json_object_set_new(o, "certificate_file", s->lsc ? json_string(s->cert_out) : json_null());
	json_object_set_new(o, "key_file", !s->given_key && (s->lsc || s->key_waits) ? json_string(s->key_out) : json_null());
	json_object_set_new(o, "error", done ? json_null() : json_text(view_str(why)));
	return json_print(o, e);
}

static int remove_files(const struct capf_run *r)
{
	int status = CMD_OK;

	for (size_t i = 0; i < r->o.n_remove; i++)
		if (unlink(r->o.remove[i]) < 0)
			status = cmd_error(r->cmd, CMD_NO, "%s cannot be removed: %s", r->o.remove[i], strerror(errno));
	return status;
}

int capf_report(const struct capf_run *r)
{
	bool done = r->ended && capf_session_done(&r->session, &r->end);
	char why[1200] = "";
	struct err e = ERR_INIT;
	int status = CMD_OK;

	if (done)
		status = remove_files(r);
	else
		failure(r, why, sizeof why);
	if (r->o.json && report_json(r, done, why, &e))
		return cmd_error(r->cmd, CMD_NO, "%s", e.text);
	if (!done)
		return cmd_error(r->cmd, CMD_NO, "%s", why);
	if (!r->o.json)
		done_text(r);
	return status;
}
