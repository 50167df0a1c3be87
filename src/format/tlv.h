#pragma once

#include "base/bytes.h"
#include "pki/digest.h"

/*
 * The header of .tlv, .sgn and .enc.sgn files, and the elements of trust list records.
 * Source: formats-and-protocols.md 1 and 2. Header tags and record tags are different tables.
 */
enum header_tag {
	HEADER_VERSION = 1, HEADER_LENGTH = 2, HEADER_SIGNERID = 3, HEADER_SIGNERNAME = 4, HEADER_SERIALNUMBER = 5,
	HEADER_CANAME = 6, HEADER_SIGNATUREINFO = 7, HEADER_DIGESTALGORITHM = 8, HEADER_SIGNATUREALGOINFO = 9,
	HEADER_SIGNATUREALGORITHM = 10, HEADER_SIGNATUREMODULUS = 11, HEADER_SIGNATURE = 12, HEADER_PADDING = 13,
	HEADER_FILENAME = 14, HEADER_TIMESTAMP = 15, HEADER_ENCRYPTIONINFO = 16, HEADER_IVINFO = 17,
	HEADER_ENC_UNKNOWN = 18, HEADER_IV = 19, HEADER_PADDINGLENGTH = 20, HEADER_KEYINFO = 21, HEADER_KEY_UNKNOWN = 22,
	HEADER_KEYSIZE = 23, HEADER_KEYALGORITHM = 24, HEADER_WRAPPEDKEY = 25, HEADER_PLAINTEXT_HASHALGORITHM = 26,
	HEADER_PLAINTEXT_HASH = 27, HEADER_SIGNERVERSION = 28,
};

enum record_tag {
	RECORD_LENGTH = 1, RECORD_DNSNAME = 2, RECORD_SUBJECTNAME = 3, RECORD_FUNCTION = 4, RECORD_ISSUERNAME = 5,
	RECORD_SERIALNUMBER = 6, RECORD_PUBLICKEY = 7, RECORD_SIGNATURE = 8, RECORD_CERTIFICATE = 9,
	RECORD_IPADDRESS = 10, RECORD_CERTHASH = 11, RECORD_HASHALGORITHM = 12,
};

/* What a certificate may do. Source: 2.2. */
enum function {
	FUNCTION_SAST = 0, FUNCTION_CCM = 1, FUNCTION_CCM_TFTP = 2, FUNCTION_TFTP = 3, FUNCTION_CAPF = 4,
	FUNCTION_APP_SERVER = 7, FUNCTION_TVS = 21,
};

#define FUNCTION_BIT(f) (UINT32_C(1) << (f)) /* sets of functions */

const char *function_name(unsigned f); /* as `show ctl` prints it; NULL for an unknown number */

#define TLV_HEADER_MIN 10
#define TLV_FILE_MAX (16 * 1024 * 1024) /* octets of the largest file that is read into memory */

/* A file header, taken apart. All views borrow the file's octets. An absent element has p == NULL. */
struct tlv_header {
	uint8_t major, minor;
	uint16_t header_len;       /* octets; the payload starts here */
	struct view signer_name, serial, ca_name; /* names as they stand, NUL included */
	uint8_t digest;            /* hash code, known to digest_known() */
	uint8_t sig_algorithm, sig_modulus; /* 0 when absent; modulus code is only informative */
	size_t sig_offset;         /* of the SIGNATURE element's tag octet */
	struct view signature;
	struct view file_name;
	bool has_timestamp;
	uint32_t timestamp;        /* Unix seconds */
	bool has_signer_version;
	uint8_t signer_version[2];
	/* .enc.sgn only */
	struct view iv, wrapped_key, plaintext_hash;
	uint16_t padding_len;
	bool has_padding_len;
	uint16_t key_bits;
	uint8_t plaintext_digest;
	/* what was skipped */
	unsigned n_unknown;
	uint8_t unknown_tag;       /* the first of them */
};

/*
 * tlv_header_read: take a header apart, strictly.
 * In:     file, the whole file.
 * Errors: ERR_PROTO with rule and offset: "file-too-short", "version-element", "headerlength-element",
 *         "headerlength-range", "element-past-header", "container-boundary", "container-depth", "duplicate-element",
 *         "missing-serial", "missing-digest", "missing-signature", "digest-unknown", "element-size".
 * Source: 1.3 to 1.11, 1.16; bad/ vectors.
 */
int tlv_header_read(struct view file, struct tlv_header *h, struct err *e) MUST_CHECK;

/* tlv_header_strip: only the first ten octets, for firmware and packages: offset of the payload. Source: 1.2, 4.4. */
int tlv_header_strip(struct view file, size_t *payload, struct err *e) MUST_CHECK;

/*
 * tlv_header_element: the elements of a header that tlv_header_read accepted, one by one as they stand, for listings.
 * A container comes as an element of its own, then its contents; padding is left out.
 * In:  r over the header's octets (file, h->header_len). Out: false when there are no more.
 */
struct tlv_element {
	uint8_t tag;
	struct view value;         /* of a container: everything inside */
};
bool tlv_header_element(struct rd *r, struct tlv_element *el);
bool tlv_is_container(uint8_t header_tag);

/*
 * tlv_signed_views: the octets that the signature covers: the file without the SIGNATURE element. Source: 1.10.
 */
void tlv_signed_views(struct view file, const struct tlv_header *h, struct view out[2]);

/*
 * tlv_verify_key: does the file's signature hold under this public key (PKCS#1 RSAPublicKey)?
 * A signature that fails is tried once byte-reversed (10, question 6); *reversed, when not NULL, says that this one held.
 * Errors: ERR_CRYPTO it does not hold, or the header names an algorithm other than RSA PKCS#1 v1.5; ERR_PROTO,
 *         ERR_LIMIT the key is no usable RSA key.
 */
int tlv_verify_key(struct view file, const struct tlv_header *h, struct view pkcs1, bool *reversed,
		   struct err *e) MUST_CHECK;

/* One record. Views borrow; an absent element has p == NULL, an empty one has len 0 and p != NULL. */
struct tlv_record {
	size_t offset;             /* of the record in the file */
	struct view raw;           /* the whole record */
	struct view dns_name, subject, issuer, serial, public_key, signature, certificate, ip_address, cert_hash;
	bool has_function;
	uint16_t function;
	uint8_t hash_algorithm;    /* 0 when absent */
	unsigned n_unknown;        /* elements skipped because their tag is not known */
	uint8_t unknown_tag;       /* the first of them */
};

/*
 * tlv_record_next: read one record and move r past it.
 * Errors: ERR_PROTO: "record-first-tag", "record-length", "element-past-record", "duplicate-element", "element-size".
 */
int tlv_record_next(struct rd *r, struct tlv_record *rec, struct err *e) MUST_CHECK;

/* tlv_record_element: as tlv_header_element, over rec->raw. RECORDLENGTH comes first. */
bool tlv_record_element(struct rd *r, struct tlv_element *el);

/* Text of a name or DNSNAME element: cut at the first NUL. */
struct view tlv_text(struct view element);

/* Order of elements for writers: CUCM's, or that of the other tools (1.8). Readers take any order. */
enum tlv_layout { TLV_LAYOUT_CUCM, TLV_LAYOUT_PEER };
