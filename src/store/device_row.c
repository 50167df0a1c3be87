#include "store/device_row.h"

#include <stdio.h>

#include "base/text.h"

/* Where DEVICE_ROW_SELECT has what. */
enum column {
	NAME, DESCRIPTION, MODEL, POOL, GROUP, SECURITY, TRANSPORT, ENCRYPT, OPERATION, AUTH, KEY_ORDER, RSA_BITS, EC_BITS,
	COMPLETE_BY, STATUS, HAS_STRING, FAILURES, LOCKED, LSC, LSC_ISSUER, LSC_END, LSC_PROVEN, MIC, MIC_ISSUER, MIC_END,
	SEEN, ADDRESS, FETCHED, OLD_TLS, OPERATION_ID, RENEWAL,
};

static int take_texts(const struct store_row *r, struct store_device *d, struct err *e)
{
	const struct {
		enum column column;
		char *out;
		size_t size;
	} texts[] = {
		{NAME, d->name, sizeof(d->name)},
		{DESCRIPTION, d->description, sizeof(d->description)},
		{MODEL, d->model, sizeof(d->model)},
		{POOL, d->pool, sizeof(d->pool)},
		{GROUP, d->group, sizeof(d->group)},
		{STATUS, d->status, sizeof(d->status)},
		{LSC, d->lsc.sha256, sizeof(d->lsc.sha256)},
		{LSC_ISSUER, d->lsc.issuer, sizeof(d->lsc.issuer)},
		{MIC, d->mic.sha256, sizeof(d->mic.sha256)},
		{MIC_ISSUER, d->mic.issuer, sizeof(d->mic.issuer)},
		{ADDRESS, d->last_address, sizeof(d->last_address)},
		{OPERATION_ID, d->operation_id, sizeof(d->operation_id)},
	};
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(texts) / sizeof(texts[0]); i++)
		rc = row_copy(r, texts[i].column, texts[i].out, texts[i].size, e);
	return rc;
}

static int take_words(const struct store_row *r, struct store_device *d, struct err *e)
{
	unsigned security, transport, operation, auth, key_order;
	int rc = row_word(r, SECURITY, device_security_names, &security, e);

	if (!rc)
		rc = row_word(r, TRANSPORT, device_transport_names, &transport, e);
	if (!rc)
		rc = row_word(r, OPERATION, device_operation_names, &operation, e);
	if (!rc)
		rc = row_word(r, AUTH, device_auth_names, &auth, e);
	if (!rc)
		rc = row_word(r, KEY_ORDER, device_key_order_names, &key_order, e);
	if (rc)
		return rc;
	d->security = security;
	d->transport = transport;
	d->operation = operation;
	d->auth = auth;
	d->key_order = key_order;
	return 0;
}

int device_row_take(const struct store_row *r, struct store_device *d, struct err *e)
{
	int rc = take_texts(r, d, e);

	if (!rc)
		rc = take_words(r, d, e);
	if (rc)
		return rc;
	d->encrypt_config = row_bool(r, ENCRYPT);
	d->rsa_bits = (unsigned)row_int(r, RSA_BITS);
	d->ec_bits = (unsigned)row_int(r, EC_BITS);
	d->complete_by = row_int(r, COMPLETE_BY);
	d->has_string = row_bool(r, HAS_STRING);
	d->failures = (unsigned)row_int(r, FAILURES);
	d->locked_until = row_int(r, LOCKED);
	d->lsc.not_after = row_int(r, LSC_END);
	d->lsc_proven = row_int(r, LSC_PROVEN);
	d->mic.not_after = row_int(r, MIC_END);
	d->last_seen = row_int(r, SEEN);
	d->encrypted_fetched = row_int(r, FETCHED);
	d->old_tls_seen = row_int(r, OLD_TLS);
	d->renewal = row_bool(r, RENEWAL);
	return 0;
}

static bool among(unsigned value, const unsigned *allowed)
{
	while (*allowed && *allowed != value)
		allowed++;
	return *allowed;
}

static int check_text(const struct store_device *d, const char *what, const char *text, struct err *e)
{
	int rc = *text ? store_name_ok(what, text, e) : 0;

	if (rc)
		err_prefix(e, "device %s", d->name);
	return rc;
}

static int check_capf(struct store_device *d, struct err *e)
{
	static const unsigned rsa[] = {512, 1024, 2048, 3072, 4096, 0}, ec[] = {256, 384, 521, 0};

	if (!d->rsa_bits)
		d->rsa_bits = 2048;
	if (!d->ec_bits)
		d->ec_bits = 384;
	if (!*d->status)
		snprintf(d->status, sizeof(d->status), "%s", DEVICE_STATUS_NONE);
	if (!among(d->rsa_bits, rsa))
		return err_set(e, ERR_USAGE, "device %s: an RSA key of %u bits; it is one of 512, 1024, 2048, 3072, 4096", d->name,
			       d->rsa_bits);
	if (!among(d->ec_bits, ec))
		return err_set(e, ERR_USAGE, "device %s: an EC key of %u bits; it is one of 256, 384, 521", d->name, d->ec_bits);
	if (!device_status_known(d->status))
		return err_set(e, ERR_USAGE, "device %s: there is no certificate operation status '%s'", d->name, d->status);
	return 0;
}

int device_row_check(struct store_device *d, struct err *e)
{
	int rc = store_name_ok("device", d->name, e);

	if (rc)
		return rc;
	if (!text_is_device_name(d->name))
		return err_set(e, ERR_USAGE,
			       "device %s: a name is three capital letters and 1 to 60 of A-Z a-z 0-9 . _ - "
			       "(SEP001122334455)", d->name);
	if (d->security > DEVICE_ENCRYPTED || d->transport > DEVICE_TLS || d->operation > DEVICE_TROUBLESHOOT ||
	    d->auth > DEVICE_AUTH_MIC || d->key_order > DEVICE_EC_PREFERRED)
		return err_set(e, ERR_BUG, "device %s: a value that has no name", d->name);
	if ((d->security != DEVICE_NON_SECURE) != (d->transport == DEVICE_TLS))
		return err_set(e, ERR_USAGE, "device %s: transport TLS goes with device security mode Authenticated or Encrypted, "
			       "and with nothing else", d->name);
	rc = check_text(d, "description", d->description, e);
	if (!rc)
		rc = check_text(d, "model", d->model, e);
	if (!rc)
		rc = check_text(d, "device pool", d->pool, e);
	return rc ? rc : check_capf(d, e);
}
