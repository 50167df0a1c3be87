#pragma once

#include "format/list.h"

/* Signed files: header 1.0 and the plain file. Source: formats-and-protocols.md 4. */
struct sgn_spec {
	const struct cert *signer;
	enum name_form names;
	enum digest digest;
	uint32_t timestamp;
	const char *file_name;     /* path as the phone asks for it, with .sgn, no leading slash */
	enum tlv_layout layout;
};

#define SGN_NAME_MAX 1024 /* octets of the longest file name that is written, without the NUL */

/* sgn_build: header + payload, signed. Out: *data heap buffer. Errors: ERR_USAGE, ERR_LIMIT, ERR_CRYPTO. */
int sgn_build(const struct sgn_spec *spec, const struct list_signer *signer, struct view payload, uint8_t **data,
	      size_t *len, struct err *e) MUST_CHECK;

/* sgn_payload: the plain (or encrypted) file behind the header. */
struct view sgn_payload(struct view file, const struct tlv_header *h);

/*
 * sgn_verify_list: verify with the CCM+TFTP or TFTP record of the list that names the signer.
 * Out: *rec, when not NULL, index of that record. Errors: ERR_AUTH no such record; ERR_CRYPTO the signature fails.
 */
int sgn_verify_list(struct view file, const struct trust_list *l, int *rec, struct err *e) MUST_CHECK;
int sgn_verify_cert(struct view file, const struct cert *c, struct err *e) MUST_CHECK;

/* sgn_name_is: does FILENAME inside equal the name that was asked for? */
bool sgn_name_is(const struct tlv_header *h, const char *name);

/*
 * file_kind: what a file is, by its content. A damaged file keeps the kind that its first octets promise.
 * FILE_FIRMWARE has our first two elements and then a header that is documented nowhere (4.4): firmware, packages.
 */
enum file_kind { FILE_EMPTY, FILE_UNKNOWN, FILE_TRUST_LIST, FILE_SGN, FILE_ENC_SGN, FILE_FIRMWARE };
enum file_kind file_kind(struct view file);
const char *file_kind_name(enum file_kind kind); /* "trust list", "signed file" ... */
