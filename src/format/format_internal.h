#pragma once

#include "format/list.h"

/* format_refuse: err_set with a rule, for files that are well-formed but do not verify. Returns code. */
int format_refuse(struct err *e, int code, const char *rule, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* cert_rsa_key: the RSAPublicKey inside a certificate, found without taking the rest apart; false when there is none. */
bool cert_rsa_key(struct view cert_der, struct view *pkcs1);

/* cert_verify_file: does the header name this certificate, and does the signature hold under its key? Errors: as
 * list_verify_cert. */
int cert_verify_file(const struct cert *c, struct view file, const struct tlv_header *h, struct err *e) MUST_CHECK;

/* What the header of a file to be written says. */
struct header_spec {
	uint8_t version[2];
	enum tlv_layout layout;
	const uint8_t *signer_version; /* two octets or NULL */
	const struct cert *signer;
	enum name_form names;
	bool reversed_serial;
	bool der_serial;               /* with the sign octet */
	enum digest digest;
	uint32_t timestamp;
	const char *file_name;
	struct view extra;             /* encoded elements behind TIMESTAMP: those of .enc.sgn (1.8) */
};

/*
 * header_build: write a header for this payload, signed, into w, which must be empty.
 * Errors: ERR_USAGE the signer's key cannot sign files, or SHA-256; ERR_LIMIT; ERR_CRYPTO.
 */
int header_build(const struct header_spec *spec, const struct list_signer *signer, struct view payload, struct wr *w,
		 struct err *e) MUST_CHECK;

/* Elements for writers. */
void put_element(struct wr *w, uint8_t tag, struct view value);
int put_subject(struct wr *w, uint8_t tag, const struct cert *c, enum name_form form, struct err *e) MUST_CHECK;
int put_issuer(struct wr *w, uint8_t tag, const struct cert *c, enum name_form form, struct err *e) MUST_CHECK;
void put_text(struct wr *w, uint8_t tag, const char *text); /* with its NUL */
void put_u16(struct wr *w, uint8_t tag, uint16_t v);
void put_u8(struct wr *w, uint8_t tag, uint8_t v);
void put_serial(struct wr *w, uint8_t tag, const struct cert *c, bool reversed, bool sign_octet);
