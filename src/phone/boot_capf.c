#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "phone/boot_internal.h"

#define ROUNDS 3 /* through the list of servers on failures of communication (formats-and-protocols.md 7.9) */

const char *boot_capf_name(enum boot_capf r)
{
	static const char *const names[BOOT_CAPF_RESULTS] = {
		"not tried", "nothing scheduled", "LSC installed", "certificate fetched", "LSC deleted", "refused by the server",
		"server not trusted", "waits for an authentication string", "to come back later", "no answer",
	};

	return names[r];
}

static bool not_decrypted(const struct boot *b)
{
	const struct boot_part *full = &b->part[BOOT_FULL];

	return full->fate == FATE_REFUSED && (full->reason == REASON_NO_CERTIFICATE || full->reason == REASON_NOT_DECRYPTED);
}

/* Is something wrong with the phone's certificate, or with what the server believes of it? */
static bool is_out_of_step(const struct boot *b)
{
	return (*b->config.cert_hash && !phone_has_cert(b->p, b->config.cert_hash)) || not_decrypted(b);
}

bool boot_capf_wanted(const struct boot *b)
{
	enum phone_capf_mode mode = b->config.capf_mode;

	if (b->old || b->part[BOOT_CONFIG].fate != FATE_TAKEN)
		return false;
	if (mode == PHONE_CAPF_STRING && (b->string || !b->config.full)) /* a short file leads nowhere but to CAPF */
		return true;
	return mode >= PHONE_CAPF_NULL || is_out_of_step(b);
}

/* ---- ends ---- */

/* The words of the page on which CUCM's administrators see it (behaviour.md 5.1); where the phone shows it is ours. */
static void show(struct boot *b, enum boot_capf result, const char *detail)
{
	static const char *const words[BOOT_CAPF_RESULTS] = {
		[BOOT_CAPF_INSTALLED] = "Upgrade Success", [BOOT_CAPF_FETCHED] = "Troubleshoot Success",
		[BOOT_CAPF_DELETED] = "Delete Success",
	};

	console_log(b->con, "CAPF: %s%s%s", boot_capf_name(result), *detail ? ": " : "", detail); /* our words */
	if (words[result])
		console_message(b->con, "LSC: %s", words[result]);
	else if (result != BOOT_CAPF_NOTHING)
		console_message(b->con, "LSC: Failed: %s", *detail ? detail : boot_capf_name(result));
}

/* May the server have another configuration for it now? */
static bool wants_config_again(const struct boot *b)
{
	bool served = b->capf == BOOT_CAPF_NOTHING || b->capf == BOOT_CAPF_FETCHED;

	return b->enrol.installed || b->enrol.deleted || (served && (is_out_of_step(b) || !b->config.full));
}

static void end(struct boot *b, enum boot_capf result, const char *detail)
{
	static const enum boot_fate fates[BOOT_CAPF_RESULTS] = {
		[BOOT_CAPF_NOTHING] = FATE_SAME,         [BOOT_CAPF_INSTALLED] = FATE_TAKEN,
		[BOOT_CAPF_FETCHED] = FATE_TAKEN,        [BOOT_CAPF_DELETED] = FATE_TAKEN,
		[BOOT_CAPF_DECLINED] = FATE_DECLINED,    [BOOT_CAPF_DISTRUSTED] = FATE_REFUSED,
		[BOOT_CAPF_NO_STRING] = FATE_FAILED,     [BOOT_CAPF_LATER] = FATE_FAILED,
		[BOOT_CAPF_FAILED] = FATE_FAILED,
	};
	struct boot_part *q = &b->part[BOOT_ENROLMENT];

	b->capf = result;
	boot_settle(b, fates[result]);
	if (result != BOOT_CAPF_DISTRUSTED)
		snprintf(q->detail, sizeof q->detail, "%s", detail);
	show(b, result, q->detail);
	b->me = (struct capf_identity){0}; /* its certificate may be gone */
	b->again = true; /* there is no second time */
	if (!wants_config_again(b)) {
		boot_next(b);
		return;
	}
	b->part[BOOT_CONFIG] = b->part[BOOT_FULL] = (struct boot_part){0};
	boot_start_step(b, STEP_HTTPS);
}

/* ---- connections ---- */

static void call(struct boot *b, bool wait)
{
	const struct phone_capf *s = &b->config.capf[b->capf_server];

	b->todo = (struct boot_todo){.action = BOOT_CAPF, .port = s->port, .wait = wait};
	memcpy(b->todo.host, s->host, sizeof b->todo.host);
	console_log(b->con, "CAPF: %s port %u%s", s->host, s->port, wait ? " once more" : ""); /* our words */
	console_tls_begin(b->con, s->host, s->port);
}

