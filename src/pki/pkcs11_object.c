#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>

#include "base/cleanup.h"
#include "pki/der.h"
#include "pki/ossl.h"
#include "pki/pkcs11_internal.h"

#define OBJECTS_MAX 512 /* that one search looks at */
#define VALUE_MAX 1024  /* octets of a modulus, a point, a label */
#define RANDOM_ID 16    /* octets of a new key's id, until it gets its name */

static unsigned char yes = 1, no = 0; /* CK_BBOOL */
static ck_object_class_t class_private = CKO_PRIVATE_KEY, class_public = CKO_PUBLIC_KEY, class_cert = CKO_CERTIFICATE;
static ck_certificate_type_t type_x509 = CKC_X_509;

/* Cryptoki's templates are not const, and it leaves their values alone. */
static struct ck_attribute attribute(ck_attribute_type_t type, const void *value, size_t len)
{
	return (struct ck_attribute){type, (void *)(uintptr_t)value, len};
}

static struct ck_attribute bool_attribute(ck_attribute_type_t type, bool value)
{
	return attribute(type, value ? &yes : &no, sizeof(yes));
}

/* --- search --- */

struct handles {
	ck_object_handle_t h[OBJECTS_MAX];
	unsigned long n;
};

static int search(struct pkcs11_session *s, struct ck_attribute *t, unsigned long n, struct handles *out, struct err *e)
{
	unsigned long got = 1;
	ck_rv_t rv = s->f->C_FindObjectsInit(s->h, t, n);

	if (rv != CKR_OK)
		return pkcs11_fail(s, rv, "looking for objects", e);
	out->n = 0;
	while (rv == CKR_OK && got && out->n < OBJECTS_MAX) {
		rv = s->f->C_FindObjects(s->h, out->h + out->n, OBJECTS_MAX - out->n, &got);
		if (rv == CKR_OK)
			out->n += got;
	}
	s->f->C_FindObjectsFinal(s->h);
	return rv == CKR_OK ? 0 : pkcs11_fail(s, rv, "looking for objects", e);
}

static int search_class(struct pkcs11_session *s, const ck_object_class_t *class, const struct pkcs11_want *w,
			struct handles *out, struct err *e)
{
	struct ck_attribute t[4];
	unsigned long n = 0;

	t[n++] = attribute(CKA_CLASS, class, sizeof(*class));
	t[n++] = bool_attribute(CKA_TOKEN, true);
	if (w && w->label)
		t[n++] = attribute(CKA_LABEL, w->label, strlen(w->label));
	if (w && w->id.p)
		t[n++] = attribute(CKA_ID, w->id.p, w->id.len);
	return search(s, t, n, out, e);
}

/* One attribute; *len 0 when the object does not have it. */
static int get(struct pkcs11_session *s, ck_object_handle_t h, ck_attribute_type_t type, uint8_t *out, size_t size,
	       size_t *len, struct err *e)
{
	struct ck_attribute a = attribute(type, out, size);
	ck_rv_t rv = s->f->C_GetAttributeValue(s->h, h, &a, 1);

	*len = 0;
	if (rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE)
		return 0;
	if (rv == CKR_BUFFER_TOO_SMALL)
		return err_set(e, ERR_LIMIT, "%s: an object has a value of more than %zu octets", s->label, size);
	if (rv != CKR_OK)
		return pkcs11_fail(s, rv, "reading an object", e);
	*len = a.value_len == (unsigned long)-1 ? 0 : a.value_len;
	return 0;
}

static int describe(struct pkcs11_session *s, ck_object_handle_t h, struct pkcs11_found *f, struct err *e)
{
	uint8_t label[VALUE_MAX], id[VALUE_MAX];
	size_t label_len, id_len;
	int rc = get(s, h, CKA_LABEL, label, sizeof(label), &label_len, e);

	if (!rc)
		rc = get(s, h, CKA_ID, id, sizeof(id), &id_len, e);
	if (rc)
		return rc;
	*f = (struct pkcs11_found){.object = {h}};
	memcpy(f->label, label, label_len < sizeof(f->label) ? label_len : sizeof(f->label) - 1);
	f->id_len = id_len < sizeof(f->id) ? id_len : sizeof(f->id);
	memcpy(f->id, id, f->id_len);
	return 0;
}

