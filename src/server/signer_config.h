#pragma once

#include "server/signer.h"

/* How a file is asked for. */
enum signer_form {
	SIGNER_SIGNED,    /* base.sgn */
	SIGNER_ENCRYPTED, /* base.enc.sgn */
	SIGNER_BARE,      /* base */
};

/* What is to be served, before it is encrypted and signed. */
struct signer_content {
	uint8_t *data;             /* heap */
	size_t len;
	enum digest digest;
	struct cert *device;       /* encrypt for this one; NULL: do not */
};
void signer_content_clear(struct signer_content *x);

/* signer_config_is: is this the configuration of a device (DEVICE.cnf.xml, letters in any case)? Out: its name. */
bool signer_config_is(const char *base, char device[STORE_NAME_SIZE]);

/*
 * signer_config: make the operator's file of a device what the phone is to get.
 * In/out: x->data the file, x->digest what the parameter says. What cannot be done to it because it is no good XML is left,
 *         and logged: a phone would rather have half of what it needs.
 * Errors: as signer_sign.
 */
int signer_config(const struct signer_site *site, const char *device, enum signer_form form, struct signer_content *x,
		  struct err *e) MUST_CHECK;
