#include "cmd/ctl_client/tokens.h"

#include <stdio.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "cmd/ctl_client/terminal.h"

void ctl_token_clear(struct ctl_token *t)
{
	cert_unref(t->cert);
	*t = (struct ctl_token){0};
}

/* --- what is there --- */

struct scan {
	const struct token_options *o;
	struct token_place place;
	struct pkcs11_token tokens[CTL_TOKENS_MAX];
	size_t n_tokens;
	struct ctl_token *list;
	size_t n;
	const struct pkcs11_token *at;
	const char *uri;
	struct pkcs11_session *session;
	struct err *e;
};

static int note_token(void *ctx, const struct pkcs11_token *t)
{
	struct scan *s = ctx;

	if (t->initialized && t->login_required && s->n_tokens < CTL_TOKENS_MAX &&
	    (!s->place.uri || pkcs11_uri_matches(s->place.uri, t)))
		s->tokens[s->n_tokens++] = *t;
	return 0;
}

/* Tokens hold the certificates of their issuers too, often without any key. */
static int may_sign(struct scan *s, const struct pkcs11_found *f, const struct cert *cert, bool *may)
{
	enum pkcs11_key_seen key;

	*may = false;
	if (cert_key_type(cert) != CERT_KEY_RSA || cert_is_self_issued(cert) || X509_check_ca(cert_x509(cert)) == 1)
		return 0;
	int rc = pkcs11_cert_key(s->session, f, cert, &key, s->e);
	*may = !rc && key != PKCS11_KEY_MISSING;
	return rc;
}

static int note_cert(void *ctx, const struct pkcs11_found *f, struct cert *cert)
{
	struct scan *s = ctx;
	struct ctl_token *t = &s->list[s->n];
	bool may = false;
	int rc = s->n < CTL_TOKENS_MAX ? may_sign(s, f, cert, &may) : 0;

	if (!may)
		return rc;
	*t = (struct ctl_token){.options = *s->o, .cert = cert_ref(cert), .id_len = f->id_len};
	snprintf(t->label, sizeof(t->label), "%s", s->at->label);
	snprintf(t->uri, sizeof(t->uri), "%s", s->uri);
	snprintf(t->object, sizeof(t->object), "%s", f->label);
	memcpy(t->id, f->id, f->id_len);
	s->n++;
	return 0;
}

static int look_at(struct scan *s, const struct pkcs11_token *t, struct err *e)
{
	struct pkcs11_want want = s->place.uri ? pkcs11_want_of(s->place.uri) : (struct pkcs11_want){0};
	struct pkcs11_uri *uri = NULL;
	char text[1024];
	int rc = pkcs11_token_uri(t, text, sizeof(text), e);

	s->at = t;
	s->uri = text;
	s->session = NULL;
	s->e = e;
	if (!rc)
		rc = pkcs11_uri_parse(text, &uri, e);
	if (!rc)
		rc = pkcs11_session_open(s->place.p11, uri, false, &s->session, e);
	if (!rc)
		rc = pkcs11_certs(s->session, &want, note_cert, s, e);
	pkcs11_session_free(s->session);
	pkcs11_uri_free(uri);
	return rc;
}

int ctl_tokens_scan(const struct token_options *o, struct ctl_token list[CTL_TOKENS_MAX], size_t *n, struct err *e)
{
	struct scan s = {.o = o, .list = list};
	int rc = token_place_module(o, &s.place, e);

	if (!rc)
		rc = pkcs11_tokens(s.place.p11, note_token, &s, e);
	for (size_t i = 0; i < s.n_tokens && !rc; i++) {
		struct err why = ERR_INIT;

		/* One that is pulled out just now is simply not there. */
		rc = look_at(&s, &s.tokens[i], &why);
		if (rc && pkcs11_is(&why, PKCS11_REMOVED))
			rc = 0;
		else if (rc)
			err_set(e, rc, "%s", why.text);
	}
	token_place_clear(&s.place);
	if (rc)
		for (size_t i = 0; i < s.n; i++)
			ctl_token_clear(&list[i]);
	else
		*n = s.n;
	return rc;
}

/* --- signing --- */

/* With this token and no other that the options would match too; module and PIN are the options' own. */
static int open_place(const struct ctl_token *t, struct token_place *place, struct err *e)
{
	struct pkcs11_uri *own = NULL;
	int rc = token_place_module(&t->options, place, e);

	if (!rc)
		rc = pkcs11_uri_parse(t->uri, &own, e);
	if (!rc)
		rc = pkcs11_session_open(place->p11, own, false, &place->s, e);
	pkcs11_uri_free(own);
	return rc ? rc : token_place_login(&t->options, place, e);
}

int ctl_signing_open(const struct ctl_token *t, struct ctl_signing *s, struct err *e)
{
	struct pkcs11_want want = {.id = {t->id, t->id_len}};
	struct shown label;

	*s = (struct ctl_signing){0};
	int rc = open_place(t, &s->place, e);
	if (!rc)
		rc = token_find(s->place.s, t->id_len ? &want : NULL, &s->identity, e);
	if (!rc && !cert_same(s->identity.cert, t->cert))
		rc = err_set(e, ERR_CRYPTO, "the token %s holds another certificate than before", shown(&label, t->label));
	if (rc)
		ctl_signing_close(s);
	return rc;
}

void ctl_signing_close(struct ctl_signing *s)
{
	token_identity_clear(&s->identity);
	token_place_clear(&s->place);
}
