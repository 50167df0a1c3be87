#include "format/tlv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "format/format_internal.h"
#include "pki/rsa.h"

#define CONTAINER_DEPTH_MAX 4 /* the deepest known is 16 > 17 */

int format_refuse(struct err *e, int code, const char *rule, const char *fmt, ...)
{
	char text[sizeof(e->text)];
	bool first = e && !e->code;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(e, code, "%s", text);
	if (first)
		e->rule = rule;
	return code;
}

const char *function_name(unsigned f)
{
	switch (f) {
	case FUNCTION_SAST: return "System Administrator Security Token";
	case FUNCTION_CCM: return "CCM";
	case FUNCTION_CCM_TFTP: return "CCM+TFTP";
	case FUNCTION_TFTP: return "TFTP";
	case FUNCTION_CAPF: return "CAPF";
	case FUNCTION_APP_SERVER: return "APP-SERVER";
	case FUNCTION_TVS: return "TVS";
	default: return NULL;
	}
}

struct view tlv_text(struct view element)
{
	const uint8_t *nul = element.len ? memchr(element.p, 0, element.len) : NULL;

	if (nul)
		element.len = (size_t)(nul - element.p);
	return element;
}

bool tlv_is_container(uint8_t header_tag)
{
	switch (header_tag) {
	case HEADER_SIGNERID:
	case HEADER_SIGNATUREINFO:
	case HEADER_SIGNATUREALGOINFO:
	case HEADER_ENCRYPTIONINFO:
	case HEADER_IVINFO:
	case HEADER_KEYINFO:
		return true;
	default:
		return false;
	}
}

/* Tags seen so far, for refusing a second one. Tags above 31 are unknown and may repeat. */
static bool seen_before(uint32_t *seen, uint8_t tag)
{
	uint32_t bit = tag < 32 ? UINT32_C(1) << tag : 0;
	bool before = *seen & bit;

	*seen |= bit;
	return before;
}

static void count_unknown(unsigned *n, uint8_t *first, uint8_t tag)
{
	if ((*n)++ == 0)
		*first = tag;
}

struct header_scan {
	struct tlv_header *h;
	uint32_t seen;
	struct err *e;
};

static int wrong_size(struct err *e, size_t offset, uint8_t tag, size_t len, unsigned want)
{
	return err_rule(e, "element-size", (long)offset, "the element at offset %zu (tag %u) has %zu octets, not %u", offset,
			tag, len, want);
}

static int take_u8(struct header_scan *s, uint8_t tag, size_t offset, struct rd *r, uint8_t *out)
{
	if (r->left != 1)
		return wrong_size(s->e, offset, tag, r->left, 1);
	rd_u8(r, out);
	return 0;
}

static int take_hash_code(struct header_scan *s, uint8_t tag, size_t offset, struct rd *r, uint8_t *out)
{
	uint8_t code = 0;
	int err = take_u8(s, tag, offset, r, &code);

	if (err)
		return err;
	if (!digest_known(code))
		return err_rule(s->e, "digest-unknown", (long)offset,
				"hash algorithm %u is not known; 1 is SHA-1, 2 SHA-256, 3 SHA-512", code);
	*out = code;
	return 0;
}

/* TIMESTAMP and SIGNERVERSION of another size are ignored (1.14). */
static void take_timestamp(struct tlv_header *h, struct rd *r)
{
	h->has_timestamp = r->left == 4 && rd_u32(r, &h->timestamp);
}

static void take_signer_version(struct tlv_header *h, struct rd *r)
{
	h->has_signer_version = r->left == 2 && rd_u8(r, &h->signer_version[0]) && rd_u8(r, &h->signer_version[1]);
}

static int take_padding_len(struct header_scan *s, size_t offset, struct rd *r)
{
	if (r->left != 2)
		return wrong_size(s->e, offset, HEADER_PADDINGLENGTH, r->left, 2);
	s->h->has_padding_len = rd_u16(r, &s->h->padding_len);
	return 0;
}

