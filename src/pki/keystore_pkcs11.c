#include "pki/keystore_pkcs11.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/secret.h"
#include "base/text.h"
#include "pki/ossl.h"
#include "pki/pkcs11.h"

#define ID_OCTETS 8
#define RESTART_PAUSE_MS 2000

/* A session, and the key that it used last. One that is in use is in no list. */
struct seat {
	struct pkcs11_session *s;
	char name[KEY_NAME_MAX];
	struct pkcs11_object key;
	struct seat *next;
};

struct keystore_pkcs11 {
	struct keystore base;
	struct pkcs11_uri *uri;
	char *pin, *pin_file;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t given_back;
	struct pkcs11 *p;     /* NULL until it is connected */
	struct seat *idle;
	unsigned n_seats;     /* in use and idle, and sessions that write */
	bool refused;         /* the token did not take the PIN */
	uint64_t restart_ms;  /* when the module may be started again to look for the token */
};

static struct keystore_pkcs11 *self(struct keystore *ks)
{
	return (struct keystore_pkcs11 *)ks;
}

static void wipe_pin(struct keystore_pkcs11 *k)
{
	secret_free(k->pin, PKCS11_PIN_MAX);
	k->pin = NULL;
}

/* --- sessions; k->lock is held --- */

static int load(struct keystore_pkcs11 *k, struct err *e)
{
	const char *file = k->pin_file ? k->pin_file : pkcs11_uri_pin_file(k->uri);

	if (k->p)
		return 0;
	if (!k->pin && file) {
		int rc = pkcs11_pin_read(AT_FDCWD, file, &k->pin, e);
		if (rc)
			return rc;
	}
	return pkcs11_open(pkcs11_uri_module(k->uri), &k->p, e);
}

static int log_in(struct keystore_pkcs11 *k, struct pkcs11_session *s, struct err *e)
{
	struct err why = ERR_INIT;

	if (k->refused)
		return err_set(e, ERR_AUTH, "the token did not take the PIN, and is not asked again: correct the PIN, then start "
			       "the node again");
	int rc = pkcs11_login(s, k->pin, true, &why);
	if (rc == ERR_AUTH)
		k->refused = true;
	if (rc && e && !e->code)
		*e = why;
	return rc;
}

static int find_and_open(struct keystore_pkcs11 *k, bool write, struct pkcs11_session **s, struct err *e)
{
	struct err why = ERR_INIT;
	int rc = pkcs11_session_open(k->p, k->uri, write, s, &why);
	uint64_t now = clock_mono_ms(&clock_system);

	/* Some modules never see a token again that went away. Nobody may be using the module meanwhile. */
	if (rc == ERR_IO && k->n_seats == 0 && now >= k->restart_ms) {
		k->restart_ms = now + RESTART_PAUSE_MS;
		err_clear(&why);
		rc = pkcs11_restart(k->p, &why);
		if (!rc)
			rc = pkcs11_session_open(k->p, k->uri, write, s, &why);
	}
	if (rc && e && !e->code)
		*e = why;
	return rc;
}

static int open_session(struct keystore_pkcs11 *k, bool write, struct pkcs11_session **s, struct err *e)
{
	struct pkcs11_session *got = NULL;
	int rc = load(k, e);

	if (!rc)
		rc = find_and_open(k, write, &got, e);
	if (!rc)
		rc = log_in(k, got, e);
	if (rc) {
		pkcs11_session_free(got);
		return rc;
	}
	*s = got;
	return 0;
}

static struct seat *take_idle(struct keystore_pkcs11 *k, const char *name)
{
	struct seat **any = &k->idle;

	for (struct seat **p = &k->idle; *p; p = &(*p)->next)
		if (strcmp((*p)->name, name) == 0)
			any = p;
	struct seat *s = *any;
	if (s)
		*any = s->next;
	return s;
}

static int new_seat(struct keystore_pkcs11 *k, struct seat **out, struct err *e)
{
	struct seat *s = calloc(1, sizeof(*s));
	int rc = s ? open_session(k, false, &s->s, e) : err_set(e, ERR_NOMEM, "token: out of memory");

	if (rc) {
		free(s);
		return rc;
	}
	k->n_seats++;
	*out = s;
	return 0;
}

