#pragma once

#include "base/clock.h"
#include "format/tlv.h"
#include "pki/cert.h"
#include "pki/keystore.h"

/* Trust lists: CTL and ITL files. Source: formats-and-protocols.md 1, 2. */
enum list_type { LIST_CTL, LIST_ITL };

#define LIST_MAX_RECORDS 512
#define LIST_PHONE_LIMIT 65536 /* octets that phones can load (behaviour.md 3.1) */

/*
 * SAST records in one list. Two is what is reported to work (formats-and-protocols.md 2.2). A CTL has up to four: with
 * hardware tokens two of them, ITLRecovery and CallManager (behaviour.md 3.2, 11.5 and later); without tokens the
 * cluster's two and those of the cluster that its phones move to (behaviour.md 8.6). Which models work with more than two
 * is in dist/models.conf; a reader warns of them.
 */
#define LIST_MAX_SAST 2
#define LIST_MAX_SAST_CTL 4

struct trust_list {
	uint8_t *data;             /* owned copy of the file */
	size_t len;
	struct tlv_header header;
	struct tlv_record *records;
	size_t n_records;
	int signer;                /* index of the SAST record that verified the file, or -1 */
	bool sig_reversed;         /* the signature held only byte-reversed */
	char **warnings;           /* what a reader tolerates but an administrator should know; plain sentences */
	size_t n_warnings;
};

/*
 * list_parse: header and every record to the last octet; verifies nothing.
 * In: type only serves texts and warnings. Out: *l, freed with list_free.
 * Errors: as tlv_header_read and tlv_record_next, ERR_LIMIT.
 */
int list_parse(struct view file, enum list_type type, struct trust_list **l, struct err *e) MUST_CHECK;
void list_free(struct trust_list *l); /* accepts NULL */

/* list_type_of: CTL or ITL, by FILENAME, and by the presence of TVS records when that says nothing. */
enum list_type list_type_of(const struct trust_list *l);
const char *list_type_name(enum list_type type);      /* "CTL", "ITL" */
const char *list_type_file_name(enum list_type type); /* "CTLFile.tlv", "ITLFile.tlv" */

/*
 * list_verify_self: is the file intact, that is, signed by a SAST record it contains? Sets l->signer. This does not
 * make it trusted (1.13).
 * Errors: ERR_CRYPTO with e->rule "signer-not-in-list" (no SAST record with a certificate has the signer's serial; the
 *         text tells when the signer is there with another function), "signature" (it does not hold) or
 *         "record-certificate" (the record's PUBLICKEY and CERTIFICATE disagree).
 */
int list_verify_self(struct trust_list *l, struct err *e) MUST_CHECK;

/* list_verify_list: is l signed by a SAST record of `by`? Out: *rec, when not NULL, index of that record.
 * Errors: ERR_AUTH no such record; ERR_CRYPTO the signature does not hold. */
int list_verify_list(const struct trust_list *l, const struct trust_list *by, int *rec, struct err *e) MUST_CHECK;

/*
 * list_verify_file: verify any file with this header by the records of l that name its signer and whose function is in
 * the set (FUNCTION_BIT). SAST records count only with a certificate. Errors and *rec as list_verify_list.
 */
int list_verify_file(const struct trust_list *l, uint32_t functions, struct view file, const struct tlv_header *h, int *rec,
		     struct err *e) MUST_CHECK;

/* list_verify_cert: is l signed by this certificate? Errors: ERR_AUTH another one is named; ERR_CRYPTO it does not hold. */
int list_verify_cert(const struct trust_list *l, const struct cert *c, struct err *e) MUST_CHECK;

/* list_find: the next record after index `from` (-1 to start) with this function (or any: -1) that names issuer and
 * serial (header octets against record octets, 1.11, 1.13). Returns its index or -1. Records that match only by serial
 * come after all that match by both. */
int list_find(const struct trust_list *l, int from, int function, struct view issuer, struct view serial);

