#pragma once

#include <openssl/evp.h>

#include "format/list.h"
#include "phone/traits.h"
#include "proto/tvs.h"

/* What one phone trusts, and the certificates it has itself. Source: behaviour.md 4, 5; formats-and-protocols.md 6.9, 7. */
#define PHONE_TVS_MAX 5     /* servers in a configuration (formats-and-protocols.md 9) */
#define PHONE_TVS_TRIED 3   /* servers a phone tries, in order (behaviour.md 4.3) */
#define PHONE_CACHE_MAX 32
#define PHONE_CONFIG_MAX 550001 /* octets of the largest configuration (seed 003: "size limit of 550001") */
#define PHONE_HOST_MAX 256
#define PHONE_CERT_HASH_LEN 32 /* certHash: MD5 of a certificate's DER in lower-case hex */

struct phone_tvs {
	char host[PHONE_HOST_MAX];
	uint16_t port;
};

/* What TVS once confirmed, until it expires. */
struct phone_cached {
	uint8_t sha256[32];      /* of the certificate's DER */
	uint32_t roles;
	int64_t expires_s;       /* Unix seconds */
};

/* A certificate of the phone's own with its private key: both or neither. */
struct phone_identity {
	struct cert *cert;
	EVP_PKEY *key;
};

struct phone {
	char device[64];         /* SEP001122334455 */
	char model[32];
	const struct traits *traits; /* borrowed */
	struct trust_list *ctl, *itl; /* owned; NULL: not installed */
	struct phone_identity lsc, mic;
	EVP_PKEY *lsc_next;      /* made for CAPF, whose certificate is still to come (an offline CA); NULL */
	struct phone_tvs tvs[PHONE_TVS_MAX]; /* in the order they are tried */
	size_t n_tvs;
	struct phone_cached cache[PHONE_CACHE_MAX];
	size_t n_cache;
};

void phone_init(struct phone *p, const char *device, const char *model, const struct traits *traits);
void phone_clear(struct phone *p); /* accepts NULL */

/* phone_tvs_name: "CP-7975-SEP001122334455", as phones name themselves to TVS (formats-and-protocols.md 6.3). */
void phone_tvs_name(const struct phone *p, char out[TVS_DEVICE_MAX + 1]);

/* phone_install_take: a list that was decided to be accepted replaces the one of its type; the TVS cache is flushed
 * (behaviour.md 4.3). */
void phone_install_take(struct phone *p, enum list_type type, struct trust_list *l);

/* phone_erase: the **# erase of the Trust List menu: both lists and the TVS cache go, the certificates stay. */
void phone_erase(struct phone *p);

/* phone_identity_set: references to both, in place of what was there; NULL, NULL: none. */
void phone_identity_set(struct phone_identity *id, struct cert *cert, EVP_PKEY *key);

/* phone_cert_hash: as `certHash` of configurations has it (formats-and-protocols.md 5.4); "" when it cannot be computed. */
void phone_cert_hash(const struct cert *c, char out[PHONE_CERT_HASH_LEN + 1]);

/* phone_has_cert: is this the certHash of its LSC or of its MIC? */
bool phone_has_cert(const struct phone *p, const char *cert_hash);

/* Does a record of this list carry the identity (certificate, hash or key) of a server with this function? */
bool phone_list_has(const struct trust_list *l, unsigned function);

/*
 * phone_itl_is_blank: is this the ITL of the rollback parameter, whose TVS and TFTP sections are empty?
 * Source: seed 003 FAQ; behaviour.md 8.3.
 */
bool phone_itl_is_blank(const struct trust_list *l);

/* phone_is_open: nothing installed that could refuse a trust list: it takes the next one without check. */
bool phone_is_open(const struct phone *p);
bool phone_lists_are_open(const struct trust_list *ctl, const struct trust_list *itl); /* of a phone with these lists */

/* phone_wants_signed: a list names a TFTP server with its key, so .sgn is appended to every name and unsigned files are
 * refused ("TFTP SRVR secure"). */
bool phone_wants_signed(const struct phone *p);

/* The TVS cache. phone_cache_get forgets what has expired by now_s. */
const struct phone_cached *phone_cache_get(struct phone *p, const struct cert *c, int64_t now_s);
void phone_cache_put(struct phone *p, const struct cert *c, uint32_t roles, uint32_t ttl_s, int64_t now_s);
void phone_cache_flush(struct phone *p);
