#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/enc.h"
#include "phone/boot_internal.h"

/* The operator's file may leave the way to CAPF to the stub, which names it. */
static void keep_capf(const struct phone_config *stub, struct phone_config *c)
{
	if (!c->n_capf) {
		memcpy(c->capf, stub->capf, sizeof c->capf);
		c->n_capf = stub->n_capf;
	}
	if (!c->capf_mode)
		c->capf_mode = stub->capf_mode;
	if (!*c->cert_hash)
		memcpy(c->cert_hash, stub->cert_hash, sizeof c->cert_hash);
}

/* The plain configuration, which is ours now, becomes the phone's: its TVS servers are asked from now on. */
static void use_config_take(struct boot *b, uint8_t *plain, size_t len)
{
	struct phone_config c;
	struct err e = ERR_INIT;

	if (phone_config_parse((struct view){plain, len}, &c, &e)) {
		free(plain);
		b->d.reason = REASON_MALFORMED;
		snprintf(b->d.detail, sizeof b->d.detail, "%s", e.text);
		boot_settle(b, FATE_REFUSED);
		console_message(b->con, "%s.cnf.xml: %s", b->p->device, e.text);
		return;
	}
	boot_settle(b, FATE_TAKEN);
	free(b->configuration);
	b->configuration_len = len;
	b->configuration = plain;
	if (b->step == STEP_FULL)
		keep_capf(&b->config, &c);
	b->config = c;
	if (!c.full)
		return;
	memcpy(b->p->tvs, c.tvs, sizeof b->p->tvs);
	b->p->n_tvs = c.n_tvs;
}

static void use_offer(struct boot *b)
{
	uint8_t *plain = b->offer;
	size_t len = b->offer_len - b->d.payload;

	memmove(plain, plain + b->d.payload, len);
	b->offer = NULL;
	use_config_take(b, plain, len);
}

/* The signature of the encrypted configuration holds: is it for this phone? LSC before MIC (behaviour.md 5.4). */
static void use_encrypted(struct boot *b)
{
	const struct phone_identity *own[] = {&b->p->lsc, &b->p->mic};
	uint8_t *plain = NULL;
	size_t len = 0;
	struct err e = ERR_INIT;

	b->d.reason = REASON_NO_CERTIFICATE;
	for (size_t i = 0; !plain && i < sizeof own / sizeof *own; i++) {
		if (!own[i]->cert)
			continue;
		err_clear(&e);
		b->d.reason = enc_decrypt((struct view){b->offer, b->offer_len}, own[i]->key, &plain, &len, &e)
				      ? REASON_NOT_DECRYPTED
				      : REASON_DECRYPTED;
	}
	if (plain) {
		use_config_take(b, plain, len);
		return;
	}
	snprintf(b->d.detail, sizeof b->d.detail, "%s", e.text);
	boot_settle(b, FATE_REFUSED);
	console_error(b->con, "SECD: EROR:decryptFile: decrypt FAILED </usr/ram/%s.cnf.xml>; %s", b->p->device,
		      *e.text ? e.text : reason_text(b->d.reason)); /* our words */
}

void boot_config_settled(struct boot *b)
{
	char name[PHONE_HOST_MAX];
	size_t len = strlen(b->todo.name);

	snprintf(name, sizeof name, "%.*s", (int)(len > 4 && !strcmp(b->todo.name + len - 4, ".sgn") ? len - 4 : len),
		 b->todo.name);
	if (!b->todo.https)
		console_file_decided(b->con, &b->d, name);
	if (b->d.verdict == VERDICT_REFUSE) {
		boot_settle(b, FATE_REFUSED);
		console_message(b->con, "Verification Failed");
	} else {
		if (b->step == STEP_FULL)
			use_encrypted(b);
		else
			use_offer(b);
		if (boot_part_of_step(b)->fate == FATE_TAKEN)
			console_message(b->con, "%s", b->todo.name);
	}
}
