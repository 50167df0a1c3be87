#include "pki/token.h"

#include <stdio.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "pki/issue_internal.h"
#include "pki/rsa.h"

#define TOKEN_DAYS (10 * 365) /* formats-and-protocols.md 2.6 */
#define TOKEN_BLANKS "        " /* eight, inside the CN: formats-and-protocols.md 1.12 */
#define ID_OCTETS 8

OSSL_AUTO(auto_akid, AUTHORITY_KEYID, AUTHORITY_KEYID_free)

void token_identity_clear(struct token_identity *t)
{
	cert_unref(t->cert);
	t->cert = NULL;
}

/* --- finding --- */

struct lookup {
	struct pkcs11_session *s;
	EVP_PKEY *pub;             /* of the key that is looked at */
	struct cert *cert;         /* its certificate */
	struct token_identity *t;
	unsigned n;
	struct err *e;
};

static int same_key(void *ctx, const struct pkcs11_found *f, struct cert *cert)
{
	struct lookup *l = ctx;

	(void)f;
	if (EVP_PKEY_eq(X509_get0_pubkey(cert_x509(cert)), l->pub) != 1)
		return 0;
	l->cert = cert_ref(cert);
	return 1;
}

static int take_key(struct lookup *l, const struct pkcs11_found *f)
{
	if (l->n++ == 0) {
		l->t->s = l->s;
		l->t->key = f->object;
		l->t->cert = l->cert;
		memcpy(l->t->label, f->label, sizeof(l->t->label));
	} else {
		cert_unref(l->cert);
	}
	l->cert = NULL;
	return 0;
}

static int look_at_key(void *ctx, const struct pkcs11_found *f)
{
	struct lookup *l = ctx;
	int rc = pkcs11_key_public(l->s, f->object, &l->pub, l->e);

	if (rc)
		return rc;
	if (EVP_PKEY_is_a(l->pub, "RSA"))
		rc = pkcs11_certs(l->s, NULL, same_key, l, l->e);
	EVP_PKEY_free(l->pub);
	return rc == 1 ? take_key(l, f) : rc;
}

/* How many there are; *t has the first. */
static int find_identities(struct pkcs11_session *s, const struct pkcs11_want *w, struct token_identity *t, unsigned *n,
			   struct err *e)
{
	struct lookup l = {.s = s, .t = t, .e = e};
	int rc = pkcs11_keys(s, w, look_at_key, &l, e);

	if (rc && l.n)
		token_identity_clear(t);
	*n = l.n;
	return rc;
}

int token_find(struct pkcs11_session *s, const struct pkcs11_want *w, struct token_identity *t, struct err *e)
{
	struct token_identity got = {0};
	unsigned n;
	int rc = find_identities(s, w, &got, &n, e);

	if (rc)
		return rc;
	if (n == 1) {
		*t = got;
		return 0;
	}
	token_identity_clear(&got);
	return n ? err_set(e, ERR_USAGE, "the token has %u keys with certificates: name one with object=LABEL in the URI", n)
		 : err_set(e, ERR_USAGE, "the token has no RSA key with a certificate: make them with 'ringfence ctl-client "
			   "init-token'");
}

/* --- signing --- */

static int digest_nid(enum digest d)
{
	return d == DIGEST_SHA1 ? NID_sha1 : d == DIGEST_SHA256 ? NID_sha256 : NID_sha512;
}

int token_sign(void *ctx, enum digest d, const uint8_t *hash, uint8_t *sig, size_t *len, struct err *e)
{
	struct token_identity *t = ctx;
	struct key_sign req = {.scheme = KEY_SCHEME_PKCS1, .md_nid = digest_nid(d), .input = {hash, digest_len(d)}};

	return pkcs11_sign(t->s, t->key, &req, sig, len, e);
}

/* A signature that holds: key, certificate and token belong together. */
static int try_out(struct token_identity *t, struct err *e)
{
	uint8_t hash[DIGEST_MAX] = {0}, sig[KEY_SIG_MAX];
	struct rsa_pub *pub = NULL;
	size_t len = 0;
	int rc = token_sign(t, DIGEST_SHA256, hash, sig, &len, e);

	if (!rc)
		rc = rsa_pub_new(cert_public_key(t->cert), &pub, e);
	if (!rc)
		rc = rsa_verify(pub, RSA_PAD_DIGESTINFO, DIGEST_SHA256, hash, (struct view){sig, len}, e);
	rsa_pub_free(pub);
	return rc;
}

/* --- making --- */

static int add_authority_key_id(X509 *x, const struct cert *issuer, struct err *e)
{
	AUTO(auto_akid) AUTHORITY_KEYID *id = AUTHORITY_KEYID_new();
	const ASN1_OCTET_STRING *key_id = X509_get0_subject_key_id(cert_x509(issuer));

	if (!key_id)
		return 0;
	if (!id || !(id->keyid = ASN1_OCTET_STRING_dup(key_id)))
		return issue_no_memory(e);
	return issue_add_extension(x, NID_authority_key_identifier, id, false, e);
}

static int fill(X509 *x, EVP_PKEY *pub, const struct token_ca *ca, const struct subject *subject, const struct clock *clock,
		const struct random_source *rnd, struct err *e)
{
	if (!X509_set_version(x, X509_VERSION_3) || !X509_set_pubkey(x, pub))
		return issue_no_memory(e);
	int rc = issue_set_names(x, subject, e);
	if (!rc && !X509_set_issuer_name(x, X509_get_subject_name(cert_x509(ca->cert))))
		rc = issue_no_memory(e);
	if (!rc)
		rc = issue_set_serial(x, rnd, e);
	if (!rc)
		rc = issue_set_validity(x, clock, TOKEN_DAYS, e);
	if (!rc)
		rc = issue_add_key_usage(x, KU_DIGITAL_SIGNATURE, true, e);
	if (!rc)
		rc = issue_add_subject_key_id(x, e);
	return rc ? rc : add_authority_key_id(x, ca->cert, e);
}

