/* Adoption: which certificate becomes which unit's, what phones go on trusting, what is made anew. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "base/text.h"
#include "cluster/adopt_internal.h"
#include "cluster/expired.h"
#include "cluster/trust.h"
#include "pki/key_pem.h"
#include "store/unit.h"

#define F(name) FUNCTION_BIT(FUNCTION_##name)

/* In the order in which units choose: whose key phones can least do without comes first. */
static const struct choice {
	const char *unit;
	uint32_t roles;         /* any of these */
	uint32_t rather;        /* those with one of these before the others */
	bool ec;
} choices[] = {
	{ "CallManager", F(CCM) | F(CCM_TFTP) | F(TFTP), F(CCM) | F(CCM_TFTP), false },
	{ "ITLRecovery", F(SAST), F(SAST), false },
	{ "CAPF", F(CAPF), F(CAPF), false },
	{ "TVS", F(TVS), F(TVS), false },
	{ "tomcat", F(APP_SERVER), F(APP_SERVER), false },
	{ "CallManager-ECDSA", F(CCM) | F(CCM_TFTP) | F(TFTP), F(CCM) | F(CCM_TFTP), true },
	{ "tomcat-ECDSA", F(APP_SERVER), F(APP_SERVER), true },
};
#define N_CHOICES (sizeof(choices) / sizeof(choices[0]))

void adopt_roles(uint32_t roles, char *out, size_t size)
{
	static const struct {
		enum function f;
		const char *name;
	} names[] = {
		{ FUNCTION_SAST, "SAST" }, { FUNCTION_CCM, "CCM" }, { FUNCTION_CCM_TFTP, "CCM+TFTP" }, { FUNCTION_TFTP, "TFTP" },
		{ FUNCTION_CAPF, "CAPF" }, { FUNCTION_APP_SERVER, "APP-SERVER" }, { FUNCTION_TVS, "TVS" },
	};
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (roles & FUNCTION_BIT(names[i].f))
			used = text_append(out, size, used, "%s%s", used ? ", " : "", names[i].name);
}

/* --- what is known of each certificate --- */

static void match_keys(struct adopt *a)
{
	for (size_t i = 0; i < a->n_certs; i++) {
		struct view spki = cert_spki(a->certs[i].cert);

		for (size_t k = 0; k < a->n_keys; k++) {
			if (view_eq(spki, (struct view){ a->keys[k].spki, a->keys[k].spki_len })) {
				a->certs[i].key = k;
				a->keys[k].matched = true;
			}
		}
	}
}

static void match_told(struct adopt_scan *s)
{
	for (size_t t = 0; t < s->n_told; t++) {
		for (size_t i = 0; i < s->a->n_certs; i++) {
			struct adopt_cert *c = &s->a->certs[i];

			if (memcmp(cert_sha256(c->cert), s->told[t].sha256, 32) == 0) {
				c->told |= s->told[t].roles;
				c->ttl_s = s->told[t].ttl_s;
			}
		}
	}
}

/* Names do not tell a call manager from a file server: CallManager.pem may well be CCM+TFTP. */
static bool agree(uint32_t a, uint32_t b)
{
	uint32_t manager = F(CCM) | F(CCM_TFTP) | F(TFTP);

	return (a & b) || ((a & manager) && (b & manager));
}

/* What phones were given counts most, then what TVS was told, then names, which must not contradict each other. */
static int settle(struct adopt *a, struct adopt_cert *c, struct err *e)
{
	char one[100], other[100];

	c->roles = c->listed ? c->listed : c->told;
	if (c->roles) {
		if (!c->named || agree(c->named, c->roles) || c->forced)
			return 0;
		adopt_roles(c->named, one, sizeof(one));
		adopt_roles(c->roles, other, sizeof(other));
		return notes_add(&a->notes, e, "%s: its name says %s, but %s %s: taken as that.", c->file, one,
				 c->listed ? "phones know it as" : "the database has it as", other);
	}
	if (c->named && c->subject && !agree(c->named, c->subject) && !c->forced && !c->stores) {
		adopt_roles(c->named, one, sizeof(one));
		adopt_roles(c->subject, other, sizeof(other));
		return notes_add(&a->problems, e,
				 "%s: by its file's name it is %s, by its subject (%s) %s: say what it is with --adopt-as UNIT=%s", c->file,
				 one, cert_subject(c->cert), other, c->file);
	}
	c->roles = c->named | c->subject;
	return 0;
}

/* --- choosing --- */

static struct adopt_unit *unit_of(struct adopt *a, const char *unit)
{
	for (size_t i = 0; i < a->n_units; i++)
		if (strcmp(a->units[i].unit, unit) == 0)
			return &a->units[i];
	return NULL;
}