int pkcs11_keys(struct pkcs11_session *s, const struct pkcs11_want *w,
		int (*cb)(void *ctx, const struct pkcs11_found *f), void *ctx, struct err *e)
{
	struct handles all;
	struct pkcs11_found f;
	int rc = search_class(s, &class_private, w, &all, e);

	for (unsigned long i = 0; i < all.n && !rc; i++) {
		rc = describe(s, all.h[i], &f, e);
		if (!rc)
			rc = cb(ctx, &f);
	}
	return rc;
}

int pkcs11_key_find(struct pkcs11_session *s, const struct pkcs11_want *w, bool *found, struct pkcs11_object *key,
		    struct err *e)
{
	struct handles all;
	int rc = search_class(s, &class_private, w, &all, e);

	if (rc)
		return rc;
	if (all.n > 1)
		return err_set(e, ERR_USAGE, "%s: %lu private keys match%s%s: name one with object=LABEL or id=%%XX in the URI",
			       s->label, all.n, w && w->label ? " " : "", w && w->label ? w->label : "");
	*found = all.n == 1;
	if (*found)
		key->handle = all.h[0];
	return 0;
}

/* --- public halves --- */

static int build_key(const char *type, OSSL_PARAM_BLD *b, EVP_PKEY **pub, struct err *e)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
	EVP_PKEY *key = NULL;
	bool done = ctx && params && EVP_PKEY_fromdata_init(ctx) > 0 &&
		    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) > 0;

	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	if (!done)
		return err_openssl(e, ERR_CRYPTO, "token: the public key makes no sense");
	*pub = key;
	return 0;
}

static int rsa_public(struct pkcs11_session *s, ck_object_handle_t h, EVP_PKEY **pub, bool *have, struct err *e)
{
	uint8_t n[VALUE_MAX], exponent[VALUE_MAX];
	size_t n_len, exponent_len;
	int rc = get(s, h, CKA_MODULUS, n, sizeof(n), &n_len, e);

	if (!rc)
		rc = get(s, h, CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent), &exponent_len, e);
	*have = !rc && n_len && exponent_len;
	if (!*have)
		return rc;
	AUTO(auto_bn) BIGNUM *modulus = BN_bin2bn(n, (int)n_len, NULL);
	AUTO(auto_bn) BIGNUM *exp = BN_bin2bn(exponent, (int)exponent_len, NULL);
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	if (!b || !modulus || !exp || !OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, modulus) ||
	    !OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, exp))
		rc = err_openssl(e, ERR_NOMEM, "token: public key");
	else
		rc = build_key("RSA", b, pub, e);
	OSSL_PARAM_BLD_free(b);
	return rc;
}

static const char *curve_of(const uint8_t *oid, size_t len)
{
	ASN1_OBJECT *o = d2i_ASN1_OBJECT(NULL, &oid, (long)len);
	const char *name = o ? OBJ_nid2sn(OBJ_obj2nid(o)) : NULL;

	ASN1_OBJECT_free(o);
	return name;
}

static int ec_public(struct pkcs11_session *s, ck_object_handle_t h, EVP_PKEY **pub, bool *have, struct err *e)
{
	uint8_t oid[VALUE_MAX], point[VALUE_MAX];
	size_t oid_len, point_len;
	int rc = get(s, h, CKA_EC_PARAMS, oid, sizeof(oid), &oid_len, e);

	if (!rc)
		rc = get(s, h, CKA_EC_POINT, point, sizeof(point), &point_len, e);
	*have = !rc && oid_len && point_len;
	if (!*have)
		return rc;
	const uint8_t *p = point; /* an OCTET STRING around the point, by the standard; some leave it out */
	ASN1_OCTET_STRING *wrapped = d2i_ASN1_OCTET_STRING(NULL, &p, (long)point_len);
	const uint8_t *inner = wrapped ? ASN1_STRING_get0_data(wrapped) : point;
	size_t inner_len = wrapped ? (size_t)ASN1_STRING_length(wrapped) : point_len;
	const char *curve = curve_of(oid, oid_len);
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	if (!b || !curve || !OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) ||
	    !OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, inner, inner_len))
		rc = err_openssl(e, ERR_CRYPTO, "token: a curve that is not known");
	else
		rc = build_key("EC", b, pub, e);
	OSSL_PARAM_BLD_free(b);
	ASN1_OCTET_STRING_free(wrapped);
	return rc;
}

