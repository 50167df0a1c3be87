#include <string.h>

#include "pki/pkcs11_internal.h"

static const struct answer {
	ck_rv_t rv;
	int code;
	const char *rule;
	const char *text;
} answers[] = {
	{CKR_TOKEN_NOT_PRESENT, ERR_IO, PKCS11_REMOVED, "the token is not there: put it in"},
	{CKR_DEVICE_REMOVED, ERR_IO, PKCS11_REMOVED, "the token was removed: put it in"},
	{CKR_TOKEN_NOT_RECOGNIZED, ERR_IO, PKCS11_REMOVED, "the token is not one that this module knows"},
	{CKR_SLOT_ID_INVALID, ERR_IO, PKCS11_REMOVED, "the reader of the token was removed"},
	{CKR_SESSION_HANDLE_INVALID, ERR_IO, PKCS11_SESSION_LOST, "the session with the token is lost"},
	{CKR_SESSION_CLOSED, ERR_IO, PKCS11_SESSION_LOST, "the session with the token is lost"},
	{CKR_OBJECT_HANDLE_INVALID, ERR_IO, PKCS11_SESSION_LOST, "the token does not know the object any more"},
	{CKR_KEY_HANDLE_INVALID, ERR_IO, PKCS11_SESSION_LOST, "the token does not know the key any more"},
	{CKR_CRYPTOKI_NOT_INITIALIZED, ERR_IO, PKCS11_SESSION_LOST, "the module was shut down"},
	{CKR_DEVICE_ERROR, ERR_IO, PKCS11_SESSION_LOST, "the token or its reader failed (CKR_DEVICE_ERROR)"},
	{CKR_GENERAL_ERROR, ERR_IO, PKCS11_SESSION_LOST, "the token failed (CKR_GENERAL_ERROR)"},
	{CKR_FUNCTION_FAILED, ERR_IO, PKCS11_SESSION_LOST, "the token failed (CKR_FUNCTION_FAILED)"},
	{CKR_PIN_INCORRECT, ERR_AUTH, PKCS11_PIN_INCORRECT, "the PIN is wrong"},
	{CKR_PIN_INVALID, ERR_AUTH, PKCS11_PIN_INCORRECT, "the PIN has characters that the token does not take"},
	{CKR_PIN_LEN_RANGE, ERR_AUTH, PKCS11_PIN_INCORRECT, "the PIN is too short or too long for the token"},
	{CKR_PIN_LOCKED, ERR_AUTH, PKCS11_PIN_LOCKED,
	 "the PIN is locked after too many wrong ones: its security officer can set a new one"},
	{CKR_PIN_EXPIRED, ERR_AUTH, PKCS11_PIN_LOCKED, "the PIN has expired: set a new one with the token's own program"},
	{CKR_USER_PIN_NOT_INITIALIZED, ERR_AUTH, PKCS11_PIN_LOCKED,
	 "the token has no PIN yet: set one with the token's own program"},
	{CKR_USER_NOT_LOGGED_IN, ERR_AUTH, PKCS11_NO_LOGIN, "the token wants its PIN first"},
	{CKR_DEVICE_MEMORY, ERR_LIMIT, PKCS11_FULL, "there is no room on the token: remove a key or certificate from it"},
	{CKR_SESSION_COUNT, ERR_LIMIT, PKCS11_SESSIONS, "the token has no more sessions to give"},
	{CKR_TOKEN_WRITE_PROTECTED, ERR_USAGE, PKCS11_PROTECTED, "the token is write-protected"},
	{CKR_SESSION_READ_ONLY, ERR_USAGE, PKCS11_PROTECTED, "the session may not write to the token"},
	{CKR_ACTION_PROHIBITED, ERR_USAGE, PKCS11_PROTECTED, "the token forbids this"},
	{CKR_MECHANISM_INVALID, ERR_USAGE, PKCS11_CANNOT, "the token does not offer this operation"},
	{CKR_MECHANISM_PARAM_INVALID, ERR_USAGE, PKCS11_CANNOT, "the token does not offer this kind of operation"},
	{CKR_FUNCTION_NOT_SUPPORTED, ERR_USAGE, PKCS11_CANNOT, "the module does not offer this"},
	{CKR_KEY_SIZE_RANGE, ERR_USAGE, PKCS11_CANNOT, "the token does not offer keys of this size"},
	{CKR_ATTRIBUTE_VALUE_INVALID, ERR_USAGE, PKCS11_CANNOT, "the token does not offer keys or objects of this kind"},
	{CKR_DOMAIN_PARAMS_INVALID, ERR_USAGE, PKCS11_CANNOT, "the token does not offer this curve"},
	{CKR_KEY_TYPE_INCONSISTENT, ERR_USAGE, NULL, "the operation is for another kind of key"},
	{CKR_KEY_FUNCTION_NOT_PERMITTED, ERR_USAGE, NULL, "the key was made without permission for this"},
	{CKR_HOST_MEMORY, ERR_NOMEM, NULL, "out of memory"},
};

static bool means_lost(const struct answer *a)
{
	return a->rule && (strcmp(a->rule, PKCS11_REMOVED) == 0 || strcmp(a->rule, PKCS11_SESSION_LOST) == 0 ||
			   strcmp(a->rule, PKCS11_NO_LOGIN) == 0);
}

bool pkcs11_is(const struct err *e, const char *rule)
{
	return e && e->code && e->rule && strcmp(e->rule, rule) == 0;
}

/* err_set names no rule; one that was set earlier stays. */
static int set_rule(struct err *e, const struct answer *a, const char *label, const char *what)
{
	bool fresh = e && !e->code;
	int code = err_set(e, a->code, "%s%s%s: %s", label, *label ? ": " : "", what, a->text);

	if (fresh)
		e->rule = a->rule;
	return code;
}

int pkcs11_fail(struct pkcs11_session *s, ck_rv_t rv, const char *what, struct err *e)
{
	const char *label = s ? s->label : "";

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		const struct answer *a = &answers[i];
		if (a->rv != rv)
			continue;
		if (s && means_lost(a))
			s->lost = true;
		return set_rule(e, a, label, what);
	}
	return err_set(e, ERR_CRYPTO, "%s%s%s: the token answers %#lx (%s)", label, *label ? ": " : "", what,
		       (unsigned long)rv, p11_kit_strerror(rv));
}