void boot_capf_start(struct boot *b)
{
	b->enrol = (struct enrolment){.phone = b->p, .key = b->enrol.key};
	b->d = (struct decision){0};
	enrol_identity(b->p, b->config.capf_mode, b->string, &b->me);
	if (b->config.capf_mode == PHONE_CAPF_STRING && !b->string)
		end(b, BOOT_CAPF_NO_STRING, "");
	else if (!b->config.n_capf)
		end(b, BOOT_CAPF_FAILED, "the configuration names no CAPF server");
	else
		call(b, false);
}

static void failed(struct boot *b, const char *why)
{
	console_error(b->con, "CAPF: %s port %u: %s", b->todo.host, b->todo.port, why); /* our words */
	if (b->capf_server + 1 < b->config.n_capf) {
		b->capf_server++;
		call(b, false);
	} else if (++b->capf_tries < ROUNDS) {
		b->capf_server = 0;
		call(b, true);
	} else {
		end(b, BOOT_CAPF_FAILED, why);
	}
}

void boot_capf_decided(struct boot *b)
{
	if (b->d.verdict == VERDICT_ACCEPT) {
		b->capf_confirmed = true;
		call(b, false); /* the connection did not last for as long as TVS was asked */
	} else if (b->capf_server + 1 < b->config.n_capf) {
		b->capf_server++;
		call(b, false);
	} else {
		end(b, BOOT_CAPF_DISTRUSTED, "");
	}
}

const struct capf_identity *boot_capf_identity(const struct boot *b)
{
	return &b->me;
}

bool boot_capf_connected(struct boot *b, const struct cert *server)
{
	struct err e = ERR_INIT;

	console_tls_done(b->con, b->todo.host);
	if (b->capf_confirmed && !memcmp(b->capf_sha256, cert_sha256(server), sizeof b->capf_sha256))
		return true;
	if (boot_take_offer(b, cert_der(server), &e)) {
		failed(b, e.text);
		return false;
	}
	b->capf_confirmed = false;
	memcpy(b->capf_sha256, cert_sha256(server), sizeof b->capf_sha256);
	phone_decide_server(b->p, server, TVS_ROLE(FUNCTION_CAPF), clock_wall_s(b->con->clock), &b->d);
	console_server_decided(b->con, &b->d, b->todo.host);
	if (b->d.verdict == VERDICT_ACCEPT)
		return true;
	if (b->d.verdict == VERDICT_ASK_TVS)
		b->d.ask.certificate = (struct view){b->offer, b->offer_len};
	boot_go_on(b);
	return false;
}

int boot_capf_obey(struct boot *b, struct capf_client *c, enum capf_client_want want, struct wr *out, struct err *e)
{
	return enrol_obey(&b->enrol, c, want, out, e);
}

static void declined(struct boot *b, unsigned reason)
{
	char words[200];

	if (*b->enrol.failed)
		snprintf(words, sizeof words, "%.*s", (int)sizeof words - 1, b->enrol.failed);
	else if (reason == CAPF_REASON_UNKNOWN_DEVICE)
		snprintf(words, sizeof words, "CAPF does not know this device");
	else if (reason == CAPF_REASON_INVALID)
		snprintf(words, sizeof words, "CAPF took neither string nor certificate, or could not go on");
	else
		snprintf(words, sizeof words, "CAPF ended with reason %u", reason);
	end(b, BOOT_CAPF_DECLINED, words);
}

void boot_capf_ended(struct boot *b, const struct capf_client *c, const char *why)
{
	char words[64];

	if (why) {
		failed(b, why);
		return;
	}
	if (c->retry) { /* the key is kept for then */
		snprintf(words, sizeof words, "in %" PRIu32 " seconds", c->retry_s);
		end(b, BOOT_CAPF_LATER, words);
		return;
	}
	EVP_PKEY_free(b->p->lsc_next);
	b->p->lsc_next = NULL;
	if ((c->reason != CAPF_REASON_NO_ACTION && c->reason != CAPF_REASON_SUCCESS) || *b->enrol.failed)
		declined(b, c->reason);
	else if (b->enrol.installed)
		end(b, BOOT_CAPF_INSTALLED, "");
	else if (b->enrol.deleted)
		end(b, BOOT_CAPF_DELETED, "");
	else if (b->enrol.fetched)
		end(b, BOOT_CAPF_FETCHED, "");
	else
		end(b, BOOT_CAPF_NOTHING, "");
}

enum boot_capf boot_capf(const struct boot *b)
{
	return b->capf;
}

void boot_set_capf(struct boot *b, const char *string, EVP_PKEY *key)
{
	b->string = string;
	b->enrol.key = key;
}

void boot_set_old(struct boot *b)
{
	b->old = true;
}
