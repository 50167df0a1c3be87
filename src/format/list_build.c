#include "format/list.h"

#include <openssl/objects.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "format/format_internal.h"

#define DNS_NAME_MAX 255

/* What a record carries besides FUNCTION, in the order of CUCM; see put_certificate_peer for the other one. */
static int put_hash(struct wr *w, const struct record_spec *rec, struct err *e)
{
	uint8_t hash[DIGEST_MAX];
	int err = digest_one(rec->hash, cert_der(rec->cert), hash, e);

	if (err)
		return err;
	put_element(w, RECORD_CERTHASH, (struct view){hash, digest_len(rec->hash)});
	put_u8(w, RECORD_HASHALGORITHM, (uint8_t)rec->hash);
	return 0;
}

static int put_certificate_cucm(struct wr *w, const struct record_spec *rec, enum name_form names, struct err *e)
{
	const struct cert *c = rec->cert;
	bool token = rec->style == RECORD_TOKEN;

	int err = put_subject(w, RECORD_SUBJECTNAME, c, names, e);
	put_u16(w, RECORD_FUNCTION, rec->function);
	if (!err)
		err = put_issuer(w, RECORD_ISSUERNAME, c, names, e);
	put_serial(w, RECORD_SERIALNUMBER, c, token, false);
	put_element(w, RECORD_PUBLICKEY, cert_public_key(c));
	if (!token && !rec->no_signature)
		put_element(w, RECORD_SIGNATURE, cert_signature(c));
	if (!err && rec->style == RECORD_HASH_ONLY)
		return put_hash(w, rec, e);
	put_element(w, RECORD_CERTIFICATE, cert_der(c));
	return err;
}

/* The order of the other tools: 3, 5, 6, 4, 7, 8, 9 (2.3). */
static int put_certificate_peer(struct wr *w, const struct record_spec *rec, enum name_form names, struct err *e)
{
	const struct cert *c = rec->cert;

	int err = put_subject(w, RECORD_SUBJECTNAME, c, names, e);
	if (!err)
		err = put_issuer(w, RECORD_ISSUERNAME, c, names, e);
	put_serial(w, RECORD_SERIALNUMBER, c, false, false);
	put_u16(w, RECORD_FUNCTION, rec->function);
	put_element(w, RECORD_PUBLICKEY, cert_public_key(c));
	put_element(w, RECORD_SIGNATURE, cert_signature(c));
	if (!err && rec->style == RECORD_HASH_ONLY)
		return put_hash(w, rec, e);
	put_element(w, RECORD_CERTIFICATE, cert_der(c));
	return err;
}

static void put_dns_name(struct wr *w, const struct list_spec *spec, const struct record_spec *rec)
{
	static const uint8_t blank[2]; /* what CUCM writes into an ITL; its meaning is not known (10, question 2) */

	if (rec->dns_name)
		put_text(w, RECORD_DNSNAME, rec->dns_name);
	else if (spec->record_layout == TLV_LAYOUT_CUCM)
		put_element(w, RECORD_DNSNAME, (struct view){blank, sizeof(blank)});
}

static int put_record(struct wr *w, const struct list_spec *spec, const struct record_spec *rec, struct err *e)
{
	enum name_form names = rec->style == RECORD_TOKEN ? NAME_FORM_B : spec->names;
	size_t start = w->len;
	int err = 0;

	put_u16(w, RECORD_LENGTH, 0);
	put_dns_name(w, spec, rec);
	if (rec->style == RECORD_EMPTY)
		put_u16(w, RECORD_FUNCTION, rec->function);
	else if (spec->record_layout == TLV_LAYOUT_PEER)
		err = put_certificate_peer(w, rec, names, e);
	else
		err = put_certificate_cucm(w, rec, names, e);
	if (rec->has_ip)
		put_element(w, RECORD_IPADDRESS, (struct view){rec->ip, sizeof(rec->ip)});
	if (err || w->failed)
		return err ? err : err_set(e, w->failed, "the list would be larger than %zu octets", w->cap);
	size_t len = w->len - start;
	if (len > UINT16_MAX)
		return err_set(e, ERR_LIMIT, "the record would have %zu octets; no more than %d are possible", len, UINT16_MAX);
	wr_patch_u16(w, start + 3, (uint16_t)len);
	return 0;
}

static bool same_certificate(const struct cert *a, const struct cert *b)
{
	return cert_same(a, b) ||
	       (serial_same(cert_serial(a), cert_serial(b)) && view_eq(cert_issuer_der(a), cert_issuer_der(b)));
}

static bool same_record(const struct record_spec *a, const struct record_spec *b)
{
	if (a->function != b->function || !a->cert != !b->cert)
		return false;
	if (a->cert)
		return same_certificate(a->cert, b->cert);
	return a->dns_name && b->dns_name && a->dns_name[0] && strcmp(a->dns_name, b->dns_name) == 0;
}

static int check_record(const struct record_spec *rec, struct err *e)
{
	if ((rec->style == RECORD_EMPTY) != !rec->cert)
		return err_set(e, ERR_USAGE, rec->cert ? "an empty record takes no certificate" : "the certificate is missing");
	if (rec->dns_name && strlen(rec->dns_name) > DNS_NAME_MAX)
		return err_set(e, ERR_USAGE, "the name is longer than %d characters", DNS_NAME_MAX);
	if (rec->cert && cert_public_key(rec->cert).len == 0)
		return err_set(e, ERR_USAGE, "%s: lists hold certificates with RSA or EC keys only", cert_subject(rec->cert));
	if (rec->style == RECORD_HASH_ONLY && !digest_known(rec->hash))
		return err_set(e, ERR_USAGE, "the hash of the certificate must be SHA-1, SHA-256 or SHA-512");
	return 0;
}

