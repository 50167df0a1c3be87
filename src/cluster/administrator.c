#include "cluster/administrator.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "pki/ossl.h"
#include "store/administrator.h"
#include "store/audit.h"

/* 16 MiB and some tens of milliseconds of the director a login; how often is limited in server/ctl_provider.c. */
#define SCRYPT_N 16384
#define SCRYPT_R 8
#define SCRYPT_P 1
#define SCRYPT_MAX_MEMORY (64u << 20)
#define SALT_LEN 16
#define HASH_LEN 32
#define PREFIX "scrypt"

/* --- what is kept of a password --- */

static int hash(struct view password, const uint8_t salt[SALT_LEN], uint64_t n, uint8_t out[HASH_LEN], struct err *e)
{
	if (EVP_PBE_scrypt((const char *)password.p, password.len, salt, SALT_LEN, n, SCRYPT_R, SCRYPT_P, SCRYPT_MAX_MEMORY,
			   out, HASH_LEN) != 1)
		return err_openssl(e, ERR_CRYPTO, "scrypt");
	return 0;
}

static int derive(const struct random_source *random, struct view password, char derived[STORE_DERIVED_SIZE], struct err *e)
{
	uint8_t salt[SALT_LEN], out[HASH_LEN];
	char salt_hex[2 * SALT_LEN + 1], out_hex[2 * HASH_LEN + 1];
	int rc = random_fill(random, salt, sizeof(salt), e);

	if (!rc)
		rc = hash(password, salt, SCRYPT_N, out, e);
	if (rc)
		return rc;
	text_hex(salt_hex, sizeof(salt_hex), (struct view){salt, sizeof(salt)}, '\0', false);
	text_hex(out_hex, sizeof(out_hex), (struct view){out, sizeof(out)}, '\0', false);
	snprintf(derived, STORE_DERIVED_SIZE, PREFIX ":%d:%d:%d:%s:%s", SCRYPT_N, SCRYPT_R, SCRYPT_P, salt_hex, out_hex);
	secret_wipe(out, sizeof(out));
	secret_wipe(out_hex, sizeof(out_hex));
	return 0;
}

/* "scrypt:16384:8:1:<salt>:<hash>" */
static bool parse(const char *derived, uint64_t *n, uint8_t salt[SALT_LEN], uint8_t want[HASH_LEN])
{
	char salt_hex[2 * SALT_LEN + 1], want_hex[2 * HASH_LEN + 1];
	unsigned cost, r, p;
	size_t len = 0;
	int end = -1;

	if (sscanf(derived, PREFIX ":%7u:%2u:%2u:%32[0-9a-f]:%64[0-9a-f]%n", &cost, &r, &p, salt_hex, want_hex, &end) != 5 ||
	    end < 0 || derived[end] || r != SCRYPT_R || p != SCRYPT_P || cost < 2)
		return false;
	*n = cost;
	return text_unhex(salt_hex, salt, SALT_LEN, &len) && len == SALT_LEN && text_unhex(want_hex, want, HASH_LEN, &len) &&
	       len == HASH_LEN;
}

/* Without an account the work is the same, and the answer is no. */
static int matches(struct view password, const struct store_administrator *a, bool *right, struct err *e)
{
	uint8_t salt[SALT_LEN] = {0}, want[HASH_LEN] = {0}, got[HASH_LEN];
	uint64_t n = SCRYPT_N;

	if (a && !parse(a->derived, &n, salt, want))
		return err_set(e, ERR_STORE, "the store holds a malformed password of %s: set it anew with 'set password user'",
			       a->name);
	int rc = hash(password, salt, n, got, e);
	if (!rc)
		*right = secret_eq(got, want, HASH_LEN) && a;
	secret_wipe(got, sizeof(got));
	secret_wipe(want, sizeof(want));
	return rc;
}

/* --- accounts --- */

