#include "cluster/recovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "pki/bundle.h"
#include "store/audit.h"
#include "store/recovery.h"

/* The keys that phones follow: those that sign lists and files, and the one that signs their certificates. */
static const char *const units[] = { "ITLRecovery", "CallManager", "CAPF" };
#define N_UNITS (sizeof(units) / sizeof(units[0]))

/* Key and certificate of each unit in force. */
struct keys {
	struct cert *cert[N_UNITS]; /* NULL: a subscriber has no ITLRecovery and no CAPF */
	char name[N_UNITS][KEY_NAME_MAX];
};

static void keys_clear(struct keys *k)
{
	for (size_t i = 0; i < N_UNITS; i++)
		cert_unref(k->cert[i]);
}

static int keys_in_force(struct cluster *c, struct keys *k, struct err *e)
{
	for (size_t i = 0; i < N_UNITS; i++) {
		int rc = cluster_own_cert(c, NULL, units[i], &k->cert[i], e);

		if (!rc && k->cert[i])
			rc = key_name(units[i], cert_spki(k->cert[i]), k->name[i], e);
		if (rc)
			return rc;
	}
	return 0;
}

static void audit(struct cluster *c, const char *who, const char *command, const char *object)
{
	struct store_audit a = { .time = clock_wall_s(c->clock), .who = who, .command = command, .object = object,
				 .outcome = "done" };

	/* What was done is done, whether or not the audit can say so. */
	if (store_audit_append(c->store, &a, NULL))
		return;
}

/* --- export --- */

struct packing {
	struct bundle_entry entry[N_UNITS];
	uint8_t *pkcs8[N_UNITS];
	size_t len[N_UNITS];
	size_t n;
	char names[1024];
	size_t used;
};

static void packing_clear(struct packing *p)
{
	for (size_t i = 0; i < p->n; i++)
		secret_free(p->pkcs8[i], p->len[i]);
}

static int pack(struct cluster *c, const struct keys *k, struct packing *p, struct notes *notes, struct err *e)
{
	bool on_token = false;

	for (size_t i = 0; i < N_UNITS; i++) {
		struct err why = ERR_INIT;

		if (!k->cert[i])
			continue;
		int rc = c->keys->ops->export(c->keys, k->name[i], &p->pkcs8[p->n], &p->len[p->n], &why);

		if (rc == ERR_USAGE) {
			on_token = true;
			rc = notes_add(notes, e, "The key of %s is on the token and never leaves it: this export does not hold it.",
				       units[i]);
			if (rc)
				return rc;
			continue;
		}
		if (rc) {
			err_set(e, rc, "%s", why.text);
			err_prefix(e, "key of %s", units[i]);
			return rc;
		}
		p->entry[p->n] = (struct bundle_entry){ k->name[i], { p->pkcs8[p->n], p->len[p->n] }, k->cert[i] };
		p->n++;
		p->used = text_append(p->names, sizeof(p->names), p->used, "%s%s", p->used ? " " : "", k->name[i]);
	}
	if (p->n)
		return 0;
	return on_token ? err_set(e, ERR_USAGE, "all keys that phones follow are on the token and never leave it: copy the token "
				  "with its own program")
			: err_set(e, ERR_USAGE, "%s has no keys that phones follow", c->node);
}

int recovery_export(struct cluster *c, const char *who, const char *passphrase, uint8_t **p12, size_t *len,
		    struct notes *notes, struct err *e)
{
	AUTO(keys_clear) struct keys k = { 0 };
	AUTO(packing_clear) struct packing p = { 0 };
	uint8_t *made;
	size_t made_len;
	char sha256[65];
	int rc = keys_in_force(c, &k, e);

	if (!rc)
		rc = pack(c, &k, &p, notes, e);
	if (!rc)
		rc = bundle_write(p.entry, p.n, passphrase, &made, &made_len, e);
	if (rc)
		return rc;
	sha256_hex(made, made_len, sha256);
	rc = store_recovery_exported(c->store, sha256, p.names, clock_wall_s(c->clock), e);
	if (rc) {
		free(made);
		return rc;
	}
	audit(c, who, "ringfence recovery export", p.names);
	*p12 = made;
	*len = made_len;
	return 0;
}

/* --- verify --- */