static int public_of(struct pkcs11_session *s, ck_object_handle_t h, EVP_PKEY **pub, bool *have, struct err *e)
{
	ck_key_type_t type = 0;
	size_t len;
	int rc = get(s, h, CKA_KEY_TYPE, (uint8_t *)&type, sizeof(type), &len, e);

	*have = false;
	if (rc)
		return rc;
	return type == CKK_RSA ? rsa_public(s, h, pub, have, e) : type == CKK_EC ? ec_public(s, h, pub, have, e) : 0;
}

/* The public object beside a private one: the one with its id. */
static int find_public(struct pkcs11_session *s, struct pkcs11_object key, struct handles *out, struct err *e)
{
	uint8_t id[VALUE_MAX];
	size_t len;
	int rc = get(s, key.handle, CKA_ID, id, sizeof(id), &len, e);
	struct pkcs11_want w = {.id = {id, len}};

	out->n = 0;
	return rc || !len ? rc : search_class(s, &class_public, &w, out, e);
}

int pkcs11_key_public(struct pkcs11_session *s, struct pkcs11_object key, EVP_PKEY **pub, struct err *e)
{
	struct handles halves;
	bool have;
	int rc = public_of(s, key.handle, pub, &have, e);

	if (rc || have)
		return rc;
	rc = find_public(s, key, &halves, e);
	for (unsigned long i = 0; !rc && !have && i < halves.n; i++)
		rc = public_of(s, halves.h[i], pub, &have, e);
	if (!rc && !have)
		rc = err_set(e, ERR_CRYPTO, "%s: the token does not tell the public half of a key", s->label);
	return rc;
}

/* --- making and removing keys --- */

static int ec_params(unsigned bits, uint8_t out[32], size_t *len, struct err *e)
{
	int nid = bits == 256 ? NID_X9_62_prime256v1 : bits == 384 ? NID_secp384r1 : bits == 521 ? NID_secp521r1 : 0;
	uint8_t *p = out;
	int n = nid ? i2d_ASN1_OBJECT(OBJ_nid2obj(nid), NULL) : 0;

	if (n <= 0 || n > 32)
		return err_set(e, ERR_USAGE, "EC keys have 256, 384 or 521 bits");
	*len = (size_t)i2d_ASN1_OBJECT(OBJ_nid2obj(nid), &p);
	return 0;
}

struct pair {
	struct ck_mechanism mechanism;
	struct ck_attribute pub[8], priv[10];
	unsigned long n_pub, n_priv;
	uint8_t id[RANDOM_ID], oid[32];
	unsigned long bits;
	size_t oid_len;
};

static void add_pub(struct pair *p, struct ck_attribute a)
{
	p->pub[p->n_pub++] = a;
}

static void add_priv(struct pair *p, struct ck_attribute a)
{
	p->priv[p->n_priv++] = a;
}