/* One element that is no container: into its field. */
static int header_take(struct header_scan *s, uint8_t tag, size_t offset, struct rd *r)
{
	struct tlv_header *h = s->h;

	switch (tag) {
	case HEADER_SIGNERNAME: h->signer_name = rd_rest(r); return 0;
	case HEADER_SERIALNUMBER: h->serial = rd_rest(r); return 0;
	case HEADER_CANAME: h->ca_name = rd_rest(r); return 0;
	case HEADER_DIGESTALGORITHM: return take_hash_code(s, tag, offset, r, &h->digest);
	case HEADER_SIGNATUREALGORITHM: return take_u8(s, tag, offset, r, &h->sig_algorithm);
	case HEADER_SIGNATUREMODULUS: (void)(r->left == 1 && rd_u8(r, &h->sig_modulus)); return 0;
	case HEADER_SIGNATURE: h->sig_offset = offset; h->signature = rd_rest(r); return 0;
	case HEADER_FILENAME: h->file_name = rd_rest(r); return 0;
	case HEADER_TIMESTAMP: take_timestamp(h, r); return 0;
	case HEADER_SIGNERVERSION: take_signer_version(h, r); return 0;
	case HEADER_IV: h->iv = rd_rest(r); return 0;
	case HEADER_PADDINGLENGTH: return take_padding_len(s, offset, r);
	case HEADER_KEYSIZE: (void)(r->left == 2 && rd_u16(r, &h->key_bits)); return 0;
	case HEADER_WRAPPEDKEY: h->wrapped_key = rd_rest(r); return 0;
	case HEADER_PLAINTEXT_HASHALGORITHM: return take_hash_code(s, tag, offset, r, &h->plaintext_digest);
	case HEADER_PLAINTEXT_HASH: h->plaintext_hash = rd_rest(r); return 0;
	case HEADER_VERSION: /* both stand at the start and have been read: here they are refused as duplicates */
	case HEADER_LENGTH:
	case HEADER_ENC_UNKNOWN:
	case HEADER_KEY_UNKNOWN:
	case HEADER_KEYALGORITHM:
		return 0;
	default:
		count_unknown(&h->n_unknown, &h->unknown_tag, tag);
		return 0;
	}
}

static bool header_tag_known(uint8_t tag)
{
	return tag >= HEADER_VERSION && tag <= HEADER_SIGNERVERSION;
}

static int header_scan(struct header_scan *s, struct rd *r, unsigned depth);

/* One element or padding octet. */
static int header_step(struct header_scan *s, struct rd *r, unsigned depth)
{
	size_t offset = rd_offset(r);
	struct rd value;
	uint8_t tag;

	rd_u8(r, &tag);
	if (tag == HEADER_PADDING)
		return 0;
	if (!rd_prefixed16(r, &value))
		return err_rule(s->e, depth ? "container-boundary" : "element-past-header", (long)offset,
				"the element at offset %zu (tag %u) runs past the end of %s", offset, tag,
				depth ? "the element it stands in" : "the header");
	if (tlv_is_container(tag))
		return header_scan(s, &value, depth + 1);
	if (header_tag_known(tag) && seen_before(&s->seen, tag))
		return err_rule(s->e, "duplicate-element", (long)offset, "a second element with tag %u stands at offset %zu",
				tag, offset);
	return header_take(s, tag, offset, &value);
}

static int header_scan(struct header_scan *s, struct rd *r, unsigned depth)
{
	if (depth > CONTAINER_DEPTH_MAX)
		return err_rule(s->e, "container-depth", (long)rd_offset(r), "elements are nested more than %d deep",
				CONTAINER_DEPTH_MAX);
	while (r->left) {
		int err = header_step(s, r, depth);
		if (err)
			return err;
	}
	return 0;
}

/* VERSION and HEADERLENGTH, always the first ten octets (1.2). */
static int header_start(struct rd *r, size_t file_len, struct tlv_header *h, struct err *e)
{
	static const uint8_t version_head[] = {HEADER_VERSION, 0, 2};
	static const uint8_t length_head[] = {HEADER_LENGTH, 0, 2};
	struct view head;

	if (file_len < TLV_HEADER_MIN)
		return err_rule(e, "file-too-short", 0, "%zu octets are too few for a header, which has at least %d", file_len,
				TLV_HEADER_MIN);
	rd_view(r, 3, &head);
	if (!view_eq(head, (struct view){version_head, 3}))
		return err_rule(e, "version-element", 0, "the file does not begin with a VERSION element of two octets");
	rd_u8(r, &h->major);
	rd_u8(r, &h->minor);
	rd_view(r, 3, &head);
	if (!view_eq(head, (struct view){length_head, 3}))
		return err_rule(e, "headerlength-element", 5, "the second element is not a HEADERLENGTH of two octets");
	rd_u16(r, &h->header_len);
	if (h->header_len < TLV_HEADER_MIN || h->header_len > file_len)
		return err_rule(e, "headerlength-range", 8, "HEADERLENGTH is %u, but must lie between %d and the %zu octets of the file",
				h->header_len, TLV_HEADER_MIN, file_len);
	return 0;
}