struct unpacking {
	const struct keys *k;
	bool found[N_UNITS];
	struct notes *notes;
	char names[1024];
	size_t used;
	struct err *e;
};

/* bundle_read has matched each key with its certificate; here the certificates are matched with those in force. */
static int take(void *ctx, const struct bundle_entry *entry)
{
	struct unpacking *u = ctx;
	const char *what = "not in force";

	for (size_t i = 0; i < N_UNITS; i++) {
		if (u->k->cert[i] && cert_same(u->k->cert[i], entry->cert)) {
			u->found[i] = true;
			what = "in force";
		}
	}
	u->used = text_append(u->names, sizeof(u->names), u->used, "%s%s", u->used ? " " : "", entry->name);
	return notes_add(u->notes, u->e, "%s: key and certificate agree (%s), %s", entry->name, cert_subject(entry->cert), what);
}

static int check_complete(struct cluster *c, const struct unpacking *u, struct err *e)
{
	for (size_t i = 0; i < N_UNITS; i++)
		if (u->k->cert[i] && !u->found[i] && cluster_key_in_file(c, u->k->name[i]))
			return err_set(e, ERR_USAGE,
				       "the export does not hold the %s key that is in force (%s): it is older than the key. Run "
				       "'ringfence recovery export' again", units[i], u->k->name[i]);
	return 0;
}

int recovery_verify(struct cluster *c, const char *who, struct view p12, const char *passphrase, struct notes *notes,
		    struct err *e)
{
	AUTO(keys_clear) struct keys k = { 0 };
	struct unpacking u = { .k = &k, .notes = notes, .e = e };
	char sha256[65];
	int rc = keys_in_force(c, &k, e);

	if (!rc)
		rc = bundle_read(p12, passphrase, take, &u, e);
	if (!rc)
		rc = check_complete(c, &u, e);
	if (rc)
		return rc;
	sha256_hex(p12.p, p12.len, sha256);
	rc = store_recovery_verified(c->store, sha256, u.names, clock_wall_s(c->clock), e);
	if (!rc)
		audit(c, who, "ringfence recovery verify", u.names);
	return rc;
}

/* --- state --- */

/* Is name one of the words of list? */
static bool has_word(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = strstr(list, name); p; p = strstr(p + 1, name))
		if ((p == list || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
			return true;
	return false;
}

static bool holds_all(struct cluster *c, const struct store_recovery *row, const struct keys *k, const char **missing)
{
	for (size_t i = 0; i < N_UNITS; i++) {
		if (k->cert[i] && !has_word(row->keys, k->name[i]) && cluster_key_in_file(c, k->name[i])) {
			*missing = units[i];
			return false;
		}
	}
	return true;
}

/* A token gives no key out: only a copy of the token brings it back. */
static bool none_in_files(struct cluster *c, const struct keys *k)
{
	for (size_t i = 0; i < N_UNITS; i++)
		if (k->cert[i] && cluster_key_in_file(c, k->name[i]))
			return false;
	return true;
}

int recovery_state(struct cluster *c, struct recovery_state *s, struct err *e)
{
	AUTO(keys_clear) struct keys k = { 0 };
	struct store_recovery row;
	const char *missing = "";
	bool found;
	int rc = keys_in_force(c, &k, e);

	if (!rc)
		rc = store_recovery_latest(c->store, &row, &found, e);
	if (rc)
		return rc;
	*s = (struct recovery_state){ .verified_s = found ? row.verified : 0 };
	s->on_token = none_in_files(c, &k);
	if (s->on_token)
		s->current = true;
	else if (!found)
		snprintf(s->text, sizeof(s->text),
			 "No recovery export exists. If this node is lost, every phone must be unlocked by hand. "
			 "Run 'ringfence recovery export --out FILE'.");
	else if (!row.verified)
		snprintf(s->text, sizeof(s->text),
			 "The recovery export was never verified. Run 'ringfence recovery verify FILE'.");
	else if (!holds_all(c, &row, &k, &missing))
		snprintf(s->text, sizeof(s->text),
			 "The recovery export that was verified does not hold the present %s key. "
			 "Run 'ringfence recovery export --out FILE' and 'ringfence recovery verify FILE'.", missing);
	else
		s->current = true;
	return 0;
}
