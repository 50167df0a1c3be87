#include "pki/cert_list.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>

#include "base/cleanup.h"
#include "base/text.h"

OSSL_AUTO(auto_pkcs7, PKCS7, PKCS7_free)

struct reading {
	struct cert *certs[CERT_LIST_MAX];
	size_t n;
};

static void reading_clear(struct reading *g)
{
	for (size_t i = 0; i < g->n; i++)
		cert_unref(g->certs[i]);
	g->n = 0;
}

/* Takes cert. Chains often hold a certificate twice; once is enough. */
static int add(struct reading *g, struct cert *cert, struct err *e)
{
	bool there = false;

	for (size_t i = 0; i < g->n; i++)
		there |= cert_same(g->certs[i], cert);
	if (there || g->n == CERT_LIST_MAX) {
		cert_unref(cert);
		return there ? 0 : err_set(e, ERR_LIMIT, "more than %d certificates in one file", CERT_LIST_MAX);
	}
	g->certs[g->n++] = cert;
	return 0;
}

static int add_der(struct reading *g, struct view der, struct err *e)
{
	struct cert *cert = NULL;
	int rc = cert_from_der(der, &cert, e);

	return rc ? rc : add(g, cert, e);
}

static int add_pkcs7(struct reading *g, struct view der, struct err *e)
{
	const uint8_t *at = der.p;
	AUTO(auto_pkcs7) PKCS7 *p7 = d2i_PKCS7(NULL, &at, (long)der.len);
	STACK_OF(X509) *certs = NULL;
	int rc = 0;

	ERR_clear_error();
	if (!p7 || at != der.p + der.len)
		return err_rule(e, "pkcs7", -1, "neither a certificate nor a PKCS#7 message in DER form");
	if (PKCS7_type_is_signed(p7) && p7->d.sign)
		certs = p7->d.sign->cert;
	if (sk_X509_num(certs) < 1)
		return err_rule(e, "pkcs7", -1, "the PKCS#7 message holds no certificate");
	for (int i = 0; !rc && i < sk_X509_num(certs); i++) {
		struct cert *cert = NULL;
		rc = cert_from_x509(sk_X509_value(certs, i), &cert, e);
		if (!rc)
			rc = add(g, cert, e);
	}
	return rc;
}

static int add_block(struct reading *g, const char *label, struct view data, struct err *e)
{
	if (strcmp(label, PEM_STRING_X509) == 0 || strcmp(label, PEM_STRING_X509_OLD) == 0)
		return add_der(g, data, e);
	if (strcmp(label, PEM_STRING_PKCS7) == 0 || strcmp(label, "CMS") == 0)
		return add_pkcs7(g, data, e);
	if (text_ends(label, "PRIVATE KEY"))
		return err_set(e, ERR_AUTH, "there is a private key in it: it is not taken, and nobody but its owner should have it");
	return 0; /* requests, parameters and the like stand beside certificates at times */
}

/* *more is false behind the last block. PEM_read_bio hands over every block; what is secret in one is wiped. */
static int next_block(struct reading *g, BIO *bio, bool *more, struct err *e)
{
	char *label = NULL;
	char *header = NULL;
	uint8_t *data = NULL;
	long len = 0;

	*more = PEM_read_bio_ex(bio, &label, &header, &data, &len, PEM_FLAG_SECURE) == 1;
	if (!*more) {
		bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
		ERR_clear_error();
		return end ? 0 : err_rule(e, "certificate-pem", -1, "a PEM block is damaged or has no end");
	}
	int rc = add_block(g, label, (struct view){data, (size_t)len}, e);
	OPENSSL_secure_free(label);
	OPENSSL_secure_free(header);
	OPENSSL_secure_clear_free(data, (size_t)len);
	return rc;
}

static int read_pem(struct reading *g, struct view file, struct err *e)
{
	AUTO(auto_bio) BIO *bio = BIO_new_mem_buf(file.p, (int)file.len);
	bool more = true;
	int rc = bio ? 0 : err_openssl(e, ERR_NOMEM, "certificates");

	while (!rc && more)
		rc = next_block(g, bio, &more, e);
	if (!rc && g->n == 0)
		rc = err_rule(e, "certificate-pem", -1, "no certificate in PEM (-----BEGIN CERTIFICATE-----) or DER form");
	return rc;
}

static int read_der(struct reading *g, struct view file, struct err *e)
{
	struct err why = ERR_INIT;
	struct cert *cert = NULL;
	int rc = cert_from_der(file, &cert, &why);

	if (rc == 0)
		return add(g, cert, e);
	if (add_pkcs7(g, file, NULL) == 0)
		return 0;
	/* What is no PKCS#7 either was meant to be a certificate: tell what is wrong with that. */
	reading_clear(g);
	if (e)
		*e = why;
	return rc;
}

int cert_list_read(struct view file, struct cert ***list, size_t *n, struct err *e)
{
	AUTO(reading_clear) struct reading g = {.n = 0};

	if (file.len > CERT_LIST_MAX_OCTETS)
		return err_set(e, ERR_LIMIT, "certificates: file larger than %d KiB", CERT_LIST_MAX_OCTETS >> 10);
	bool pem = memmem(file.p ? file.p : (const uint8_t *)"", file.len, "-----BEGIN ", 11) != NULL;
	bool der = file.len && file.p[0] == 0x30 && !pem;
	int rc = der ? read_der(&g, file, e) : read_pem(&g, file.len ? file : view_str("\n"), e);

	if (rc)
		return rc;
	struct cert **out = malloc(g.n * sizeof(struct cert *));
	if (!out)
		return err_set(e, ERR_NOMEM, "out of memory");
	memcpy(out, g.certs, g.n * sizeof(struct cert *));
	*list = out;
	*n = g.n;
	g.n = 0;
	return 0;
}

void cert_list_free(struct cert **list, size_t n)
{
	for (size_t i = 0; list && i < n; i++)
		cert_unref(list[i]);
	free(list);
}
