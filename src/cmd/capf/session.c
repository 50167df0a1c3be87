#include "cmd/capf/session.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/secret.h"
#include "pki/key_pem.h"
#include "pki/lsc.h"
#include "proto/capf_proof.h"

void capf_session_clear(struct capf_session *s)
{
	EVP_PKEY_free(s->made_key);
	cert_unref(s->lsc);
	s->made_key = NULL;
	s->lsc = NULL;
}

static EVP_PKEY *key_of(const struct capf_session *s)
{
	return s->given_key ? s->given_key : s->made_key;
}

static void decline(struct capf_session *s, const char *what, const struct err *e)
{
	snprintf(s->declined, sizeof s->declined, "%s: %s", what, e->text);
}

/* ---- the key ---- */

static int spki_of(EVP_PKEY *key, struct wr *out, struct err *e)
{
	uint8_t *der = NULL;
	int len = i2d_PUBKEY(key, &der);

	if (len <= 0)
		return err_openssl(e, ERR_CRYPTO, "the public key cannot be encoded");
	wr_bytes(out, der, (size_t)len);
	OPENSSL_free(der);
	return out->failed ? err_set(e, out->failed, "no memory for a public key") : 0;
}

static int asked_spec(const struct capf_client *c, struct key_spec *spec, struct err *e)
{
	static const unsigned curves[] = {[CAPF_CURVE_P256] = 256, [CAPF_CURVE_P384] = 384, [CAPF_CURVE_P521] = 521};

	if (c->key_type == CAPF_KEY_RSA)
		*spec = (struct key_spec){KEY_RSA, c->key_bits};
	else if (c->curve < sizeof curves / sizeof curves[0])
		*spec = (struct key_spec){KEY_EC, curves[c->curve]};
	else
		return err_set(e, ERR_USAGE, "there is no curve number %u", c->curve);
	return 0;
}

/* Out: the public half of the key that the server asked for. */
static int make_key(struct capf_session *s, const struct capf_client *c, struct wr *spki, struct err *e)
{
	struct key_spec spec;
	int rc = asked_spec(c, &spec, e);

	if (!rc && !s->given_key) {
		EVP_PKEY_free(s->made_key);
		s->made_key = NULL;
		rc = key_generate(spec, &s->made_key, e);
	}
	if (!rc)
		rc = spki_of(key_of(s), spki, e);
	if (!rc && s->given_key)
		rc = lsc_key_check(wr_view_all(spki), spec, e);
	return rc;
}

static int answer_key(struct capf_session *s, struct capf_client *c, struct wr *out, struct err *e)
{
	struct err why = ERR_INIT;
	struct wr spki;
	int rc;

	wr_init(&spki, UINT16_MAX);
	s->declined[0] = '\0'; /* a second request stands in place of the first */
	if (make_key(s, c, &spki, &why)) {
		wr_clear(&spki);
		decline(s, "the server asks for a key that cannot be given", &why);
	}
	rc = capf_client_key(c, wr_view_all(&spki), out, e);
	wr_clear(&spki);
	return rc;
}

/* ---- the certificate ---- */

static int check_lsc(const struct capf_session *s, const struct cert *lsc, struct err *e)
{
	struct wr spki;
	int rc;

	if (!key_of(s))
		return err_set(e, ERR_USAGE, "it belongs to a key of an earlier session: give that with --use-key");
	wr_init(&spki, UINT16_MAX);
	rc = spki_of(key_of(s), &spki, e);
	if (!rc && !view_eq(wr_view_all(&spki), cert_spki(lsc)))
		rc = err_set(e, ERR_AUTH, "it was issued for another key (%s)", cert_subject(lsc));
	if (!rc && !capf_cert_is_device(lsc, view_str(s->device)))
		rc = err_set(e, ERR_AUTH, "it was issued for another device (%s)", cert_subject(lsc));
	wr_clear(&spki);
	return rc;
}

