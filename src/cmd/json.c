#include "cmd/json.h"

#include "base/text.h"
#include "cmd/offline.h"

/* A string of a stranger as it is, JSON_ENSURE_ASCII takes care of it; escaped where it is not UTF-8. NULL view: null. */
json_t *json_text(struct view v)
{
	char shown[2048];

	if (!v.p)
		return json_null();
	v = tlv_text(v);
	json_t *s = json_stringn((const char *)v.p, v.len);
	if (s)
		return s;
	text_escape(shown, sizeof(shown), v);
	return json_string(shown);
}

json_t *json_hex(struct view v)
{
	char shown[2048];

	if (!v.p)
		return json_null();
	text_hex(shown, sizeof(shown), v, '\0', false);
	return json_string(shown);
}

json_t *json_digest(enum digest d, struct view v)
{
	uint8_t hash[DIGEST_MAX];

	if (digest_one(d, v, hash, NULL))
		return json_null();
	return json_hex((struct view){hash, digest_len(d)});
}

static json_t *version(const uint8_t v[2])
{
	return json_sprintf("%u.%u", v[0], v[1]);
}

static void set_encryption(json_t *o, const struct tlv_header *h)
{
	json_object_set_new(o, "iv", json_hex(h->iv));
	json_object_set_new(o, "padding", h->has_padding_len ? json_integer(h->padding_len) : json_null());
	json_object_set_new(o, "key_bits", json_integer(h->key_bits));
	json_object_set_new(o, "wrapped_key_length", json_integer((json_int_t)h->wrapped_key.len));
	json_object_set_new(o, "plaintext_digest",
			    h->plaintext_digest ? json_string(digest_name((enum digest)h->plaintext_digest)) : json_null());
	json_object_set_new(o, "plaintext_hash", json_hex(h->plaintext_hash));
}

json_t *json_header(const struct tlv_header *h, bool encrypted)
{
	json_t *o = json_object();
	uint8_t file_version[] = {h->major, h->minor};

	json_object_set_new(o, "version", version(file_version));
	json_object_set_new(o, "length", json_integer(h->header_len));
	json_object_set_new(o, "signer", json_text(h->signer_name));
	json_object_set_new(o, "issuer", json_text(h->ca_name));
	json_object_set_new(o, "serial", json_hex(h->serial));
	json_object_set_new(o, "digest", json_string(digest_name((enum digest)h->digest)));
	json_object_set_new(o, "signature_bits", json_integer((json_int_t)h->signature.len * 8));
	json_object_set_new(o, "file_name", json_text(h->file_name));
	json_object_set_new(o, "timestamp", h->has_timestamp ? json_integer(h->timestamp) : json_null());
	json_object_set_new(o, "signer_version", h->has_signer_version ? version(h->signer_version) : json_null());
	if (encrypted)
		set_encryption(o, h);
	return o;
}

static json_t *address(struct view ip)
{
	if (ip.len != 4)
		return json_null();
	return json_sprintf("%u.%u.%u.%u", ip.p[0], ip.p[1], ip.p[2], ip.p[3]);
}

static json_t *function(const struct tlv_record *rec)
{
	const char *name = role_name(rec->function);

	if (!rec->has_function)
		return json_null();
	return name ? json_string(name) : json_sprintf("%u", rec->function);
}

json_t *json_record(const struct tlv_record *rec)
{
	json_t *o = json_object();

	json_object_set_new(o, "offset", json_integer((json_int_t)rec->offset));
	json_object_set_new(o, "length", json_integer((json_int_t)rec->raw.len));
	json_object_set_new(o, "function", function(rec));
	json_object_set_new(o, "dns_name", json_text(rec->dns_name));
	json_object_set_new(o, "subject", json_text(rec->subject));
	json_object_set_new(o, "issuer", json_text(rec->issuer));
	json_object_set_new(o, "serial", json_hex(rec->serial));
	json_object_set_new(o, "ip_address", address(rec->ip_address));
	json_object_set_new(o, "certificate_sha1", rec->certificate.p ? json_digest(DIGEST_SHA1, rec->certificate) : json_null());
	json_object_set_new(o, "certificate_hash", json_hex(rec->cert_hash));
	json_object_set_new(o, "hash_algorithm",
			    digest_known(rec->hash_algorithm) ? json_string(digest_name((enum digest)rec->hash_algorithm))
							      : json_null());
	return o;
}

json_t *json_warnings(const struct trust_list *l)
{
	json_t *a = json_array();

	for (size_t i = 0; i < l->n_warnings; i++)
		json_array_append_new(a, json_text(view_str(l->warnings[i])));
	return a;
}

int json_print(json_t *o, struct err *e)
{
	int failed = json_dumpf(o, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);

	json_decref(o);
	putchar('\n');
	return failed ? err_set(e, ERR_IO, "the JSON object could not be written") : 0;
}