static int check_name(const char *name, struct err *e)
{
	size_t len = strlen(name);

	if (len == 0 || len >= STORE_ADMINISTRATOR_NAME_SIZE ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-") != len)
		return err_set(e, ERR_USAGE, "an account's name has 1 to %d of the characters A-Z a-z 0-9 . _ @ -",
			       STORE_ADMINISTRATOR_NAME_SIZE - 1);
	return 0;
}

static int check_password(const char *password, struct err *e)
{
	size_t len = strlen(password);

	if (len < ADMINISTRATOR_PASSWORD_MIN || len > ADMINISTRATOR_PASSWORD_MAX)
		return err_set(e, ERR_USAGE, "a password has %d to %d characters", ADMINISTRATOR_PASSWORD_MIN,
			       ADMINISTRATOR_PASSWORD_MAX);
	return 0;
}

static int audit(struct cluster *c, const char *who, const char *command, const char *name, const char *outcome,
		 struct err *e)
{
	char object[STORE_ADMINISTRATOR_NAME_SIZE + 16];
	struct store_audit a = {.time = clock_wall_s(c->clock), .who = who, .command = command, .object = object,
				.outcome = outcome};

	snprintf(object, sizeof(object), "account %s", name);
	return store_audit_append(c->store, &a, e);
}

static int put(struct cluster *c, const char *who, const char *command, const char *name, const char *password,
	       struct err *e)
{
	char derived[STORE_DERIVED_SIZE];
	int rc = check_password(password, e);

	if (!rc)
		rc = derive(c->random, view_str(password), derived, e);
	if (!rc)
		rc = store_begin(c->store, e);
	if (rc)
		return rc;
	rc = store_administrator_put(c->store, name, derived, clock_wall_s(c->clock), e);
	if (!rc)
		rc = audit(c, who, command, name, "done", e);
	if (!rc)
		rc = store_commit(c->store, e);
	if (rc)
		store_rollback(c->store);
	return rc;
}

static int exists(struct cluster *c, const char *name, bool *found, struct err *e)
{
	struct store_administrator a;
	int rc = check_name(name, e);

	return rc ? rc : store_administrator_get(c->store, name, &a, found, e);
}

int administrator_add(struct cluster *c, const char *who, const char *name, const char *password, struct err *e)
{
	bool found;
	int rc = exists(c, name, &found, e);

	if (!rc && found)
		rc = err_set(e, ERR_USAGE, "there is an account %s: 'set password user %s' gives it another password", name, name);
	return rc ? rc : put(c, who, "set account name", name, password, e);
}

int administrator_password(struct cluster *c, const char *who, const char *name, const char *password, struct err *e)
{
	bool found;
	int rc = exists(c, name, &found, e);

	if (!rc && !found)
		rc = err_set(e, ERR_USAGE, "there is no account %s: 'set account name %s' makes one", name, name);
	return rc ? rc : put(c, who, "set password user", name, password, e);
}

int administrator_delete(struct cluster *c, const char *who, const char *name, struct err *e)
{
	bool found;
	int rc = store_begin(c->store, e);

	if (rc)
		return rc;
	rc = store_administrator_delete(c->store, name, &found, e);
	if (!rc && !found)
		rc = err_set(e, ERR_USAGE, "there is no account %s", name);
	if (!rc)
		rc = audit(c, who, "delete account", name, "done", e);
	if (!rc)
		rc = store_commit(c->store, e);
	if (rc)
		store_rollback(c->store);
	return rc;
}

/* --- logins --- */

static int note_failure(struct cluster *c, struct store_administrator *a, const char *peer, int64_t now, struct err *e)
{
	char who[96];

	a->failures++;
	if (a->failures < ADMINISTRATOR_ATTEMPTS)
		return store_administrator_tried(c->store, a, e);
	a->locked_until = now + ADMINISTRATOR_LOCKOUT_S;
	int rc = store_administrator_tried(c->store, a, e);
	snprintf(who, sizeof(who), "%.64s", peer);
	return rc ? rc : audit(c, who, "login", a->name, "refused: locked after wrong passwords", e);
}

static int note_login(struct cluster *c, struct store_administrator *a, const char *peer, int64_t now, struct err *e)
{
	char who[STORE_ADMINISTRATOR_NAME_SIZE + 96];

	a->failures = 0;
	a->locked_until = 0;
	a->last_login = now;
	int rc = store_administrator_tried(c->store, a, e);
	snprintf(who, sizeof(who), "%s from %.64s", a->name, peer);
	return rc ? rc : audit(c, who, "login", a->name, "done", e);
}

static void make_ticket(const struct store_administrator *a, struct administrator_ticket *ticket)
{
	memcpy(ticket->name, a->name, sizeof(ticket->name));
	sha256_hex((const uint8_t *)a->derived, strlen(a->derived), ticket->password);
}

int administrator_holds(struct cluster *c, const struct administrator_ticket *ticket, bool *holds, struct err *e)
{
	struct administrator_ticket now;
	struct store_administrator a;
	bool found = false;
	int rc = store_administrator_get(c->store, ticket->name, &a, &found, e);

	if (rc)
		return rc;
	*holds = false;
	if (found) {
		make_ticket(&a, &now);
		*holds = strcmp(now.password, ticket->password) == 0;
	}
	return 0;
}

int administrator_login(struct cluster *c, struct view name, struct view password, const char *peer, bool *right,
			struct administrator_ticket *ticket, struct err *e)
{
	char text[STORE_ADMINISTRATOR_NAME_SIZE] = "";
	int64_t now = clock_wall_s(c->clock);
	struct store_administrator a;
	bool found = false, match = false;
	int rc = 0;

	if (name.len && name.len < sizeof(text))
		memcpy(text, name.p, name.len);
	if (check_name(text, NULL) == 0)
		rc = store_administrator_get(c->store, text, &a, &found, e);
	if (!rc)
		rc = matches(password, found ? &a : NULL, &match, e);
	if (rc)
		return rc;
	bool locked = found && a.locked_until > now;
	if (found && !locked)
		rc = match ? note_login(c, &a, peer, now, e) : note_failure(c, &a, peer, now, e);
	if (rc)
		return rc;
	*right = match && !locked;
	if (*right)
		make_ticket(&a, ticket);
	return 0;
}