/*
 * list_record_key: the RSA public key (PKCS#1) of a record: that of its CERTIFICATE, which must agree with PUBLICKEY;
 * PUBLICKEY alone when there is no certificate.
 * Errors: ERR_CRYPTO with e->rule "record-certificate" they disagree, "record-key" there is no RSA key.
 */
int list_record_key(const struct tlv_record *rec, struct view *pkcs1, struct err *e) MUST_CHECK;

/* list_record_is_cert: does the record carry (or hash to) exactly this certificate? */
bool list_record_is_cert(const struct tlv_record *rec, const struct cert *c);

/* list_record_is_token: a hardware token, as the CTL client writes it: SAST, no name of a host, no SIGNATURE (2.3). */
bool list_record_is_token(const struct tlv_record *rec);
bool list_has_tokens(const struct trust_list *list); /* false for NULL */

/* What one record to be written holds (2.3). */
enum record_style {
	RECORD_FULL,       /* whole certificate */
	RECORD_HASH_ONLY,  /* CERTHASH instead of CERTIFICATE (ITL: TVS, CAPF) */
	RECORD_EMPTY,      /* DNSNAME, FUNCTION, IPADDRESS only: non-secure CTL */
	RECORD_TOKEN,      /* a hardware token as the CTL client writes it: form B names, serial reversed, no tag 8 */
};

struct record_spec {
	enum record_style style;
	uint16_t function;
	const struct cert *cert;   /* NULL with RECORD_EMPTY */
	const char *dns_name;      /* CTL: host name, address or ""; NULL in an ITL, which writes two zero octets */
	bool has_ip;               /* CTL */
	uint8_t ip[4];
	enum digest hash;          /* RECORD_HASH_ONLY */
	bool no_signature;         /* as the CTL client writes server certificates: no tag 8 */
};

struct list_spec {
	enum list_type type;
	enum name_form names;
	enum digest digest;        /* SHA-1 or SHA-512 */
	const uint8_t *signer_version; /* two octets or NULL */
	const struct cert *signer;
	bool signer_token;         /* the signer is a hardware token: form B names and reversed serial */
	bool signer_serial_der;    /* keep the sign octet 00 in the header's serial (10, question 4) */
	uint32_t timestamp;        /* Unix seconds */
	const char *file_name;     /* NULL: CTLFile.tlv or ITLFile.tlv */
	enum tlv_layout header_layout, record_layout; /* PEER records have no DNSNAME when dns_name is NULL */
	const struct record_spec *records;
	size_t n_records;
};

/* list_signer: RSA PKCS#1 v1.5 signature over a digest; what a keystore key or a token does. */
struct list_signer {
	/* sig has room for KEY_SIG_MAX octets */
	int (*sign)(void *ctx, enum digest d, const uint8_t *hash, uint8_t *sig, size_t *len, struct err *e);
	void *ctx;
};

/* A signer over a keystore key. ctx must outlive its use. */
struct keystore_signer {
	struct keystore *ks;
	char name[KEY_NAME_MAX];
};
struct list_signer list_keystore_signer(struct keystore_signer *ctx);

/*
 * list_build: write and sign a trust list, then read it back and verify it.
 * Out:    *data heap buffer. Errors: ERR_USAGE: no SAST record for the signer, more SAST records than LIST_MAX_SAST (in
 *         a CTL LIST_MAX_SAST_CTL), duplicate records, signer not RSA or of a size without a code (1.9), SHA-256
 *         asked for; ERR_LIMIT; ERR_CRYPTO.
 */
int list_build(const struct list_spec *spec, const struct list_signer *signer, uint8_t **data, size_t *len,
	       struct err *e) MUST_CHECK;

/*
 * list_check: what list_build would refuse, before anybody signs. Out: *len, octets that the file will have.
 * Errors: as list_build.
 */
int list_check(const struct list_spec *spec, size_t *len, struct err *e) MUST_CHECK;
