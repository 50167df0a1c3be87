#include "phone/enrol.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "pki/key_pem.h"

void enrol_identity(const struct phone *p, enum phone_capf_mode mode, const char *string, struct capf_identity *me)
{
	const struct phone_identity *own = NULL;

	*me = (struct capf_identity){.device = p->device, .version = CAPF_VERSION};
	if (mode == PHONE_CAPF_STRING)
		me->password = string;
	if (mode == PHONE_CAPF_LSC && p->lsc.cert)
		own = &p->lsc;
	else if ((mode == PHONE_CAPF_LSC || mode == PHONE_CAPF_MIC) && p->mic.cert)
		own = &p->mic;
	if (!own)
		return;
	me->cert = own->cert;
	me->key = own->key;
	me->cert_type = own == &p->lsc ? CAPF_CERT_LSC : CAPF_CERT_MIC;
	if (p->mic.cert && cert_key_type(p->mic.cert) == CERT_KEY_RSA) {
		me->sudi = p->mic.cert;
		me->sudi_key = p->mic.key;
	}
}

static struct key_spec wanted(const struct capf_client *c)
{
	static const unsigned bits[] = {[CAPF_CURVE_P256] = 256, [CAPF_CURVE_P384] = 384, [CAPF_CURVE_P521] = 521};

	if (c->key_type == CAPF_KEY_RSA)
		return (struct key_spec){KEY_RSA, c->key_bits};
	return (struct key_spec){KEY_EC, c->curve <= CAPF_CURVE_P521 ? bits[c->curve] : 0};
}

/* The key whose certificate is to come; NULL when this phone makes no such key. */
static EVP_PKEY *make_key(struct enrolment *n, const struct capf_client *c)
{
	const struct key_spec spec = wanted(c);
	EVP_PKEY *key = NULL;
	struct err e = ERR_INIT;

	if (spec.type == KEY_EC && !traits_ec(n->phone->traits)) {
		snprintf(n->failed, sizeof n->failed, "CAPF asked for an EC key, which this model does not make");
		return NULL;
	}
	if (n->key) {
		EVP_PKEY_up_ref(n->key);
		return n->key;
	}
	if (key_generate(spec, &key, &e))
		snprintf(n->failed, sizeof n->failed, "%.*s", (int)sizeof n->failed - 1, e.text);
	return key;
}

static int generate(struct enrolment *n, struct capf_client *c, struct wr *out, struct err *e)
{
	EVP_PKEY *key = make_key(n, c);
	uint8_t *spki = NULL;
	int len, rc;

	EVP_PKEY_free(n->phone->lsc_next);
	n->phone->lsc_next = key;
	if (!key)
		return capf_client_key(c, (struct view){0}, out, e);
	n->failed[0] = '\0';
	len = i2d_PUBKEY(key, &spki);
	if (len <= 0)
		return err_openssl(e, ERR_CRYPTO, "public key cannot be encoded");
	rc = capf_client_key(c, (struct view){spki, (size_t)len}, out, e);
	OPENSSL_free(spki);
	return rc;
}

/* The certificate for the key that was made; one that renews the LSC without a new key is good too. */
static bool store(struct enrolment *n, struct view der)
{
	struct phone *p = n->phone;
	EVP_PKEY *keys[] = {p->lsc_next, p->lsc.key}, *key = NULL;
	struct cert *cert = NULL;
	struct err e = ERR_INIT;

	if (cert_from_der(der, &cert, &e)) {
		snprintf(n->failed, sizeof n->failed, "%.*s", (int)sizeof n->failed - 1, e.text);
		return false;
	}
	for (size_t i = 0; !key && i < sizeof keys / sizeof *keys; i++)
		if (keys[i] && X509_check_private_key(cert_x509(cert), keys[i]) == 1)
			key = keys[i];
	ERR_clear_error();
	if (key) {
		phone_identity_set(&p->lsc, cert, key);
		EVP_PKEY_free(p->lsc_next);
		p->lsc_next = NULL;
		n->installed = true;
	} else {
		snprintf(n->failed, sizeof n->failed, "CAPF gave a certificate for a key that the phone does not have");
	}
	cert_unref(cert);
	return key != NULL;
}

static int fetch(struct enrolment *n, struct capf_client *c, struct wr *out, struct err *e)
{
	const struct phone *p = n->phone;
	const struct cert *own = p->lsc.cert ? p->lsc.cert : p->mic.cert;

	n->fetched = own != NULL;
	if (!own)
		snprintf(n->failed, sizeof n->failed, "CAPF asked for a certificate, and the phone has neither an LSC nor a MIC");
	return capf_client_certificate(c, own, p->lsc.cert ? CAPF_CERT_LSC : CAPF_CERT_MIC, out, e);
}

static int delete(struct enrolment *n, struct capf_client *c, struct wr *out, struct err *e)
{
	bool had = n->phone->lsc.cert != NULL;

	phone_identity_set(&n->phone->lsc, NULL, NULL);
	n->deleted = had;
	if (!had)
		snprintf(n->failed, sizeof n->failed, "CAPF told it to delete its LSC, and it has none");
	return capf_client_done(c, had, out, e);
}

int enrol_obey(struct enrolment *n, struct capf_client *c, enum capf_client_want want, struct wr *out, struct err *e)
{
	switch (want) {
	case CAPF_CLIENT_GENERATE: return generate(n, c, out, e);
	case CAPF_CLIENT_STORE: return capf_client_done(c, store(n, c->certificate), out, e);
	case CAPF_CLIENT_FETCH: return fetch(n, c, out, e);
	case CAPF_CLIENT_DELETE: return delete(n, c, out, e);
	default: return err_set(e, ERR_BUG, "nothing that CAPF wants done");
	}
}