static void free_seat(struct keystore_pkcs11 *k, struct seat *s)
{
	pkcs11_session_free(s->s);
	free(s);
	k->n_seats--;
}

/* A session that was lost was not the only one. */
static void free_idle(struct keystore_pkcs11 *k)
{
	while (k->idle) {
		struct seat *s = k->idle;
		k->idle = s->next;
		free_seat(k, s);
	}
}

/* --- seats --- */

/* Where the token has no more sessions to give, one that is in use comes back soon. */
static int take_seat(struct keystore_pkcs11 *k, const char *name, struct seat **out, struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&k->lock);
	while (!rc && !(*out = take_idle(k, name))) {
		struct err why = ERR_INIT;
		rc = new_seat(k, out, &why);
		if (!rc)
			break;
		if (pkcs11_is(&why, PKCS11_SESSIONS) && k->n_seats) {
			rc = 0;
			pthread_cond_wait(&k->given_back, &k->lock);
		} else if (e && !e->code) {
			*e = why;
		}
	}
	pthread_mutex_unlock(&k->lock);
	return rc;
}

/* lost: true when another attempt with new sessions may help. */
static void give_back(struct keystore_pkcs11 *k, struct seat *s, bool *lost)
{
	pthread_mutex_lock(&k->lock);
	*lost = pkcs11_session_lost(s->s);
	if (*lost) {
		free_seat(k, s);
		free_idle(k);
	} else {
		s->next = k->idle;
		k->idle = s;
	}
	pthread_cond_signal(&k->given_back);
	pthread_mutex_unlock(&k->lock);
}

static void unit_of(const char *name, char unit[KEY_NAME_MAX])
{
	size_t n = strcspn(name, ".");

	memcpy(unit, name, n);
	unit[n] = '\0';
}

/* A label can be given to any key: one that is another than its name says would sign for the wrong certificate. */
static int check_name(struct pkcs11_session *s, struct pkcs11_object key, const char *name, struct err *e)
{
	char unit[KEY_NAME_MAX], expected[KEY_NAME_MAX];
	AUTO(auto_pkey) EVP_PKEY *pub = NULL;
	int rc = pkcs11_key_public(s, key, &pub, e);

	unit_of(name, unit);
	if (!rc)
		rc = key_name_of(unit, pub, expected, e);
	if (!rc && strcmp(name, expected) != 0)
		rc = err_rule(e, "key-name", -1, "the token has another key under the label %s, it would be %s", name, expected);
	return rc;
}

static int seat_key(struct seat *s, const char *name, struct err *e)
{
	struct pkcs11_want w = {.label = name};
	bool found = false;

	if (strcmp(s->name, name) == 0)
		return 0;
	s->name[0] = '\0';
	int rc = pkcs11_key_find(s->s, &w, &found, &s->key, e);
	if (!rc && !found)
		rc = err_set(e, ERR_AUTH, "%s: there is no such key on the token", name);
	if (!rc)
		rc = check_name(s->s, s->key, name, e);
	if (!rc)
		memcpy(s->name, name, strlen(name) + 1);
	return rc;
}

typedef int seat_op(struct seat *s, void *ctx, struct err *e);

/* Do op with the key, in a session; once more when the session turns out to be lost. name NULL: with no key. */
static int with_seat(struct keystore *ks, const char *name, seat_op *op, void *ctx, struct err *e)
{
	struct keystore_pkcs11 *k = self(ks);
	int rc = 0;

	if (name && !key_name_ok(name))
		return err_set(e, ERR_AUTH, "(malformed name): there is no such key on the token");
	for (int attempt = 0; attempt < 2; attempt++) {
		struct err why = ERR_INIT;
		struct seat *s = NULL;
		bool lost = false;
		rc = take_seat(k, name ? name : "", &s, &why);
		if (!rc) {
			rc = name ? seat_key(s, name, &why) : 0;
			if (!rc)
				rc = op(s, ctx, &why);
			give_back(k, s, &lost);
		}
		if (rc && !(lost && attempt == 0) && e && !e->code)
			*e = why;
		if (!rc || !lost)
			break;
	}
	return rc;
}

/* --- operations --- */

struct sign_ctx {
	const struct key_sign *req;
	uint8_t *sig;
	size_t *len;
};