static bool fits(const struct adopt_cert *c, const struct choice *ch, uint32_t roles)
{
	bool ec = cert_key_type(c->cert) == CERT_KEY_EC;

	return c->key != SIZE_MAX && !c->unit && !c->forced && ec == ch->ec && (c->roles & roles);
}

/* Does the newest ITL name the certificate so? signs: as the one that signed it. */
static bool in_newest(const struct adopt *a, const struct adopt_cert *c, uint32_t roles, bool signs)
{
	const struct trust_list *l = adopt_newest_itl(a);

	for (size_t i = 0; l && i < l->n_records; i++) {
		const struct tlv_record *rec = &l->records[i];

		if ((signs ? (int)i == l->signer : rec->has_function && rec->function < 32 &&
						   (FUNCTION_BIT(rec->function) & roles) != 0) &&
		    list_record_is_cert(rec, c->cert))
			return true;
	}
	return false;
}

/* How many fit, and the last of them; only: of those that the newest ITL names, or was signed with. */
enum only { ONLY_ANY, ONLY_NAMED, ONLY_SIGNER };

static size_t count(const struct adopt *a, const struct choice *ch, uint32_t roles, enum only only, size_t *last)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_certs; i++) {
		const struct adopt_cert *c = &a->certs[i];

		if (!fits(c, ch, roles) || (only != ONLY_ANY && !in_newest(a, c, roles, only == ONLY_SIGNER)))
			continue;
		*last = i;
		n++;
	}
	return n;
}

static int ambiguous(struct adopt *a, const struct choice *ch, uint32_t roles, struct err *e)
{
	char files[300] = "";
	size_t used = 0;

	for (size_t i = 0; i < a->n_certs; i++)
		if (fits(&a->certs[i], ch, roles))
			used = text_append(files, sizeof(files), used, "%s%s", used ? ", " : "", a->certs[i].file);
	return notes_add(&a->problems, e, "%s: several certificates with their keys could be it (%s): say which with --adopt-as "
			 "%s=FILE", ch->unit, files, ch->unit);
}

static int choose(struct adopt *a, const struct choice *ch, struct err *e)
{
	uint32_t roles = ch->rather;
	struct adopt_unit *u = unit_of(a, ch->unit);
	size_t found = SIZE_MAX;

	if (u->from != SIZE_MAX)
		return 0;
	if (!count(a, ch, roles, ONLY_ANY, &found))
		roles = ch->roles;
	size_t n = count(a, ch, roles, ONLY_ANY, &found);
	if (n > 1 && count(a, ch, roles, ONLY_SIGNER, &found) != 1 && count(a, ch, roles, ONLY_NAMED, &found) != 1)
		return ambiguous(a, ch, roles, e);
	if (n) {
		u->from = found;
		a->certs[found].unit = u->unit;
	}
	return 0;
}

static int choose_forced(struct adopt *a, size_t i, struct err *e)
{
	struct adopt_cert *c = &a->certs[i];
	struct adopt_unit *u = c->forced ? unit_of(a, c->forced) : NULL;

	if (!u)
		return 0;
	if (c->key == SIZE_MAX)
		return notes_add(&a->problems, e, "%s is to be %s, but its private key is not in the folder", c->file, c->forced);
	if (u->from != SIZE_MAX)
		return notes_add(&a->problems, e, "%s and %s are both to be %s", a->certs[u->from].file, c->file, c->forced);
	u->from = i;
	c->unit = u->unit;
	return 0;
}

/* --- keys of units --- */

static int check_kind(struct adopt *a, const struct adopt_unit *u, bool *good, struct err *e)
{
	const struct adopt_cert *c = &a->certs[u->from];
	bool ec = text_ends(u->unit, "-ECDSA");
	unsigned bits = cert_key_bits(c->cert);
	bool signs = strcmp(u->unit, "ITLRecovery") == 0 || strcmp(u->unit, "CallManager") == 0;
	size_t before = a->problems.n;
	int rc = 0;

	if (cert_key_type(c->cert) != (ec ? CERT_KEY_EC : CERT_KEY_RSA))
		rc = notes_add(&a->problems, e, "%s: %s needs %s key, and this is another kind: leave it out with --adopt-as none=%s",
			       c->file, u->unit, ec ? "an EC" : "an RSA", c->file);
	else if (!ec && bits < 1024)
		rc = notes_add(&a->problems, e,
			       "%s: RSA with %u bits is too weak to go on with; leave it out with --adopt-as none=%s, and %s gets a new "
			       "key", c->file, bits, c->file, u->unit);
	else if (signs && bits != 1024 && bits != 2048 && bits != 4096)
		rc = notes_add(&a->problems, e,
			       "%s: %s signs, and trust lists have no code for signatures of %u bits, only of 1024, 2048 and 4096; leave "
			       "it out with --adopt-as none=%s, and a new key is made", c->file, u->unit, bits, c->file);
	*good = before == a->problems.n;
	return rc;
}

