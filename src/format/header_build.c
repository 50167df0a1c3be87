#include "format/format_internal.h"

#include <string.h>

/* Source: formats-and-protocols.md 1.10, "Writing a file, step by step". */

void put_element(struct wr *w, uint8_t tag, struct view value)
{
	wr_u8(w, tag);
	wr_open16(w);
	wr_view(w, value);
	wr_close(w);
}

void put_text(struct wr *w, uint8_t tag, const char *text)
{
	put_element(w, tag, (struct view){(const uint8_t *)text, strlen(text) + 1});
}

void put_u8(struct wr *w, uint8_t tag, uint8_t v)
{
	put_element(w, tag, (struct view){&v, 1});
}

void put_u16(struct wr *w, uint8_t tag, uint16_t v)
{
	wr_u8(w, tag);
	wr_open16(w);
	wr_u16(w, v);
	wr_close(w);
}

static int put_name(struct wr *w, uint8_t tag, struct view name_der, enum name_form form, struct err *e)
{
	char text[NAME_MAX_LEN];
	int err = name_from_der(name_der, form, text, sizeof(text), e);

	if (!err)
		put_text(w, tag, text);
	return err;
}

/* The usual form is ready in the certificate: rendering a name takes as long as hashing two configurations. */
int put_subject(struct wr *w, uint8_t tag, const struct cert *c, enum name_form form, struct err *e)
{
	if (form != NAME_FORM_A)
		return put_name(w, tag, cert_subject_der(c), form, e);
	put_text(w, tag, cert_subject(c));
	return 0;
}

int put_issuer(struct wr *w, uint8_t tag, const struct cert *c, enum name_form form, struct err *e)
{
	if (form != NAME_FORM_A)
		return put_name(w, tag, cert_issuer_der(c), form, e);
	put_text(w, tag, cert_issuer(c));
	return 0;
}

void put_serial(struct wr *w, uint8_t tag, const struct cert *c, bool reversed, bool sign_octet)
{
	struct view serial = cert_serial(c);

	wr_u8(w, tag);
	wr_open16(w);
	if (sign_octet && serial.len && serial.p[0] & 0x80)
		wr_u8(w, 0);
	for (size_t i = 0; i < serial.len; i++)
		wr_u8(w, serial.p[reversed ? serial.len - 1 - i : i]);
	wr_close(w);
}

/* Index of the key size in tag 11 (1.9), or -1: the size has no code, so no phone could be told of it. */
static int modulus_code(unsigned bits)
{
	switch (bits) {
	case 512: return 0;
	case 1024: return 1;
	case 2048: return 2;
	case 4096: return 3;
	default: return -1;
	}
}

static int check_spec(const struct header_spec *s, struct err *e)
{
	const char *who = cert_subject(s->signer);

	if (cert_key_type(s->signer) != CERT_KEY_RSA)
		return err_set(e, ERR_USAGE, "%s cannot sign files: its key is not RSA, and phones know no other file signatures", who);
	if (modulus_code(cert_key_bits(s->signer)) < 0)
		return err_set(e, ERR_USAGE, "%s cannot sign files: its key has %u bits, and the format only knows RSA keys of 512, 1024, 2048 and 4096 bits; use 2048",
			       who, cert_key_bits(s->signer));
	if (s->digest != DIGEST_SHA1 && s->digest != DIGEST_SHA512)
		return err_set(e, ERR_USAGE, "files are signed with SHA-1 or SHA-512; phones know no other");
	return 0;
}

static int put_signer(struct wr *w, const struct header_spec *s, struct err *e)
{
	int err;

	wr_u8(w, HEADER_SIGNERID);
	wr_open16(w);
	err = put_subject(w, HEADER_SIGNERNAME, s->signer, s->names, e);
	if (s->layout == TLV_LAYOUT_CUCM)
		put_serial(w, HEADER_SERIALNUMBER, s->signer, s->reversed_serial, s->der_serial);
	if (!err)
		err = put_issuer(w, HEADER_CANAME, s->signer, s->names, e);
	if (s->layout == TLV_LAYOUT_PEER)
		put_serial(w, HEADER_SERIALNUMBER, s->signer, s->reversed_serial, s->der_serial);
	wr_close(w);
	return err;
}