static int do_sign(struct seat *s, void *ctx, struct err *e)
{
	struct sign_ctx *c = ctx;

	return pkcs11_sign(s->s, s->key, c->req, c->sig, c->len, e);
}

static int token_sign_with(struct keystore *ks, const char *name, const struct key_sign *req, uint8_t *sig, size_t *len,
			 struct err *e)
{
	struct sign_ctx c = {req, sig, len};

	return with_seat(ks, name, do_sign, &c, e);
}

static int do_public(struct seat *s, void *ctx, struct err *e)
{
	return pkcs11_key_public(s->s, s->key, ctx, e);
}

static int token_public_key(struct keystore *ks, const char *name, EVP_PKEY **pub, struct err *e)
{
	return with_seat(ks, name, do_public, pub, e);
}

static int do_refuse(struct seat *s, void *ctx, struct err *e)
{
	(void)ctx;
	return err_set(e, ERR_USAGE, "%s: this key is on the token and never leaves it", s->name);
}

static int token_export(struct keystore *ks, const char *name, uint8_t **pkcs8, size_t *len, struct err *e)
{
	(void)pkcs8;
	(void)len;
	return with_seat(ks, name, do_refuse, NULL, e);
}

static int token_import(struct keystore *ks, const char *unit, struct view pkcs8, char name[KEY_NAME_MAX], struct err *e)
{
	(void)ks;
	(void)pkcs8;
	(void)name;
	return err_set(e, ERR_USAGE, "%s: keys on the token are made there: none can be brought in", unit);
}

struct names {
	char (*name)[KEY_NAME_MAX];
	size_t n;
};

static int keep_name(void *ctx, const struct pkcs11_found *f)
{
	struct names *names = ctx;

	if (!key_name_ok(f->label))
		return 0;
	void *more = realloc(names->name, (names->n + 1) * sizeof(*names->name));
	if (!more)
		return ERR_NOMEM;
	names->name = more;
	memcpy(names->name[names->n++], f->label, strlen(f->label) + 1);
	return 0;
}

static int do_list(struct seat *s, void *ctx, struct err *e)
{
	struct names *names = ctx;

	names->n = 0;
	return pkcs11_keys(s->s, NULL, keep_name, names, e);
}