static int take_key(struct adopt *a, struct adopt_unit *u, struct err *e)
{
	struct adopt_cert *c = &a->certs[u->from];
	struct err why = ERR_INIT;
	uint8_t *der = NULL;
	size_t len = 0;
	bool good;
	int rc = check_kind(a, u, &good, e);

	if (rc || !good)
		return rc;
	rc = key_to_pkcs8(a->keys[c->key].key, &der, &len, &why);
	if (!rc)
		rc = a->memory->ops->import(a->memory, u->unit, (struct view){ der, len }, u->key, &why);
	secret_free(der, len);
	if (rc == ERR_NOMEM)
		return err_set(e, rc, "%s", why.text);
	if (rc)
		return notes_add(&a->problems, e, "%s: %s; leave it out with --adopt-as none=%s", a->keys[c->key].file, why.text,
				 a->keys[c->key].file);
	u->cert = cert_ref(c->cert);
	return 0;
}

static int tell_of_age(struct adopt *a, const struct adopt_unit *u, int64_t now, struct err *e)
{
	const struct adopt_cert *c = &a->certs[u->from];
	char when[EXPIRED_DATE_MAX];
	int rc = 0;

	expired_date(c->cert, when);
	if (cert_not_after(c->cert) < now)
		rc = notes_add(&a->notes, e,
			       "%s: the certificate of %s expired on %s. It is adopted all the same; TVS no longer answers for it. When "
			       "all phones have the new lists, run 'set cert regen %s'.", c->file, u->unit, when, u->unit);
	if (!rc && strcmp(u->unit, "CAPF") == 0 && !X509_check_ca(cert_x509(c->cert)))
		rc = notes_add(&a->notes, e,
			       "%s: this certificate is not one of a CA, so CAPF will issue no LSCs with it. Those that phones have stay "
			       "known; run 'set cert regen CAPF' before new ones are needed.", c->file);
	if (!rc && cert_key_type(c->cert) == CERT_KEY_RSA && cert_key_bits(c->cert) == 4096)
		rc = notes_add(&a->notes, e, "%s: phones may refuse its key of 4096 bits.", c->file);
	return rc;
}

static int issue(struct adopt *a, const struct init_request *init, const struct init_env *env, struct adopt_unit *u,
		 struct err *e)
{
	const char *const ip[] = { init->ip, NULL };
	struct template_node node = { .name = init->node, .ip = ip, .subject = init->subject };
	struct cert_template t;
	int rc = template_get(u->unit, adopt_generation(a), init->key_bits, &t, e);

	return rc ? rc : template_issue(a->memory, &t, &node, env->clock, env->random, u->key, &u->cert, e);
}

/* --- lists of which generation? --- */

static bool is_known_signer(struct adopt *a, const char *unit)
{
	const struct adopt_unit *u = unit_of(a, unit);

	return u->from != SIZE_MAX && (a->certs[u->from].listed & F(SAST));
}

/* The newest one whose signer phones know already. */
static void choose_generation(struct adopt *a, const struct init_request *init)
{
	a->generation = COMPOSE_DEFAULT;
	if (init->generation && compose_generation_find(init->generation, &a->generation))
		return;
	if (!is_known_signer(a, "ITLRecovery") && is_known_signer(a, "CallManager"))
		a->generation = COMPOSE_11_5;
}

const char *adopt_generation(const struct adopt *a)
{
	return compose_generation_name(a->generation);
}

/* --- what phones trust without our having its key --- */

static uint32_t stores_of(uint32_t roles)
{
	static const struct {
		uint32_t roles;
		enum store_unit store;
	} rows[] = {
		{ F(SAST), STORE_TRUST_PHONE_SAST }, { F(CCM) | F(CCM_TFTP) | F(TFTP), STORE_TRUST_CALLMANAGER },
		{ F(CAPF), STORE_TRUST_CAPF }, { F(APP_SERVER), STORE_TRUST_TOMCAT }, { F(TVS), STORE_TRUST_TVS },
	};
	uint32_t stores = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (roles & rows[i].roles)
			stores |= STORE_UNIT_BIT(rows[i].store);
	return stores;
}

/* A CA that issued the certificate of a unit goes where that unit's copy goes. */
static void find_issued(struct adopt *a, struct adopt_cert *ca)
{
	for (size_t i = 0; i < a->n_units; i++) {
		const struct unit_rule *rule = unit_rule(a->units[i].unit);

		if (a->units[i].from == SIZE_MAX || !a->units[i].cert || cert_same(a->units[i].cert, ca->cert) ||
		    X509_check_issued(cert_x509(ca->cert), cert_x509(a->units[i].cert)) != X509_V_OK)
			continue;
		ca->issuer = true;
		if (rule->copies[0] != STORE_UNIT_NONE)
			ca->stores |= STORE_UNIT_BIT(rule->copies[0]);
	}
}

