#include "format/list.h"

#include <string.h>

#include "base/text.h"
#include "format/format_internal.h"
#include "pki/der.h"

/* SubjectPublicKeyInfo: rsaEncryption (1.2.840.113549.1.1.1) and the key. */
static bool spki_rsa_key(struct rd *spki, struct view *pkcs1)
{
	static const uint8_t rsa[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};
	struct rd algorithm;
	struct view oid;

	return der_open(spki, DER_SEQUENCE, &algorithm) && der_view(&algorithm, DER_OID, &oid) &&
	       view_eq(oid, (struct view){rsa, sizeof(rsa)}) && der_bit_string(spki, pkcs1) && rd_done(spki);
}

bool cert_rsa_key(struct view cert_der, struct view *pkcs1)
{
	struct rd r, cert, tbs, spki, version;
	struct view serial;
	uint8_t first;

	rd_init(&r, cert_der.p, cert_der.len);
	if (!der_open(&r, DER_SEQUENCE, &cert) || !rd_done(&r) || !der_open(&cert, DER_SEQUENCE, &tbs))
		return false;
	if (rd_peek_u8(&tbs, &first) && first == DER_CONTEXT_0)
		der_open(&tbs, DER_CONTEXT_0, &version);
	/* serial, signature, issuer, validity, subject, subjectPublicKeyInfo; a serial may even be negative */
	der_view(&tbs, DER_INTEGER, &serial);
	for (int i = 0; i < 4; i++)
		der_skip(&tbs, DER_SEQUENCE);
	return der_open(&tbs, DER_SEQUENCE, &spki) && spki_rsa_key(&spki, pkcs1);
}

int list_record_key(const struct tlv_record *rec, struct view *pkcs1, struct err *e)
{
	struct view key = rec->public_key;

	if (rec->certificate.p) {
		if (!cert_rsa_key(rec->certificate, &key))
			return format_refuse(e, ERR_CRYPTO, "record-key", "the record's certificate has no RSA key; only RSA keys sign files");
		if (rec->public_key.p && !view_eq(rec->public_key, key))
			return format_refuse(e, ERR_CRYPTO, "record-certificate",
					     "PUBLICKEY and CERTIFICATE of the signer's record hold different keys");
	}
	if (!key.p)
		return format_refuse(e, ERR_CRYPTO, "record-key", "the signer's record holds neither a key nor a certificate");
	*pkcs1 = key;
	return 0;
}

/* May this record vouch for a file? Source: 1.13. */
static bool may_sign(const struct tlv_record *rec, uint32_t functions)
{
	if (!rec->has_function || rec->function >= 32 || !(functions & FUNCTION_BIT(rec->function)))
		return false;
	return rec->function != FUNCTION_SAST || rec->certificate.p;
}

/* The same, with the byte order that held. Several candidates are tried in turn: the signature decides. */
static int verify_file(const struct trust_list *l, uint32_t functions, struct view file, const struct tlv_header *h,
		       int *rec, bool *reversed, struct err *e)
{
	struct view key;
	struct err why = ERR_INIT;
	int err = 0;

	for (int i = -1; (i = list_find(l, i, -1, h->ca_name, h->serial)) >= 0;) {
		if (!may_sign(&l->records[i], functions))
			continue;
		err = list_record_key(&l->records[i], &key, &why);
		if (!err)
			err = tlv_verify_key(file, h, key, reversed, &why);
		if (!err) {
			*rec = i;
			return 0;
		}
	}
	if (!err)
		return format_refuse(e, ERR_AUTH, "signer-not-in-list", "no record names the signer with a function that may sign this");
	return format_refuse(e, err == ERR_NOMEM ? err : ERR_CRYPTO, why.rule ? why.rule : "signature", "%s", why.text);
}

int list_verify_file(const struct trust_list *l, uint32_t functions, struct view file, const struct tlv_header *h, int *rec,
		     struct err *e)
{
	bool reversed;
	int found;
	int err = verify_file(l, functions, file, h, &found, &reversed, e);

	if (!err && rec)
		*rec = found;
	return err;
}

int list_verify_list(const struct trust_list *l, const struct trust_list *by, int *rec, struct err *e)
{
	return list_verify_file(by, FUNCTION_BIT(FUNCTION_SAST), (struct view){l->data, l->len}, &l->header, rec, e);
}

/* Tell why nobody in the list signed it. */
static int signer_missing(const struct trust_list *l, struct err *e)
{
	char serial[3 * 32];
	char function[16];
	int other = list_find(l, -1, -1, l->header.ca_name, l->header.serial);

	text_hex(serial, sizeof(serial), l->header.serial, ':', true);
	if (other < 0)
		return format_refuse(e, ERR_CRYPTO, "signer-not-in-list", "the signer (serial %s) is in no record of the list", serial);
	const struct tlv_record *rec = &l->records[other];
	if (rec->has_function && rec->function == FUNCTION_SAST)
		return format_refuse(e, ERR_CRYPTO, "signer-not-in-list",
				     "record %d names the signer (serial %s) but holds no certificate", other + 1, serial);
	text_append(function, sizeof(function), 0, "%u", rec->function);
	const char *name = rec->has_function ? function_name(rec->function) : "none";
	return format_refuse(e, ERR_CRYPTO, "signer-not-in-list",
			     "the signer (serial %s) is record %d, whose function is %s: it may not sign trust lists", serial,
			     other + 1, name ? name : function);
}

int list_verify_self(struct trust_list *l, struct err *e)
{
	struct view file = {l->data, l->len};
	struct err why = ERR_INIT;
	bool reversed = false;
	int signer;

	int err = verify_file(l, FUNCTION_BIT(FUNCTION_SAST), file, &l->header, &signer, &reversed, &why);
	if (err == ERR_AUTH)
		return signer_missing(l, e);
	if (err)
		return format_refuse(e, err, why.rule, "%s", why.text);
	l->signer = signer;
	l->sig_reversed = reversed;
	return 0;
}

int cert_verify_file(const struct cert *c, struct view file, const struct tlv_header *h, struct err *e)
{
	if (!serial_matches_cert(h->serial, cert_serial(c)))
		return format_refuse(e, ERR_AUTH, "signer-other", "the file is signed by another certificate than %s", cert_subject(c));
	if (cert_key_type(c) != CERT_KEY_RSA)
		return format_refuse(e, ERR_CRYPTO, "record-key", "%s has no RSA key; only RSA keys sign files", cert_subject(c));
	return tlv_verify_key(file, h, cert_public_key(c), NULL, e);
}

int list_verify_cert(const struct trust_list *l, const struct cert *c, struct err *e)
{
	return cert_verify_file(c, (struct view){l->data, l->len}, &l->header, e);
}