static int write_key(const struct capf_session *s, struct err *e)
{
	uint8_t *pem = NULL;
	size_t len = 0;
	int rc = key_to_pem(s->made_key, &pem, &len, e);

	if (!rc)
		rc = file_replace(AT_FDCWD, s->key_out, (struct view){pem, len}, 0600, e);
	secret_free(pem, len);
	return rc;
}

/* Both or neither. That there were no such files was checked before anybody was asked. */
static int write_both(const struct capf_session *s, const struct cert *lsc, struct err *e)
{
	AUTO(auto_free) char *pem = NULL;
	int rc = cert_to_pem(lsc, &pem, e);

	if (!rc && !s->given_key)
		rc = write_key(s, e);
	if (rc)
		return rc;
	rc = file_replace(AT_FDCWD, s->cert_out, view_str(pem), 0644, e);
	if (rc && !s->given_key)
		unlink(s->key_out);
	return rc;
}

static int answer_store(struct capf_session *s, struct capf_client *c, struct wr *out, struct err *e)
{
	struct cert *lsc = NULL;
	struct err why = ERR_INIT;
	int rc = cert_from_der(c->certificate, &lsc, &why);

	if (!rc)
		rc = check_lsc(s, lsc, &why);
	if (!rc)
		rc = write_both(s, lsc, &why);
	if (rc) {
		decline(s, "the certificate that the server gave was not kept", &why);
		cert_unref(lsc);
	} else {
		s->lsc = lsc;
		s->obeyed = true;
	}
	return capf_client_done(c, rc == 0, out, e);
}

/* ---- what the server wants ---- */

static const char *wish(enum capf_client_want want)
{
	switch (want) {
	case CAPF_CLIENT_FETCH: return "fetch the certificate (Troubleshoot): that is 'ringfence capf fetch'";
	case CAPF_CLIENT_DELETE: return "delete the certificate: that is 'ringfence capf delete'";
	default: return "install a certificate: that is 'ringfence capf enroll'";
	}
}

static enum capf_op op_of(enum capf_client_want want)
{
	return want == CAPF_CLIENT_FETCH ? CAPF_OP_FETCH : want == CAPF_CLIENT_DELETE ? CAPF_OP_DELETE : CAPF_OP_ENROLL;
}

static int answer_no(struct capf_client *c, enum capf_client_want want, struct wr *out, struct err *e)
{
	switch (want) {
	case CAPF_CLIENT_GENERATE: return capf_client_key(c, (struct view){0}, out, e);
	case CAPF_CLIENT_FETCH: return capf_client_certificate(c, NULL, 0, out, e);
	default: return capf_client_done(c, false, out, e);
	}
}

int capf_session_obey(void *ctx, struct capf_client *c, enum capf_client_want want, struct wr *out, struct err *e)
{
	struct capf_session *s = ctx;

	if (op_of(want) != s->op) {
		snprintf(s->declined, sizeof s->declined, "the server wants to %s; it was told no, and nothing was changed",
			 wish(want));
		return answer_no(c, want, out, e);
	}
	switch (want) {
	case CAPF_CLIENT_GENERATE: return answer_key(s, c, out, e);
	case CAPF_CLIENT_STORE: return answer_store(s, c, out, e);
	default: break;
	}
	s->obeyed = true;
	return want == CAPF_CLIENT_FETCH ? capf_client_certificate(c, s->cert, s->cert_type, out, e)
					 : capf_client_done(c, true, out, e);
}

int capf_session_end(struct capf_session *s, const struct capf_client *c, struct err *e)
{
	int rc;

	if (!c->retry || c->last != CAPF_CLIENT_GENERATE || !s->made_key)
		return 0;
	rc = write_key(s, e);
	s->key_waits = rc == 0;
	return rc;
}

bool capf_session_done(const struct capf_session *s, const struct capf_client *c)
{
	return s->obeyed && !c->retry && (c->reason == CAPF_REASON_SUCCESS || c->reason == CAPF_REASON_NO_ACTION);
}
