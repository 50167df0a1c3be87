#include "pki/pkcs11.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "pki/pkcs11_internal.h"

#define SLOTS_MAX 256 /* of one module */

struct pkcs11 {
	struct ck_function_list **modules; /* ended by NULL */
	struct ck_function_list *one[2];   /* what modules points to, of a module that was loaded by its path */
};

/* --- modules --- */

static int load_failed(const char *module, struct err *e)
{
	const char *why = p11_kit_message();

	return err_set(e, ERR_IO, "%s: the PKCS#11 module cannot be loaded: %s", module, why ? why : "no reason is known");
}

static int load_one(struct pkcs11 *p, const char *module, struct err *e)
{
	p->one[0] = p11_kit_module_load(module, 0);
	if (!p->one[0])
		return load_failed(module, e);
	ck_rv_t rv = p11_kit_module_initialize(p->one[0]);
	if (rv != CKR_OK) {
		p11_kit_module_release(p->one[0]);
		return pkcs11_fail(NULL, rv, module, e);
	}
	p->modules = p->one;
	return 0;
}

int pkcs11_open(const char *module, struct pkcs11 **p, struct err *e)
{
	struct pkcs11 *got = calloc(1, sizeof(*got));
	int rc = 0;

	if (!got)
		return err_set(e, ERR_NOMEM, "token: out of memory");
	p11_kit_be_quiet();
	if (module) {
		rc = load_one(got, module, e);
	} else {
		got->modules = p11_kit_modules_load_and_initialize(0);
		if (!got->modules || !got->modules[0]) {
			rc = err_set(e, ERR_IO, "p11-kit has no PKCS#11 module configured: name one with its path, "
				     "or see pkcs11.conf(5)");
			if (got->modules)
				p11_kit_modules_release(got->modules);
		}
	}
	if (rc) {
		free(got);
		return rc;
	}
	*p = got;
	return 0;
}

void pkcs11_free(struct pkcs11 *p)
{
	if (!p)
		return;
	if (p->modules != p->one) {
		p11_kit_modules_finalize_and_release(p->modules);
	} else {
		p11_kit_module_finalize(p->one[0]);
		p11_kit_module_release(p->one[0]);
	}
	free(p);
}

int pkcs11_restart(struct pkcs11 *p, struct err *e)
{
	struct err why = ERR_INIT;
	int rc = 0;

	for (size_t i = 0; p->modules[i]; i++) {
		p11_kit_module_finalize(p->modules[i]);
		ck_rv_t rv = p11_kit_module_initialize(p->modules[i]);
		if (rv != CKR_OK)
			rc = pkcs11_fail(NULL, rv, "starting the module again", &why);
	}
	return rc ? err_set(e, rc, "%s", why.text) : 0;
}

/* --- tokens --- */

static void copy_padded(char *out, const unsigned char *in, size_t n)
{
	while (n && (in[n - 1] == ' ' || in[n - 1] == '\0'))
		n--;
	memcpy(out, in, n);
	out[n] = '\0';
}

static void token_of(const struct ck_token_info *i, struct pkcs11_token *t)
{
	*t = (struct pkcs11_token){
		.initialized = i->flags & CKF_TOKEN_INITIALIZED,
		.login_required = i->flags & CKF_LOGIN_REQUIRED,
		.pin_set = i->flags & CKF_USER_PIN_INITIALIZED,
		.pin_pad = i->flags & CKF_PROTECTED_AUTHENTICATION_PATH,
		.pin_low = i->flags & CKF_USER_PIN_COUNT_LOW,
		.pin_final_try = i->flags & CKF_USER_PIN_FINAL_TRY,
		.pin_locked = i->flags & CKF_USER_PIN_LOCKED,
		.write_protected = i->flags & CKF_WRITE_PROTECTED,
	};
	copy_padded(t->label, i->label, sizeof(i->label));
	copy_padded(t->manufacturer, i->manufacturer_id, sizeof(i->manufacturer_id));
	copy_padded(t->model, i->model, sizeof(i->model));
	copy_padded(t->serial, i->serial_number, sizeof(i->serial_number));
}

typedef int slot_cb(void *ctx, struct ck_function_list *f, ck_slot_id_t slot, struct ck_token_info *info);

static int each_slot(struct ck_function_list *f, slot_cb *cb, void *ctx, struct err *e)
{
	ck_slot_id_t slots[SLOTS_MAX];
	unsigned long n = SLOTS_MAX;
	struct ck_token_info info;
	int rc = 0;
	ck_rv_t rv = f->C_GetSlotList(1, slots, &n);

	if (rv != CKR_OK)
		return pkcs11_fail(NULL, rv, "looking for tokens", e);
	for (unsigned long i = 0; i < n && !rc; i++) {
		rv = f->C_GetTokenInfo(slots[i], &info);
		/* Between the two calls it may have been taken out. */
		if (rv == CKR_OK)
			rc = cb(ctx, f, slots[i], &info);
	}
	return rc;
}

