#include "pki/request.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "pki/issue_internal.h"
#include "pki/ossl.h"

OSSL_AUTO(auto_x509_req, X509_REQ, X509_REQ_free)
OSSL_AUTO(auto_san, GENERAL_NAMES, GENERAL_NAMES_free)

struct request {
	X509_REQ *req;
	X509_EXTENSIONS *extensions; /* NULL: it asks for none */
	uint8_t *spki;
	int spki_len;
	char subject[NAME_MAX_LEN];
};

static int no_memory(struct err *e)
{
	ERR_clear_error();
	return err_set(e, ERR_NOMEM, "certificate request: out of memory");
}

/* --- making --- */

static int to_pem(X509_REQ *req, char **pem, struct err *e)
{
	AUTO(auto_bio) BIO *bio = BIO_new(BIO_s_mem());
	char *data;

	if (!bio || !PEM_write_bio_X509_REQ(bio, req))
		return err_openssl(e, ERR_CRYPTO, "certificate request cannot be encoded");
	long len = BIO_get_mem_data(bio, &data);
	char *text = len > 0 ? strndup(data, (size_t)len) : NULL;
	if (!text)
		return no_memory(e);
	*pem = text;
	return 0;
}

/* Extensions are put together in a certificate that is never signed: the same code makes them for both. */
static int fill(X509_REQ *req, EVP_PKEY *pub, const struct subject *s, const struct cert_profile *p, struct err *e)
{
	AUTO(auto_x509) X509 *model = X509_new();
	int r = model && X509_set_pubkey(model, pub) ? issue_set_names(model, s, e) : no_memory(e);

	if (!r)
		r = issue_add_profile(model, p, false, e);
	if (r)
		return r;
	if (!X509_REQ_set_version(req, X509_REQ_VERSION_1) || !X509_REQ_set_pubkey(req, pub) ||
	    !X509_REQ_set_subject_name(req, X509_get_subject_name(model)))
		return no_memory(e);
	if (X509_get0_extensions(model) &&
	    !X509_REQ_add_extensions(req, (STACK_OF(X509_EXTENSION) *)(uintptr_t)X509_get0_extensions(model)))
		return no_memory(e);
	return 0;
}

int request_make(struct keystore *ks, const char *name, const struct subject *s, const struct cert_profile *p, char **pem,
		 struct err *e)
{
	AUTO(auto_pkey) EVP_PKEY *pub = NULL;
	AUTO(auto_pkey) EVP_PKEY *key = NULL;
	AUTO(auto_x509_req) X509_REQ *req = X509_REQ_new();
	int r = req ? ks->ops->public_key(ks, name, &pub, e) : no_memory(e);

	if (!r)
		r = key_borrow(ks, name, pub, &key, e);
	if (!r)
		r = fill(req, pub, s, p, e);
	if (r)
		return r;
	if (!X509_REQ_sign(req, key, digest_evp(p->digest)))
		return err_openssl(e, ERR_CRYPTO, "certificate request cannot be signed");
	return to_pem(req, pem, e);
}

/* --- reading --- */

static int malformed(struct err *e, const char *why)
{
	ERR_clear_error();
	return err_rule(e, "certificate-request", -1, "certificate request: %s", why);
}

static int take_apart(struct request *r, struct err *e)
{
	uint8_t *der = NULL;
	int len = i2d_X509_NAME(X509_REQ_get_subject_name(r->req), &der);

	if (len < 0)
		return no_memory(e);
	int rc = name_from_der((struct view){der, (size_t)len}, NAME_FORM_A, r->subject, sizeof(r->subject), e);
	OPENSSL_free(der);
	if (rc)
		return rc;
	r->spki_len = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(r->req), &r->spki);
	if (r->spki_len < 0)
		return malformed(e, "its key cannot be read");
	r->extensions = X509_REQ_get_extensions(r->req);
	ERR_clear_error();
	EVP_PKEY *key = X509_REQ_get0_pubkey(r->req);
	if (!key || X509_REQ_verify(r->req, key) != 1)
		return malformed(e, "its own signature does not hold");
	return 0;
}

int request_from_pem(struct view pem, struct request **out, struct err *e)
{
	AUTO(auto_bio) BIO *bio = NULL;

	if (pem.len > 2 * REQUEST_MAX_DER)
		return err_set(e, ERR_LIMIT, "certificate request: larger than %d octets", 2 * REQUEST_MAX_DER);
	struct request *r = calloc(1, sizeof(*r));
	bio = BIO_new_mem_buf(pem.len ? (const void *)pem.p : "", (int)pem.len);
	if (!r || !bio) {
		free(r);
		return no_memory(e);
	}
	r->req = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
	int rc = r->req ? take_apart(r, e) : malformed(e, "not in PEM form (-----BEGIN CERTIFICATE REQUEST-----)");
	if (rc) {
		request_free(r);
		return rc;
	}
	*out = r;
	return 0;
}

void request_free(struct request *r)
{
	if (!r)
		return;
	sk_X509_EXTENSION_pop_free(r->extensions, X509_EXTENSION_free);
	OPENSSL_free(r->spki);
	X509_REQ_free(r->req);
	free(r);
}

const char *request_subject(const struct request *r)
{
	return r->subject;
}

struct view request_spki(const struct request *r)
{
	return (struct view){r->spki, (size_t)r->spki_len};
}

const X509_REQ *request_x509(const struct request *r)
{
	return r->req;
}

/* --- the certificate beside it --- */

bool request_is_for_key(const struct request *r, const struct cert *c)
{
	return view_eq(request_spki(r), cert_spki(c));
}

static bool among(const GENERAL_NAMES *names, GENERAL_NAME *wanted)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(names, i), wanted) == 0)
			return true;
	return false;
}

static bool all_among(const GENERAL_NAMES *some, const GENERAL_NAMES *all)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(some); i++)
		if (!among(all, sk_GENERAL_NAME_value(some, i)))
			return false;
	return true;
}

bool request_has_names(const struct request *r, const struct cert *c)
{
	AUTO(auto_san) GENERAL_NAMES *asked = X509V3_get_d2i(r->extensions, NID_subject_alt_name, NULL, NULL);
	AUTO(auto_san) GENERAL_NAMES *got = X509_get_ext_d2i(cert_x509(c), NID_subject_alt_name, NULL, NULL);

	ERR_clear_error();
	return !asked || (got && all_among(asked, got) && all_among(got, asked));
}

unsigned request_lost_usage(const struct request *r, const struct cert *c)
{
	ASN1_BIT_STRING *asked = X509V3_get_d2i(r->extensions, NID_key_usage, NULL, NULL);
	uint32_t got = X509_get_key_usage(cert_x509(c));
	unsigned lost = asked && asked->length > 0 ? asked->data[0] & ~got : 0;

	ASN1_BIT_STRING_free(asked);
	ERR_clear_error();
	return lost;
}