static int check_records(const struct list_spec *s, struct err *e)
{
	unsigned n_sast = 0, max_sast = s->type == LIST_CTL ? LIST_MAX_SAST_CTL : LIST_MAX_SAST;
	bool signer = false;

	for (size_t i = 0; i < s->n_records; i++) {
		const struct record_spec *rec = &s->records[i];
		int err = check_record(rec, e);
		if (err) {
			err_prefix(e, "record %zu", i + 1);
			return err;
		}
		for (size_t j = 0; j < i; j++)
			if (same_record(rec, &s->records[j]))
				return err_set(e, ERR_USAGE, "record %zu repeats record %zu", i + 1, j + 1);
		n_sast += rec->function == FUNCTION_SAST;
		signer |= rec->function == FUNCTION_SAST && rec->cert && rec->style != RECORD_HASH_ONLY &&
			  cert_same(rec->cert, s->signer);
	}
	if (n_sast > max_sast)
		return err_set(e, ERR_USAGE, "%u records have the function System Administrator Security Token; phones keep at most %u", n_sast, max_sast);
	if (!signer)
		return err_set(e, ERR_USAGE, "the signer, %s, is in no record with the function System Administrator Security Token; phones could never verify the list",
			       cert_subject(s->signer));
	return 0;
}

/* What was written must read back and verify: a wrong key, or a fault while signing, never leaves this function. */
static int read_back(struct view file, enum list_type type, struct err *e)
{
	struct trust_list *l = NULL;
	struct err why = ERR_INIT;

	int err = list_parse(file, type, &l, &why);
	if (!err)
		err = list_verify_self(l, &why);
	list_free(l);
	if (!err)
		return 0;
	return err_set(e, err == ERR_PROTO ? ERR_BUG : err, "the new list does not verify (%s): does the key belong to the signer's certificate?",
		       why.text);
}

static struct header_spec header_of(const struct list_spec *s)
{
	return (struct header_spec){
		.version = {1, 2},
		.layout = s->header_layout,
		.signer_version = s->signer_version,
		.signer = s->signer,
		.names = s->signer_token ? NAME_FORM_B : s->names,
		.reversed_serial = s->signer_token,
		.der_serial = s->signer_serial_der,
		.digest = s->digest,
		.timestamp = s->timestamp,
		.file_name = s->file_name ? s->file_name : list_type_file_name(s->type),
	};
}

static int put_records(struct wr *w, const struct list_spec *s, struct err *e)
{
	for (size_t i = 0; i < s->n_records; i++) {
		int err = put_record(w, s, &s->records[i], e);
		if (err) {
			err_prefix(e, "record %zu", i + 1);
			return err;
		}
	}
	return 0;
}

static int write_list(const struct list_spec *spec, const struct list_signer *signer, uint8_t **file, size_t *len,
		      struct err *e)
{
	struct header_spec header = header_of(spec);
	struct wr records, w;

	wr_init(&records, TLV_FILE_MAX);
	wr_init(&w, TLV_FILE_MAX);
	int err = check_records(spec, e);
	if (!err)
		err = put_records(&records, spec, e);
	if (!err)
		err = header_build(&header, signer, wr_view_all(&records), &w, e);
	if (!err) {
		wr_view(&w, wr_view_all(&records));
		err = wr_finish(&w, file, len, e);
	}
	wr_clear(&records);
	wr_clear(&w);
	return err;
}

int list_build(const struct list_spec *spec, const struct list_signer *signer, uint8_t **data, size_t *len, struct err *e)
{
	AUTO(auto_free) uint8_t *file = NULL;
	size_t file_len = 0;
	int err = write_list(spec, signer, &file, &file_len, e);

	if (!err)
		err = read_back((struct view){file, file_len}, spec->type, e);
	if (err)
		return err;
	*data = file;
	*len = file_len;
	file = NULL;
	return 0;
}

/* As long as the signature will be. */
static int leave_room(void *ctx, enum digest d, const uint8_t *hash, uint8_t *sig, size_t *len, struct err *e)
{
	const struct list_spec *spec = ctx;

	(void)d;
	(void)hash;
	(void)e;
	*len = cert_key_bits(spec->signer) / 8;
	memset(sig, 0, *len);
	return 0;
}

int list_check(const struct list_spec *spec, size_t *len, struct err *e)
{
	const struct list_signer signer = {leave_room, (void *)(uintptr_t)spec};
	AUTO(auto_free) uint8_t *file = NULL;

	return write_list(spec, &signer, &file, len, e);
}

static int keystore_sign(void *ctx, enum digest d, const uint8_t *hash, uint8_t *sig, size_t *len, struct err *e)
{
	const struct keystore_signer *s = ctx;
	struct key_sign req = {
		.scheme = KEY_SCHEME_PKCS1,
		.md_nid = d == DIGEST_SHA1 ? NID_sha1 : NID_sha512,
		.input = {hash, digest_len(d)},
	};

	return s->ks->ops->sign(s->ks, s->name, &req, sig, len, e);
}

struct list_signer list_keystore_signer(struct keystore_signer *ctx)
{
	return (struct list_signer){keystore_sign, ctx};
}
