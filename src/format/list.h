#pragma once

#include "base/clock.h"
#include "format/tlv.h"
#include "pki/cert.h"
#include "pki/keystore.h"

/* Trust lists: CTL and ITL files. Source: formats-and-protocols.md 1, 2. */
enum list_type { LIST_CTL, LIST_ITL };

#define LIST_MAX_RECORDS 512
#define LIST_PHONE_LIMIT 65536 /* octets that phones can load (behaviour.md 3.1) */

struct trust_list {
	uint8_t *data;             /* owned copy of the file */
	size_t len;
	struct tlv_header header;
	struct tlv_record *records;
	size_t n_records;
	int signer;                /* index of the SAST record that verified the file, or -1 */
	bool sig_reversed;
};

/*
 * list_parse: header and every record to the last octet; verifies nothing.
 * In: type only serves texts. Out: *l, freed with list_free. Errors: as tlv_header_read and tlv_record_next, ERR_LIMIT.
 */
int list_parse(struct view file, enum list_type type, struct trust_list **l, struct err *e) MUST_CHECK;
void list_free(struct trust_list *l); /* accepts NULL */

/*
 * list_verify_self: is the file intact, that is, signed by a SAST record it contains? Sets l->signer. This does not
 * make it trusted (1.13). Errors: ERR_CRYPTO: "signer-not-in-list" (no SAST record matches issuer and serial; text tells
 * when the signer is there with another function) or "signature" (it does not hold).
 */
int list_verify_self(struct trust_list *l, struct err *e) MUST_CHECK;

/* list_verify_with: signed by this certificate (octets of PKCS#1 key)? */
int list_verify_cert(const struct trust_list *l, const struct cert *c, struct err *e) MUST_CHECK;

/* list_find: first record after index `from` (-1 to start) with this function (or any: -1) that names issuer and serial
 * (header octets against record octets, 1.11, 1.13). Returns its index or -1. serial-only matches come last. */
int list_find(const struct trust_list *l, int from, int function, struct view issuer, struct view serial);

/* list_record_is_cert: does the record carry (or hash to) exactly this certificate? */
bool list_record_is_cert(const struct tlv_record *rec, const struct cert *c);

/* What one record to be written holds. */
enum record_style {
	RECORD_FULL,       /* whole certificate */
	RECORD_HASH_ONLY,  /* CERTHASH instead of CERTIFICATE (ITL: TVS, CAPF) */
	RECORD_EMPTY,      /* DNSNAME, FUNCTION, IPADDRESS only: non-secure CTL */
};

struct record_spec {
	enum record_style style;
	uint16_t function;
	const struct cert *cert;   /* NULL with RECORD_EMPTY */
	const char *dns_name;      /* CTL: host name, address or ""; NULL in an ITL, which writes two zero octets */
	bool has_ip;               /* CTL */
	uint8_t ip[4];
	enum digest hash;          /* RECORD_HASH_ONLY */
	bool no_signature;         /* as the CTL client writes: no tag 8 */
	bool reversed_serial;      /* as the CTL client writes token records */
};

struct list_spec {
	enum list_type type;
	enum name_form names;
	enum digest digest;        /* SHA-1 or SHA-512 */
	const uint8_t *signer_version; /* two octets or NULL */
	const struct cert *signer;
	bool signer_form_b;        /* the signer is a token: form B names and reversed serial */
	uint32_t timestamp;        /* Unix seconds */
	const char *file_name;     /* NULL: CTLFile.tlv or ITLFile.tlv */
	const struct record_spec *records;
	size_t n_records;
};

/* list_sign_fn: RSA PKCS#1 v1.5 signature over a digest; what a keystore key or a token does. */
struct list_signer {
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
 * list_build: write and sign a trust list, in CUCM's element order, then read it back and verify it.
 * Out:    *data heap buffer. Errors: ERR_USAGE: no SAST record for the signer, more than two SAST records, duplicate
 *         records, signer not RSA or of a size without a code (1.9), SHA-256 asked for; ERR_LIMIT; ERR_CRYPTO.
 */
int list_build(const struct list_spec *spec, const struct list_signer *signer, uint8_t **data, size_t *len,
	       struct err *e) MUST_CHECK;