int tlv_header_strip(struct view file, size_t *payload, struct err *e)
{
	struct tlv_header h = {0};
	struct rd r;

	rd_init(&r, file.p, file.len);
	int err = header_start(&r, file.len, &h, e);
	if (!err)
		*payload = h.header_len;
	return err;
}

static int header_complete(const struct tlv_header *h, struct err *e)
{
	if (!h->serial.p)
		return err_rule(e, "missing-serial", -1, "the header names no signer: SERIALNUMBER is missing");
	if (!h->digest)
		return err_rule(e, "missing-digest", -1, "the header has no DIGESTALGORITHM");
	if (!h->signature.p)
		return err_rule(e, "missing-signature", -1, "the header has no SIGNATURE");
	return 0;
}

int tlv_header_read(struct view file, struct tlv_header *h, struct err *e)
{
	struct tlv_header got = {0};
	struct header_scan s = {.h = &got, .e = e, .seen = 1u << HEADER_VERSION | 1u << HEADER_LENGTH};
	struct rd r;

	rd_init(&r, file.p, file.len);
	int err = header_start(&r, file.len, &got, e);
	if (err)
		return err;
	rd_init(&r, file.p, got.header_len);
	rd_skip(&r, TLV_HEADER_MIN);
	err = header_scan(&s, &r, 0);
	if (!err)
		err = header_complete(&got, e);
	if (!err)
		*h = got;
	return err;
}

/* The next element of r: an entered container costs only its head, so that its contents come next. */
static bool element_next(struct rd *r, struct tlv_element *el, bool header)
{
	struct rd value;

	while (header && rd_peek_u8(r, &el->tag) && el->tag == HEADER_PADDING)
		rd_skip(r, 1);
	if (!rd_u8(r, &el->tag))
		return false;
	struct rd inside = *r;
	if (!rd_prefixed16(&inside, &value))
		return false;
	el->value = rd_rest(&value);
	if (header && tlv_is_container(el->tag))
		return rd_skip(r, 2);
	*r = inside;
	return true;
}

bool tlv_header_element(struct rd *r, struct tlv_element *el)
{
	return element_next(r, el, true);
}

bool tlv_record_element(struct rd *r, struct tlv_element *el)
{
	return element_next(r, el, false);
}

void tlv_signed_views(struct view file, const struct tlv_header *h, struct view out[2])
{
	struct rd r;

	rd_init(&r, file.p, file.len);
	rd_view(&r, h->sig_offset, &out[0]);
	rd_skip(&r, 3 + h->signature.len);
	out[1] = rd_rest(&r);
}

/* The signature with its octets in the other order, for tokens driven by a little-endian system (10, question 6). */
static int verify_reversed(const struct rsa_pub *key, enum digest d, const uint8_t *hash, struct view sig)
{
	uint8_t back[RSA_MAX_BITS / 8];

	if (sig.len > sizeof(back))
		return ERR_CRYPTO;
	for (size_t i = 0; i < sig.len; i++)
		back[i] = sig.p[sig.len - 1 - i];
	return rsa_verify(key, RSA_PAD_DIGESTINFO, d, hash, (struct view){back, sig.len}, NULL);
}

int tlv_verify_key(struct view file, const struct tlv_header *h, struct view pkcs1, bool *reversed, struct err *e)
{
	const struct rsa_pub *key;
	uint8_t hash[DIGEST_MAX];
	struct view parts[2];
	bool back = false;

	if (h->sig_algorithm != 0)
		return format_refuse(e, ERR_CRYPTO, "signature", "signature algorithm %u is not known; only 0 (RSA PKCS#1 v1.5) is", h->sig_algorithm);
	tlv_signed_views(file, h, parts);
	int err = digest_views((enum digest)h->digest, parts, 2, hash, e);
	if (!err)
		err = rsa_pub_get(pkcs1, &key, e);
	if (err)
		return err;
	err = rsa_verify(key, RSA_PAD_DIGESTINFO, (enum digest)h->digest, hash, h->signature, NULL);
	if (err == ERR_CRYPTO && verify_reversed(key, (enum digest)h->digest, hash, h->signature) == 0) {
		back = true;
		err = 0;
	}
	if (err)
		return format_refuse(e, err, "signature",
				     "the signature does not hold: the file was changed after it was signed, or another key signed it");
	if (reversed)
		*reversed = back;
	return 0;
}