static int plan_pair(struct pair *p, struct key_spec spec, bool decrypt, const char *label, struct err *e)
{
	static const uint8_t exponent[] = {1, 0, 1};
	bool rsa = spec.type == KEY_RSA;
	int rc = rsa ? 0 : ec_params(spec.bits, p->oid, &p->oid_len, e);

	if (rc)
		return rc;
	if (RAND_bytes(p->id, sizeof(p->id)) != 1)
		return err_openssl(e, ERR_CRYPTO, "token: no random octets");
	p->bits = spec.bits;
	p->mechanism.mechanism = rsa ? CKM_RSA_PKCS_KEY_PAIR_GEN : CKM_EC_KEY_PAIR_GEN;
	add_pub(p, bool_attribute(CKA_TOKEN, true));
	add_pub(p, bool_attribute(CKA_VERIFY, true));
	add_pub(p, attribute(CKA_ID, p->id, sizeof(p->id)));
	add_pub(p, attribute(CKA_LABEL, label, strlen(label)));
	if (rsa) {
		add_pub(p, attribute(CKA_MODULUS_BITS, &p->bits, sizeof(p->bits)));
		add_pub(p, attribute(CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent)));
	} else {
		add_pub(p, attribute(CKA_EC_PARAMS, p->oid, p->oid_len));
	}
	add_priv(p, bool_attribute(CKA_TOKEN, true));
	add_priv(p, bool_attribute(CKA_PRIVATE, true));
	add_priv(p, bool_attribute(CKA_SENSITIVE, true));
	add_priv(p, bool_attribute(CKA_EXTRACTABLE, false));
	add_priv(p, bool_attribute(CKA_SIGN, true));
	add_priv(p, bool_attribute(CKA_DECRYPT, rsa && decrypt));
	add_priv(p, bool_attribute(CKA_UNWRAP, false));
	add_priv(p, attribute(CKA_ID, p->id, sizeof(p->id)));
	add_priv(p, attribute(CKA_LABEL, label, strlen(label)));
	return 0;
}

int pkcs11_key_generate(struct pkcs11_session *s, struct key_spec spec, bool decrypt, const char *label,
			struct pkcs11_object *key, EVP_PKEY **pub, struct err *e)
{
	struct pair p = {0};
	ck_object_handle_t h_pub, h_priv;
	int rc = plan_pair(&p, spec, decrypt, label, e);

	if (rc)
		return rc;
	ck_rv_t rv = s->f->C_GenerateKeyPair(s->h, &p.mechanism, p.pub, p.n_pub, p.priv, p.n_priv, &h_pub, &h_priv);
	if (rv != CKR_OK)
		return pkcs11_fail(s, rv, "making a key", e);
	struct pkcs11_object made = {h_priv};
	rc = pkcs11_key_public(s, made, pub, e);
	if (rc) {
		if (pkcs11_key_remove(s, made, NULL))
			return rc; /* e tells what went wrong first */
		return rc;
	}
	*key = made;
	return 0;
}

int pkcs11_key_name(struct pkcs11_session *s, struct pkcs11_object key, const char *label, struct view id, struct err *e)
{
	struct ck_attribute t[] = {attribute(CKA_LABEL, label, strlen(label)), attribute(CKA_ID, id.p, id.len)};
	struct handles halves;
	int rc = find_public(s, key, &halves, e);

	for (unsigned long i = 0; !rc && i <= halves.n; i++) {
		ck_rv_t rv = s->f->C_SetAttributeValue(s->h, i < halves.n ? halves.h[i] : key.handle, t, 2);
		if (rv != CKR_OK)
			rc = pkcs11_fail(s, rv, "naming a key", e);
	}
	return rc;
}

int pkcs11_key_remove(struct pkcs11_session *s, struct pkcs11_object key, struct err *e)
{
	struct handles halves;
	int rc = find_public(s, key, &halves, e);

	if (!rc)
		rc = pkcs11_object_remove(s, key, e);
	for (unsigned long i = 0; !rc && i < halves.n; i++)
		rc = pkcs11_object_remove(s, (struct pkcs11_object){halves.h[i]}, e);
	return rc;
}

int pkcs11_object_remove(struct pkcs11_session *s, struct pkcs11_object object, struct err *e)
{
	ck_rv_t rv = s->f->C_DestroyObject(s->h, object.handle);

	return rv == CKR_OK ? 0 : pkcs11_fail(s, rv, "removing an object", e);
}

/* --- certificates --- */

static int read_cert(struct pkcs11_session *s, ck_object_handle_t h, struct cert **cert, struct err *e)
{
	AUTO(auto_free) uint8_t *der = malloc(CERT_MAX_DER);
	size_t len;

	if (!der)
		return err_set(e, ERR_NOMEM, "token: out of memory");
	*cert = NULL;
	int rc = get(s, h, CKA_VALUE, der, CERT_MAX_DER, &len, e);
	/* What cannot be read is nobody's to refuse: the token may hold what it likes. */
	if (!rc && cert_from_der((struct view){der, len}, cert, NULL))
		*cert = NULL;
	return rc;
}