/* A module that fails beside others that do not is passed over: its reader may just not be there. */
static int each_token(struct pkcs11 *p, slot_cb *cb, void *ctx, struct err *e)
{
	struct err why = ERR_INIT;
	size_t failed = 0, n = 0;

	for (; p->modules[n]; n++) {
		int rc = each_slot(p->modules[n], cb, ctx, &why);
		if (rc && !why.code)
			return rc; /* cb's */
		failed += rc != 0;
		if (failed <= n)
			err_clear(&why);
	}
	return failed == n ? err_set(e, why.code, "%s", why.text) : 0;
}

struct tokens {
	int (*cb)(void *ctx, const struct pkcs11_token *t);
	void *ctx;
};

static int give_token(void *ctx, struct ck_function_list *f, ck_slot_id_t slot, struct ck_token_info *info)
{
	struct tokens *w = ctx;
	struct pkcs11_token t;

	(void)f;
	(void)slot;
	token_of(info, &t);
	return w->cb(w->ctx, &t);
}

int pkcs11_tokens(struct pkcs11 *p, int (*cb)(void *ctx, const struct pkcs11_token *t), void *ctx, struct err *e)
{
	struct tokens w = {cb, ctx};

	return each_token(p, give_token, &w, e);
}

static void pad(unsigned char *out, size_t size, const char *in)
{
	size_t n = strlen(in);

	memset(out, ' ', size);
	memcpy(out, in, n < size ? n : size);
}

static void info_of(const struct pkcs11_token *t, struct ck_token_info *i)
{
	pad(i->label, sizeof(i->label), t->label);
	pad(i->manufacturer_id, sizeof(i->manufacturer_id), t->manufacturer);
	pad(i->model, sizeof(i->model), t->model);
	pad(i->serial_number, sizeof(i->serial_number), t->serial);
}

bool pkcs11_uri_matches(const struct pkcs11_uri *u, const struct pkcs11_token *t)
{
	struct ck_token_info i;

	info_of(t, &i);
	return p11_kit_uri_match_token_info(u->uri, &i);
}

int pkcs11_token_uri(const struct pkcs11_token *t, char *out, size_t size, struct err *e)
{
	P11KitUri *uri = p11_kit_uri_new();
	char *text = NULL;

	if (!uri)
		return err_set(e, ERR_NOMEM, "token: out of memory");
	info_of(t, p11_kit_uri_get_token_info(uri));
	int rc = p11_kit_uri_format(uri, P11_KIT_URI_FOR_TOKEN, &text);
	p11_kit_uri_free(uri);
	if (rc != P11_KIT_URI_OK)
		return err_set(e, ERR_NOMEM, "token: %s", p11_kit_uri_message(rc));
	if (strlen(text) >= size)
		rc = err_set(e, ERR_LIMIT, "token: its URI is longer than %zu octets", size - 1);
	else
		memcpy(out, text, strlen(text) + 1);
	free(text);
	return rc;
}

/* --- sessions --- */

struct match {
	const struct pkcs11_uri *uri;
	struct ck_function_list *f;
	ck_slot_id_t slot;
	struct pkcs11_token token, other;
	unsigned n;
};

static int match_token(void *ctx, struct ck_function_list *f, ck_slot_id_t slot, struct ck_token_info *info)
{
	struct match *m = ctx;
	struct pkcs11_token t;

	token_of(info, &t);
	/* Some modules show an empty slot where a token can be made; nobody means that one. And who names none does not mean
	 * one that wants no login, such as the trust store of the system. */
	if (!t.initialized || (m->uri ? !p11_kit_uri_match_token_info(m->uri->uri, info) : !t.login_required))
		return 0;
	if (m->n++) {
		m->other = t;
		return 0;
	}
	m->f = f;
	m->slot = slot;
	m->token = t;
	return 0;
}

static int not_there(const struct match *m, struct err *e)
{
	bool fresh = e && !e->code;
	char label[33] = "", shown[PKCS11_SHOWN_MAX];

	/* p11-kit fills what the URI does not name with NULs */
	if (m->uri)
		copy_padded(label, p11_kit_uri_get_token_info(m->uri->uri)->label, 32);
	text_escape(shown, sizeof(shown), view_str(label));
	int rc = err_set(e, ERR_IO, "the token%s%s is not there: put it in", *label ? " " : "", shown);
	if (fresh)
		e->rule = PKCS11_REMOVED;
	return rc;
}