struct record_scan {
	struct tlv_record *rec;
	uint32_t seen;
	struct err *e;
};

static int record_take(struct record_scan *s, uint8_t tag, size_t offset, struct rd *r)
{
	struct tlv_record *rec = s->rec;

	switch (tag) {
	case RECORD_DNSNAME: rec->dns_name = rd_rest(r); return 0;
	case RECORD_SUBJECTNAME: rec->subject = rd_rest(r); return 0;
	case RECORD_FUNCTION:
		if (r->left != 2)
			return wrong_size(s->e, offset, tag, r->left, 2);
		rec->has_function = rd_u16(r, &rec->function);
		return 0;
	case RECORD_ISSUERNAME: rec->issuer = rd_rest(r); return 0;
	case RECORD_SERIALNUMBER: rec->serial = rd_rest(r); return 0;
	case RECORD_PUBLICKEY: rec->public_key = rd_rest(r); return 0;
	case RECORD_SIGNATURE: rec->signature = rd_rest(r); return 0;
	case RECORD_CERTIFICATE: rec->certificate = rd_rest(r); return 0;
	case RECORD_IPADDRESS: rec->ip_address = rd_rest(r); return 0;
	case RECORD_CERTHASH: rec->cert_hash = rd_rest(r); return 0;
	case RECORD_HASHALGORITHM:
		if (r->left != 1)
			return wrong_size(s->e, offset, tag, r->left, 1);
		rd_u8(r, &rec->hash_algorithm);
		return 0;
	default:
		count_unknown(&rec->n_unknown, &rec->unknown_tag, tag);
		return 0;
	}
}

static int record_step(struct record_scan *s, struct rd *r)
{
	size_t offset = rd_offset(r);
	struct rd value;
	uint8_t tag;

	rd_u8(r, &tag);
	if (!rd_prefixed16(r, &value))
		return err_rule(s->e, "element-past-record", (long)offset,
				"the element at offset %zu (tag %u) runs past the end of its record", offset, tag);
	if (tag && tag <= RECORD_HASHALGORITHM && seen_before(&s->seen, tag))
		return err_rule(s->e, "duplicate-element", (long)offset,
				"a second element with tag %u stands at offset %zu of the same record", tag, offset);
	return record_take(s, tag, offset, &value);
}

/* RECORDLENGTH. Out: *body over the rest of the record, rec->raw and rec->offset. */
static int record_start(struct rd *r, struct tlv_record *rec, struct rd *body, struct err *e)
{
	static const uint8_t length_head[] = {RECORD_LENGTH, 0, 2};
	size_t left = r->left;
	size_t offset = rd_offset(r);
	struct rd probe = *r;
	struct view head;
	uint16_t len;

	if (!rd_view(&probe, 3, &head) || !view_eq(head, (struct view){length_head, 3}))
		return err_rule(e, "record-first-tag", (long)offset,
				"the record at offset %zu does not begin with a RECORDLENGTH of two octets", offset);
	if (!rd_u16(&probe, &len) || len < 5 || len > left)
		return err_rule(e, "record-length", (long)offset,
				"the RECORDLENGTH at offset %zu does not lie between 5 and the %zu octets that are left", offset, left);
	rd_view(r, len, &rec->raw);
	rec->offset = offset;
	return rd_bytes(&probe, len - 5u, body) ? 0 : ERR_BUG;
}

int tlv_record_next(struct rd *r, struct tlv_record *rec, struct err *e)
{
	struct tlv_record got = {0};
	struct record_scan s = {.rec = &got, .e = e, .seen = 1u << RECORD_LENGTH};
	struct rd rest = *r;
	struct rd body;

	int err = record_start(&rest, &got, &body, e);
	while (!err && body.left)
		err = record_step(&s, &body);
	if (err) {
		r->failed = true;
		return err;
	}
	*r = rest;
	*rec = got;
	return 0;
}