static int by_octets(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int token_list(struct keystore *ks, int (*cb)(void *ctx, const char *name), void *ctx, struct err *e)
{
	struct names names = {0};
	int rc = with_seat(ks, NULL, do_list, &names, e);

	if (!rc && names.n)
		qsort(names.name, names.n, sizeof(*names.name), by_octets);
	for (size_t i = 0; !rc && i < names.n; i++)
		rc = cb(ctx, names.name[i]);
	free(names.name);
	return rc;
}

/* --- writing: in a session of its own --- */

static int open_writing(struct keystore *ks, struct pkcs11_session **s, struct err *e)
{
	struct keystore_pkcs11 *k = self(ks);

	pthread_mutex_lock(&k->lock);
	int rc = open_session(k, true, s, e);
	k->n_seats += rc == 0;
	pthread_mutex_unlock(&k->lock);
	return rc;
}

/* Idle sessions may know a key still that is removed. */
static void close_writing(struct keystore *ks, struct pkcs11_session *s)
{
	struct keystore_pkcs11 *k = self(ks);

	pthread_mutex_lock(&k->lock);
	pkcs11_session_free(s);
	k->n_seats -= s != NULL;
	free_idle(k);
	pthread_cond_signal(&k->given_back);
	pthread_mutex_unlock(&k->lock);
}

/* Who is asked to decrypt: TLS servers, for phones that know RSA key exchange only (keeper_policy.c). */
static bool may_decrypt(const char *unit)
{
	return strcmp(unit, "CAPF") == 0 || strcmp(unit, "TVS") == 0 || strcmp(unit, "tomcat") == 0;
}

static int give_name(struct pkcs11_session *s, struct pkcs11_object key, const char *unit, EVP_PKEY *pub,
		    char name[KEY_NAME_MAX], struct err *e)
{
	uint8_t id[ID_OCTETS];
	size_t len;
	int rc = key_name_of(unit, pub, name, e);

	if (rc)
		return rc;
	if (!text_unhex(name + strcspn(name, ".") + 1, id, sizeof(id), &len))
		return err_set(e, ERR_BUG, "the name of a key has no hash");
	return pkcs11_key_name(s, key, name, (struct view){id, len}, e);
}

static int generate_in(struct pkcs11_session *s, const char *unit, struct key_spec spec, char name[KEY_NAME_MAX],
		       EVP_PKEY **pub, struct err *e)
{
	AUTO(auto_pkey) EVP_PKEY *half = NULL;
	struct pkcs11_object key;
	char n[KEY_NAME_MAX];
	int rc = pkcs11_key_generate(s, spec, may_decrypt(unit), unit, &key, &half, e);

	if (rc)
		return rc;
	rc = give_name(s, key, unit, half, n, e);
	if (rc) {
		int unused = pkcs11_key_remove(s, key, NULL); /* e tells what went wrong first */
		(void)unused;
		return rc;
	}
	memcpy(name, n, KEY_NAME_MAX);
	*pub = half;
	half = NULL;
	return 0;
}

static int token_generate(struct keystore *ks, const char *unit, struct key_spec spec, char name[KEY_NAME_MAX],
			  EVP_PKEY **pub, struct err *e)
{
	struct pkcs11_session *s = NULL;
	int rc = key_name(unit, (struct view){0}, (char[KEY_NAME_MAX]){0}, e); /* before a key is made for nothing */

	if (!rc)
		rc = open_writing(ks, &s, e);
	if (!rc)
		rc = generate_in(s, unit, spec, name, pub, e);
	close_writing(ks, s);
	return rc;
}

static int token_remove(struct keystore *ks, const char *name, struct err *e)
{
	struct seat own = {0};
	int rc = key_name_ok(name) ? open_writing(ks, &own.s, e)
				   : err_set(e, ERR_AUTH, "(malformed name): there is no such key on the token");

	if (!rc)
		rc = seat_key(&own, name, e);
	if (!rc)
		rc = pkcs11_key_remove(own.s, own.key, e);
	close_writing(ks, own.s);
	return rc;
}

static void token_free(struct keystore *ks)
{
	struct keystore_pkcs11 *k = self(ks);

	free_idle(k);
	pkcs11_free(k->p);
	pkcs11_uri_free(k->uri);
	wipe_pin(k);
	free(k->pin_file);
	pthread_cond_destroy(&k->given_back);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

static const struct keystore_ops token_ops = {
	.generate = token_generate,
	.public_key = token_public_key,
	.sign = token_sign_with,
	.import = token_import,
	.export = token_export,
	.remove = token_remove,
	.list = token_list,
	.free = token_free,
};

static int copy_pin(struct keystore_pkcs11 *k, const struct keystore_pkcs11_config *cfg, struct err *e)
{
	if (cfg->pin_file && !(k->pin_file = strdup(cfg->pin_file)))
		return err_set(e, ERR_NOMEM, "token: out of memory");
	if (!cfg->pin)
		return 0;
	if (strlen(cfg->pin) >= PKCS11_PIN_MAX)
		return err_set(e, ERR_LIMIT, "a PIN has at most %d octets", PKCS11_PIN_MAX - 1);
	k->pin = secret_new(PKCS11_PIN_MAX);
	if (!k->pin)
		return err_set(e, ERR_NOMEM, "token: out of memory");
	memcpy(k->pin, cfg->pin, strlen(cfg->pin) + 1);
	return 0;
}

int keystore_pkcs11_open(const struct keystore_pkcs11_config *cfg, struct keystore **ks, struct err *e)
{
	struct keystore_pkcs11 *k = calloc(1, sizeof(*k));

	if (!k)
		return err_set(e, ERR_NOMEM, "token: out of memory");
	k->base.ops = &token_ops;
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->given_back, NULL);
	int rc = pkcs11_uri_parse(cfg->uri, &k->uri, e);
	if (!rc)
		rc = copy_pin(k, cfg, e);
	if (rc) {
		token_free(&k->base);
		return rc;
	}
	*ks = &k->base;
	return 0;
}

static int do_nothing(struct seat *s, void *ctx, struct err *e)
{
	(void)s;
	(void)ctx;
	(void)e;
	return 0;
}

int keystore_pkcs11_connect(struct keystore *ks, struct err *e)
{
	return with_seat(ks, NULL, do_nothing, NULL, e);
}