static int too_many(const struct match *m, struct err *e)
{
	char label[2][PKCS11_SHOWN_MAX], serial[2][PKCS11_SHOWN_MAX];
	const struct pkcs11_token *t[] = {&m->token, &m->other};

	for (size_t i = 0; i < 2; i++) {
		text_escape(label[i], sizeof(label[i]), view_str(t[i]->label));
		text_escape(serial[i], sizeof(serial[i]), view_str(t[i]->serial));
	}
	return err_set(e, ERR_USAGE, "several tokens match, such as %s (serial %s) and %s (serial %s): name one with "
		       "serial=SERIAL in the URI", label[0], serial[0], label[1], serial[1]);
}

static int find_token(struct pkcs11 *p, struct match *m, struct err *e)
{
	int rc = each_token(p, match_token, m, e);

	if (rc)
		return rc;
	if (m->n > 1)
		return too_many(m, e);
	return m->n == 1 ? 0 : not_there(m, e);
}

int pkcs11_session_open(struct pkcs11 *p, const struct pkcs11_uri *u, bool write, struct pkcs11_session **s, struct err *e)
{
	struct match m = {.uri = u};
	int rc = find_token(p, &m, e);

	if (rc)
		return rc;
	struct pkcs11_session *got = calloc(1, sizeof(*got));
	if (!got)
		return err_set(e, ERR_NOMEM, "token: out of memory");
	got->f = m.f;
	got->slot = m.slot;
	text_escape(got->label, sizeof(got->label), view_str(m.token.label));
	ck_rv_t rv = m.f->C_OpenSession(m.slot, CKF_SERIAL_SESSION | (write ? CKF_RW_SESSION : 0), NULL, NULL, &got->h);
	if (rv != CKR_OK) {
		rc = pkcs11_fail(got, rv, "opening a session", e);
		free(got);
		return rc;
	}
	*s = got;
	return 0;
}

void pkcs11_session_free(struct pkcs11_session *s)
{
	if (!s)
		return;
	s->f->C_CloseSession(s->h);
	free(s);
}

bool pkcs11_session_lost(const struct pkcs11_session *s)
{
	return s->lost;
}

int pkcs11_session_token(struct pkcs11_session *s, struct pkcs11_token *t, struct err *e)
{
	struct ck_token_info info;
	ck_rv_t rv = s->f->C_GetTokenInfo(s->slot, &info);

	if (rv != CKR_OK)
		return pkcs11_fail(s, rv, "looking at the token", e);
	token_of(&info, t);
	return 0;
}

/* --- login --- */

/* A wrong PIN that is tried again and again by a machine destroys a token, so it is looked at first. */
static int may_try(struct pkcs11_session *s, const char *pin, bool unattended, struct err *e)
{
	struct pkcs11_token t;
	int rc = pkcs11_session_token(s, &t, e);

	if (rc)
		return rc;
	if (t.pin_locked)
		return pkcs11_fail(s, CKR_PIN_LOCKED, "login", e);
	if (!t.pin_set && !t.pin_pad)
		return pkcs11_fail(s, CKR_USER_PIN_NOT_INITIALIZED, "login", e);
	if (!pin && !t.pin_pad)
		return err_set(e, ERR_USAGE, "%s: login: the token wants a PIN, and none was given", s->label);
	if (unattended && t.pin_final_try)
		return err_set(e, ERR_AUTH, "%s: login: one more wrong PIN would lock the token, so this one is not tried: "
			       "log in once by hand (ringfence ctl-client list-tokens --login)", s->label);
	return 0;
}

static int wrong_pin(struct pkcs11_session *s, ck_rv_t rv, struct err *e)
{
	struct pkcs11_token t;

	if (pkcs11_session_token(s, &t, NULL) || !(t.pin_final_try || t.pin_locked))
		return pkcs11_fail(s, rv, "login", e);
	if (t.pin_locked)
		return pkcs11_fail(s, CKR_PIN_LOCKED, "login", e);
	return pkcs11_fail(s, rv, "login (ONE TRY IS LEFT, then the token locks)", e);
}

int pkcs11_login(struct pkcs11_session *s, const char *pin, bool unattended, struct err *e)
{
	int rc = may_try(s, pin, unattended, e);

	if (rc)
		return rc;
	/* Cryptoki takes it as not const and leaves it alone. */
	ck_rv_t rv = s->f->C_Login(s->h, CKU_USER, (unsigned char *)(uintptr_t)pin, pin ? strlen(pin) : 0);
	if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN)
		return 0;
	return rv == CKR_PIN_INCORRECT ? wrong_pin(s, rv, e) : pkcs11_fail(s, rv, "login", e);
}

int pkcs11_logout(struct pkcs11_session *s, struct err *e)
{
	ck_rv_t rv = s->f->C_Logout(s->h);

	return rv == CKR_OK || rv == CKR_USER_NOT_LOGGED_IN ? 0 : pkcs11_fail(s, rv, "logout", e);
}
