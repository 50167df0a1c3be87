/* Certificates: what is accepted is taken apart within its own octets, and its names name it. */
#include <stdlib.h>
#include <string.h>

#include "pki/cert.h"
#include "pki/rsa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void inside(struct view part, struct view whole)
{
	must(part.len <= whole.len && part.p >= whole.p && part.p + part.len <= whole.p + whole.len);
}

static void names_hold(const struct cert *c)
{
	char text[NAME_MAX_LEN];

	if (cert_subject(c)[0])
		must(name_matches_der(view_str(cert_subject(c)), cert_subject_der(c)));
	if (!name_from_der(cert_issuer_der(c), NAME_FORM_C, text, sizeof(text), NULL) && text[0])
		must(name_matches_der(view_str(text), cert_issuer_der(c)));
	must(serial_matches_cert(cert_serial(c), cert_serial(c)));
}

/* What was taken in once is read back from its PEM and its digest, with the same fields. */
static void known_is_the_same(const struct cert *c)
{
	struct cert *k = NULL;
	char *pem = NULL;

	must(cert_to_pem(c, &pem, NULL) == 0 &&
	     cert_from_known_pem((struct view){(const uint8_t *)pem, strlen(pem)}, cert_sha256(c), &k, NULL) == 0);
	must(cert_same(c, k) && strcmp(cert_subject(c), cert_subject(k)) == 0);
	must(strcmp(cert_issuer(c), cert_issuer(k)) == 0);
	must(cert_not_before(c) == cert_not_before(k) && cert_not_after(c) == cert_not_after(k));
	must(cert_key_type(c) == cert_key_type(k) && cert_key_bits(c) == cert_key_bits(k));
	cert_unref(k);
	free(pem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cert *c = NULL;
	struct cert *again = NULL;
	const struct rsa_pub *key;
	struct err e = ERR_INIT;
	int r = cert_from_pem((struct view){data, size}, &c, &e);

	must(r == 0 || ((r == ERR_PROTO || r == ERR_LIMIT) && e.text[0] && !c));
	if (r)
		return 0;
	inside(cert_spki(c), cert_der(c));
	inside(cert_signature(c), cert_der(c));
	inside(cert_subject_der(c), cert_der(c));
	inside(cert_issuer_der(c), cert_der(c));
	if (cert_key_type(c) != CERT_KEY_OTHER)
		inside(cert_public_key(c), cert_spki(c));
	if (cert_key_type(c) == CERT_KEY_RSA && !rsa_pub_get(cert_public_key(c), &key, NULL))
		must(rsa_pub_len(key) >= RSA_MIN_BITS / 8 && rsa_pub_len(key) <= RSA_MAX_BITS / 8);
	names_hold(c);
	known_is_the_same(c);
	must(cert_from_der(cert_der(c), &again, NULL) == 0 && cert_same(c, again));
	cert_unref(again);
	cert_unref(c);
	return 0;
}
