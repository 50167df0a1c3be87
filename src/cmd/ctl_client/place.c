#include "cmd/ctl_client/place.h"

#include <fcntl.h>
#include <string.h>

#include "base/secret.h"
#include "cmd/pin.h"

bool token_option(struct token_options *o, int key, const char *value)
{
	switch (key) {
	case TOKEN_OPT_MODULE:
		o->module = value;
		return true;
	case TOKEN_OPT_TOKEN:
		o->uri = value;
		return true;
	case TOKEN_OPT_PIN_FILE:
		o->pin_file = value;
		return true;
	default:
		return false;
	}
}

int token_place_module(const struct token_options *o, struct token_place *t, struct err *e)
{
	*t = (struct token_place){0};
	int rc = o->uri ? pkcs11_uri_parse(o->uri, &t->uri, e) : 0;

	if (rc)
		return rc;
	return pkcs11_open(o->module || !t->uri ? o->module : pkcs11_uri_module(t->uri), &t->p11, e);
}

/* A PIN in the URI stands in the list of processes; it works, because RFC 7512 has it. */
int token_place_login(const struct token_options *o, struct token_place *t, struct err *e)
{
	const char *given = t->uri ? pkcs11_uri_pin(t->uri) : NULL;
	const char *file = o->pin_file || !t->uri ? o->pin_file : pkcs11_uri_pin_file(t->uri);
	struct pkcs11_token token;
	char *pin = NULL;
	int rc = pkcs11_session_token(t->s, &token, e);

	if (rc)
		return rc;
	if (token.pin_pad || (given && !file))
		return pkcs11_login(t->s, token.pin_pad ? NULL : given, false, e);
	rc = pin_get(AT_FDCWD, file, token.label, &pin, e);
	if (!rc)
		rc = pkcs11_login(t->s, pin, false, e);
	secret_free(pin, PKCS11_PIN_MAX);
	return rc;
}

int token_place_open(const struct token_options *o, bool write, bool login, struct token_place *t, struct err *e)
{
	int rc = token_place_module(o, t, e);

	if (!rc)
		rc = pkcs11_session_open(t->p11, t->uri, write, &t->s, e);
	return rc || !login ? rc : token_place_login(o, t, e);
}

void token_place_clear(struct token_place *t)
{
	pkcs11_session_free(t->s);
	pkcs11_free(t->p11);
	pkcs11_uri_free(t->uri);
	*t = (struct token_place){0};
}