bool adopt_is_oversized(const struct adopt_cert *c)
{
	return cert_key_bits(c->cert) > TRUST_KEY_BITS_MAX;
}

void adopt_dropped_why(const struct adopt_cert *c, char *out, size_t size)
{
	char date[EXPIRED_DATE_MAX];

	expired_date(c->cert, date);
	if (adopt_is_oversized(c))
		snprintf(out, size, "its key has %u bits, and more than %d are not taken", cert_key_bits(c->cert), TRUST_KEY_BITS_MAX);
	else
		snprintf(out, size, "it expired on %s", date);
}

/*
 * An upgrade drops what has expired, and no upload takes larger keys; so it is here. What the operator names himself he
 * wants (behaviour.md 2.4).
 */
static int drop_unfit(struct adopt *a, struct adopt_cert *c, int64_t now, struct err *e)
{
	char why[ADOPT_WHY_MAX];

	if (cert_not_after(c->cert) >= now && !adopt_is_oversized(c))
		return 0;
	c->dropped = c->stores & ~c->asked;
	c->stores = c->asked;
	if (!c->asked)
		return 0;
	adopt_dropped_why(c, why, sizeof(why));
	return notes_add(&a->notes, e, "%s: %s; it is taken all the same, because --adopt-as names it.", c->file, why);
}

static int place(struct adopt_scan *s, size_t i, int64_t now, struct err *e)
{
	struct adopt_cert *c = &s->a->certs[i];

	if (c->unit)
		return 0;
	if (!c->stores)
		c->stores = stores_of(c->roles);
	if (!c->stores)
		find_issued(s->a, c);
	if (c->stores)
		return drop_unfit(s->a, c, now, e);
	return adopt_leave(s, c->file, e,
			   "the certificate %s: no list, database or name says what it is for; say so with --adopt-as UNIT=%s, or with "
			   "a trust store, as CAPF-trust for a manufacturer's CA", cert_subject(c->cert), c->file);
}

/* One certificate of a common name in one trust store (behaviour.md 2.4). */
static int tell_of_twins(struct adopt *a, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < a->n_certs && !rc; i++)
		for (size_t k = i + 1; k < a->n_certs && !rc; k++)
			if ((a->certs[i].stores & a->certs[k].stores) && !a->certs[i].unit && !a->certs[k].unit &&
			    strcmp(cert_cn(a->certs[i].cert), cert_cn(a->certs[k].cert)) == 0)
				rc = notes_add(&a->notes, e,
					       "%s and %s have the same common name; a trust store keeps the one that begins later.",
					       a->certs[i].file, a->certs[k].file);
	return rc;
}

/* --- all of it --- */

static int judge(struct adopt_scan *s, struct err *e)
{
	struct adopt *a = s->a;
	int rc = 0;

	match_keys(a);
	match_told(s);
	for (size_t i = 0; template_units[i]; i++)
		a->units[a->n_units++] = (struct adopt_unit){ .unit = template_units[i], .from = SIZE_MAX };
	for (size_t i = 0; i < a->n_certs && !rc; i++) {
		rc = settle(a, &a->certs[i], e);
		if (!rc)
			rc = choose_forced(a, i, e);
	}
	for (size_t i = 0; i < N_CHOICES && !rc; i++)
		rc = choose(a, &choices[i], e);
	for (size_t k = 0; k < a->n_keys && !rc; k++)
		if (!a->keys[k].matched)
			rc = adopt_leave(s, a->keys[k].file, e, "a private key whose certificate is not here");
	return rc;
}

int adopt_units(struct adopt_scan *s, const struct init_request *init, const struct init_env *env, struct err *e)
{
	struct adopt *a = s->a;
	int64_t now = clock_wall_s(env->clock);
	int rc = judge(s, e);

	for (size_t i = 0; i < a->n_units && !rc; i++) {
		if (a->units[i].from == SIZE_MAX)
			continue;
		rc = take_key(a, &a->units[i], e);
		if (!rc)
			rc = tell_of_age(a, &a->units[i], now, e);
	}
	if (!rc)
		choose_generation(a, init);
	/* With problems there will be no node: no time is spent on keys. */
	for (size_t i = 0; i < a->n_units && !rc && !a->problems.n; i++)
		if (a->units[i].from == SIZE_MAX)
			rc = issue(a, init, env, &a->units[i], e);
	for (size_t i = 0; i < a->n_certs && !rc; i++)
		rc = place(s, i, now, e);
	return rc ? rc : tell_of_twins(a, e);
}
