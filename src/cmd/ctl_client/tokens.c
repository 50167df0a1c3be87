#include "cmd/ctl_client/tokens.h"

#include <stdio.h>
#include <string.h>

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
};

static int note_token(void *ctx, const struct pkcs11_token *t)
{
	struct scan *s = ctx;

	if (t->initialized && t->login_required && s->n_tokens < CTL_TOKENS_MAX &&
	    (!s->place.uri || pkcs11_uri_matches(s->place.uri, t)))
		s->tokens[s->n_tokens++] = *t;
	return 0;
}

static int note_cert(void *ctx, const struct pkcs11_found *f, struct cert *cert)
{
	struct scan *s = ctx;
	struct ctl_token *t = &s->list[s->n];

	if (s->n == CTL_TOKENS_MAX || cert_key_type(cert) != CERT_KEY_RSA || cert_is_self_issued(cert))
		return 0;
	*t = (struct ctl_token){.cert = cert_ref(cert), .id_len = f->id_len, .pin_file = s->o->pin_file};
	snprintf(t->label, sizeof(t->label), "%s", s->at->label);
	snprintf(t->uri, sizeof(t->uri), "%s", s->uri);
	memcpy(t->id, f->id, f->id_len);
	s->n++;
	return 0;
}

static int look_at(struct scan *s, const struct pkcs11_token *t, struct err *e)
{
	struct pkcs11_want want = s->place.uri ? pkcs11_want_of(s->place.uri) : (struct pkcs11_want){0};
	struct pkcs11_session *session = NULL;
	struct pkcs11_uri *uri = NULL;
	char text[1024];
	int rc = pkcs11_token_uri(t, text, sizeof(text), e);

	s->at = t;
	s->uri = text;
	if (!rc)
		rc = pkcs11_uri_parse(text, &uri, e);
	if (!rc)
		rc = pkcs11_session_open(s->place.p11, uri, false, &session, e);
	if (!rc)
		rc = pkcs11_certs(session, &want, note_cert, s, e);
	pkcs11_session_free(session);
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

int ctl_signing_open(const struct token_options *o, const struct ctl_token *t, struct ctl_signing *s, struct err *e)
{
	struct pkcs11_want want = {.id = {t->id, t->id_len}};

	*s = (struct ctl_signing){.options = {o->module, t->uri, t->pin_file}};
	int rc = token_place_open(&s->options, false, true, &s->place, e);
	if (!rc)
		rc = token_find(s->place.s, t->id_len ? &want : NULL, &s->identity, e);
	if (!rc && !cert_same(s->identity.cert, t->cert))
		rc = err_set(e, ERR_CRYPTO, "the token %s holds another certificate than before", t->label);
	if (rc)
		ctl_signing_close(s);
	return rc;
}

void ctl_signing_close(struct ctl_signing *s)
{
	token_identity_clear(&s->identity);
	token_place_clear(&s->place);
}