int pkcs11_certs(struct pkcs11_session *s, const struct pkcs11_want *w,
		 int (*cb)(void *ctx, const struct pkcs11_found *f, struct cert *cert), void *ctx, struct err *e)
{
	struct handles all;
	struct pkcs11_found f;
	int rc = search_class(s, &class_cert, w, &all, e);

	for (unsigned long i = 0; i < all.n && !rc; i++) {
		struct cert *cert = NULL;
		rc = describe(s, all.h[i], &f, e);
		if (!rc)
			rc = read_cert(s, all.h[i], &cert, e);
		if (!rc && cert)
			rc = cb(ctx, &f, cert);
		cert_unref(cert);
	}
	return rc;
}

static int key_among(struct pkcs11_session *s, const struct handles *all, const struct cert *cert, bool *found,
		     struct err *e)
{
	int rc = 0;

	for (unsigned long i = 0; i < all->n && !rc && !*found; i++) {
		EVP_PKEY *pub = NULL;
		bool have;

		rc = public_of(s, all->h[i], &pub, &have, e);
		*found = !rc && have && EVP_PKEY_eq(X509_get0_pubkey(cert_x509(cert)), pub) == 1;
		EVP_PKEY_free(pub);
	}
	return rc;
}

int pkcs11_cert_key(struct pkcs11_session *s, const struct pkcs11_found *f, const struct cert *cert,
		    enum pkcs11_key_seen *seen, struct err *e)
{
	static const ck_object_class_t *const classes[] = {&class_public, &class_private};
	struct pkcs11_want same_id = {.id = {f->id, f->id_len}};
	bool found = false;
	unsigned long n = 0;
	int rc = 0;

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]) && !rc; i++) {
		struct handles all;

		rc = search_class(s, classes[i], NULL, &all, e);
		n += rc ? 0 : all.n;
		if (!rc)
			rc = search_class(s, classes[i], &same_id, &all, e);
		if (!rc)
			rc = key_among(s, &all, cert, &found, e);
	}
	if (!rc)
		*seen = found ? PKCS11_KEY_THERE : n ? PKCS11_KEY_MISSING : PKCS11_KEY_HIDDEN;
	return rc;
}

/* The serial number as it stands in the certificate, with tag and length: so the standard has it. */
static int serial_der(const struct cert *cert, uint8_t **der, int *len, struct err *e)
{
	*der = NULL;
	*len = i2d_ASN1_INTEGER(X509_get_serialNumber(cert_x509(cert)), der);
	return *len > 0 ? 0 : err_openssl(e, ERR_NOMEM, "token: serial number");
}

int pkcs11_cert_write(struct pkcs11_session *s, const char *label, struct view id, const struct cert *cert, struct err *e)
{
	struct view der = cert_der(cert), subject = cert_subject_der(cert), issuer = cert_issuer_der(cert);
	ck_object_handle_t h;
	uint8_t *serial;
	int serial_len;
	int rc = serial_der(cert, &serial, &serial_len, e);

	if (rc)
		return rc;
	struct ck_attribute t[] = {
		attribute(CKA_CLASS, &class_cert, sizeof(class_cert)),
		attribute(CKA_CERTIFICATE_TYPE, &type_x509, sizeof(type_x509)),
		bool_attribute(CKA_TOKEN, true),
		bool_attribute(CKA_PRIVATE, false),
		attribute(CKA_LABEL, label, strlen(label)),
		attribute(CKA_ID, id.p, id.len),
		attribute(CKA_SUBJECT, subject.p, subject.len),
		attribute(CKA_ISSUER, issuer.p, issuer.len),
		attribute(CKA_SERIAL_NUMBER, serial, (size_t)serial_len),
		attribute(CKA_VALUE, der.p, der.len),
	};
	ck_rv_t rv = s->f->C_CreateObject(s->h, t, sizeof(t) / sizeof(t[0]), &h);
	OPENSSL_free(serial);
	return rv == CKR_OK ? 0 : pkcs11_fail(s, rv, "writing a certificate", e);
}
