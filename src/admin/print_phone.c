#include <ctype.h>

#include "admin/print.h"
#include "cluster/phones.h"

/* "Device Security Mode" becomes device_security_mode. */
static void key_of(enum phone_field f, char *out, size_t size)
{
	const char *name = phone_field_name(f);
	size_t i = 0;

	for (; name[i] && i + 1 < size; i++)
		out[i] = name[i] == ' ' ? '_' : (char)tolower((unsigned char)name[i]);
	out[i] = '\0';
}

static json_t *time_json(int64_t when)
{
	return when ? json_integer(when) : json_null();
}

static json_t *field_json(const struct store_device *d, enum phone_field f)
{
	char text[STORE_NAME_SIZE];

	if (f == PHONE_ENCRYPT_CONFIG)
		return json_boolean(d->encrypt_config);
	if (f == PHONE_RSA_BITS || f == PHONE_EC_BITS)
		return json_integer(f == PHONE_RSA_BITS ? d->rsa_bits : d->ec_bits);
	if (f == PHONE_COMPLETE_BY)
		return time_json(d->complete_by);
	phone_field_text(d, f, text, sizeof(text));
	return json_string(text);
}

static json_t *cert_json(const struct device_cert *c)
{
	if (!c->sha256[0])
		return json_null();
	return json_pack("{s:s, s:s, s:I}", "sha256", c->sha256, "issuer", c->issuer, "not_after", (json_int_t)c->not_after);
}

json_t *print_phone_json(const struct store_device *d)
{
	json_t *j = json_pack("{s:s}", "name", d->name);
	char key[64];
	int bad = !j;

	for (enum phone_field f = 0; !bad && f < PHONE_N_FIELDS; f++) {
		key_of(f, key, sizeof(key));
		bad |= json_object_set_new(j, key, field_json(d, f)) < 0;
	}
	bad = bad || json_object_set_new(j, "certificate_operation_status", json_string(d->status)) < 0 ||
	      json_object_set_new(j, "lsc_renewal", json_boolean(d->renewal)) < 0 ||
	      json_object_set_new(j, "authentication_string_set", json_boolean(d->has_string)) < 0 ||
	      json_object_set_new(j, "authentication_failures", json_integer(d->failures)) < 0 ||
	      json_object_set_new(j, "authentication_locked_until", time_json(d->locked_until)) < 0 ||
	      json_object_set_new(j, "lsc", cert_json(&d->lsc)) < 0 || json_object_set_new(j, "mic", cert_json(&d->mic)) < 0 ||
	      json_object_set_new(j, "lsc_last_proven", time_json(d->lsc_proven)) < 0 ||
	      json_object_set_new(j, "encrypted_last_fetched", time_json(d->encrypted_fetched)) < 0 ||
	      json_object_set_new(j, "last_contact", time_json(d->last_seen)) < 0 ||
	      json_object_set_new(j, "old_tls_last_contact", time_json(d->old_tls_seen)) < 0 ||
	      json_object_set_new(j, "last_address", json_string(d->last_address)) < 0;
	if (!bad)
		return j;
	json_decref(j);
	return NULL;
}