static int issue(EVP_PKEY *pub, const struct token_ca *ca, const struct subject *subject, const struct clock *clock,
		 const struct random_source *rnd, struct cert **cert, struct err *e)
{
	AUTO(auto_x509) X509 *x = X509_new();
	int rc = x ? fill(x, pub, ca, subject, clock, rnd, e) : issue_no_memory(e);

	if (!rc && !X509_sign(x, ca->key, digest_evp(DIGEST_SHA256)))
		rc = err_openssl(e, ERR_CRYPTO, "the certificate of the token cannot be signed");
	return rc ? rc : cert_from_x509(x, cert, e);
}

static int token_name(const struct token_request *req, const struct random_source *rnd, char *cn, size_t size,
		      struct err *e)
{
	uint8_t octets[4];
	char hex[9];
	int rc = random_fill(rnd, octets, sizeof(octets), e);

	if (rc)
		return rc;
	text_hex(hex, sizeof(hex), (struct view){octets, sizeof(octets)}, '\0', false);
	size_t n = req->cn ? text_append(cn, size, 0, "%s", req->cn)
			   : text_append(cn, size, 0, "SAST-ADN%s" TOKEN_BLANKS, hex);
	return n && n + 1 < size ? 0 : err_set(e, ERR_USAGE, "a token's name has 1 to %zu characters", size - 2);
}

/* Of key and certificate, once there is one. */
static int object_id(const struct cert *cert, uint8_t id[ID_OCTETS], struct err *e)
{
	uint8_t hash[DIGEST_MAX];
	int rc = digest_one(DIGEST_SHA256, cert_spki(cert), hash, e);

	if (!rc)
		memcpy(id, hash, ID_OCTETS);
	return rc;
}

/* The key is on the token: name it, certify it, put the certificate beside it. */
static int furnish(struct token_identity *t, EVP_PKEY *pub, const struct token_ca *ca, const struct subject *subject,
		   const struct clock *clock, const struct random_source *rnd, struct err *e)
{
	uint8_t id[ID_OCTETS];
	int rc = issue(pub, ca, subject, clock, rnd, &t->cert, e);

	if (!rc)
		rc = object_id(t->cert, id, e);
	if (rc)
		return rc;
	size_t len = strlen(subject->cn);
	while (len && subject->cn[len - 1] == ' ')
		len--;
	snprintf(t->label, sizeof(t->label), "%.*s", (int)len, subject->cn);
	rc = pkcs11_key_name(t->s, t->key, t->label, (struct view){id, ID_OCTETS}, e);
	if (!rc)
		rc = pkcs11_cert_write(t->s, t->label, (struct view){id, ID_OCTETS}, t->cert, e);
	return rc ? rc : try_out(t, e);
}

static int remove_cert(void *ctx, const struct pkcs11_found *f, struct cert *cert)
{
	(void)cert;
	return pkcs11_object_remove(ctx, f->object, NULL);
}

void token_take_back(struct token_identity *t)
{
	uint8_t id[ID_OCTETS];
	struct pkcs11_want w = {.label = t->label, .id = {id, ID_OCTETS}};
	int rc = t->cert ? object_id(t->cert, id, NULL) : ERR_IO;

	if (!rc)
		rc = pkcs11_certs(t->s, &w, remove_cert, t->s, NULL);
	rc = pkcs11_key_remove(t->s, t->key, NULL) ? ERR_IO : rc;
	(void)rc; /* the token may be gone, and the error that brought us here is the one to be told */
	token_identity_clear(t);
}

int token_check_empty(struct pkcs11_session *s, struct err *e)
{
	struct token_identity t = {0};
	char cn[256];
	unsigned n;
	int rc = find_identities(s, NULL, &t, &n, e);

	if (!rc && n) {
		text_escape(cn, sizeof(cn), view_str(cert_cn(t.cert)));
		rc = err_set(e, ERR_USAGE, "the token has a key with a certificate already, %.64s: it can be used as it is; "
			     "to begin anew, remove both with the token's own program (pkcs11-tool)", cn);
	}
	token_identity_clear(&t);
	return rc;
}

int token_make(struct pkcs11_session *s, const struct token_ca *ca, const struct token_request *req,
	       const struct clock *clock, const struct random_source *rnd, struct token_identity *t, struct err *e)
{
	const struct key_spec spec = {.type = KEY_RSA, .bits = req->key_bits ? req->key_bits : 2048};
	AUTO(auto_pkey) EVP_PKEY *pub = NULL;
	struct token_identity made = {.s = s};
	char cn[65 + 1];
	int rc = token_name(req, rnd, cn, sizeof(cn), e);

	if (!rc && spec.bits != 1024 && spec.bits != 2048 && spec.bits != 4096)
		rc = err_set(e, ERR_USAGE, "keys that sign trust lists have 1024, 2048 or 4096 bits");
	if (!rc)
		rc = token_check_empty(s, e);
	if (!rc)
		rc = pkcs11_key_generate(s, spec, false, "SAST", &made.key, &pub, e);
	if (rc)
		return rc;
	const struct subject subject = {
		.cn = cn, .ou = req->ou ? req->ou : "IPCBU", .o = req->o ? req->o : "Cisco Systems, Inc.",
	};
	rc = furnish(&made, pub, ca, &subject, clock, rnd, e);
	if (rc)
		token_take_back(&made);
	else
		*t = made;
	return rc;
}