static void put_signature_info(struct wr *w, const struct header_spec *s)
{
	wr_u8(w, HEADER_SIGNATUREINFO);
	wr_open16(w);
	put_u8(w, HEADER_DIGESTALGORITHM, (uint8_t)s->digest);
	wr_u8(w, HEADER_SIGNATUREALGOINFO);
	wr_open16(w);
	put_u8(w, HEADER_SIGNATUREALGORITHM, 0);
	put_u8(w, HEADER_SIGNATUREMODULUS, (uint8_t)modulus_code(cert_key_bits(s->signer)));
	wr_close(w);
	wr_close(w);
}

static void put_timestamp(struct wr *w, uint32_t seconds)
{
	wr_u8(w, HEADER_TIMESTAMP);
	wr_open16(w);
	wr_u32(w, seconds);
	wr_close(w);
}

/* Everything but SIGNATURE; *sig_offset is where that belongs, HEADERLENGTH already counts it. */
static int put_unsigned(struct wr *w, const struct header_spec *s, size_t *sig_offset, struct err *e)
{
	put_element(w, HEADER_VERSION, (struct view){s->version, 2});
	put_u16(w, HEADER_LENGTH, 0);
	if (s->signer_version)
		put_element(w, HEADER_SIGNERVERSION, (struct view){s->signer_version, 2});
	int err = put_signer(w, s, e);
	if (err)
		return err;
	put_signature_info(w, s);
	*sig_offset = w->len;
	put_text(w, HEADER_FILENAME, s->file_name);
	put_timestamp(w, s->timestamp);
	wr_view(w, s->extra);
	size_t raw = w->len + 3 + cert_key_bits(s->signer) / 8;
	size_t pad = -raw & 3;
	if (raw + pad > UINT16_MAX)
		return err_set(e, ERR_LIMIT, "the header would have %zu octets; no more than %d are possible", raw + pad, UINT16_MAX);
	wr_fill(w, HEADER_PADDING, pad);
	wr_patch_u16(w, 8, (uint16_t)(raw + pad));
	return 0;
}

static int sign(struct wr *w, const struct header_spec *s, size_t offset, const struct list_signer *signer,
		struct view payload, struct err *e)
{
	struct view parts[] = {wr_view_all(w), payload};
	uint8_t element[3 + KEY_SIG_MAX];
	uint8_t hash[DIGEST_MAX];
	size_t want = cert_key_bits(s->signer) / 8;
	size_t len = 0;

	int err = digest_views(s->digest, parts, 2, hash, e);
	if (!err)
		err = signer->sign(signer->ctx, s->digest, hash, element + 3, &len, e);
	if (err)
		return err;
	if (len != want)
		return err_set(e, ERR_CRYPTO, "the key made a signature of %zu octets, but the certificate of %s wants %zu: the key belongs to another certificate",
			       len, cert_subject(s->signer), want);
	element[0] = HEADER_SIGNATURE;
	element[1] = (uint8_t)(len >> 8);
	element[2] = (uint8_t)len;
	wr_insert(w, offset, element, 3 + len);
	return 0;
}

int header_build(const struct header_spec *spec, const struct list_signer *signer, struct view payload, struct wr *w,
		 struct err *e)
{
	size_t offset;
	int err = check_spec(spec, e);

	if (!err)
		err = put_unsigned(w, spec, &offset, e);
	if (!err && w->failed)
		err = err_set(e, w->failed, "the header could not be written");
	if (!err)
		err = sign(w, spec, offset, signer, payload, e);
	return err;
}
