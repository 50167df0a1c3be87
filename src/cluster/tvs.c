#include "cluster/tvs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cluster/cluster_internal.h"
#include "cluster/param.h"
#include "proto/tvs_index.h"
#include "store/certificate.h"

/* What the index is made of: when none of it has changed, neither has the index. */
struct source {
	uint64_t store_changes;
	uint64_t generation;
	char ctl_sha256[65];
	uint32_t ttl_s;
	bool with_expired;
};

struct tvs_publisher {
	struct cluster *c;
	bool built;
	struct source source;      /* of what is published */
	struct tvs_report last;
};

/* --- roles --- */

#define WIRE_ROLES                                                                                                     \
	(FUNCTION_BIT(FUNCTION_SAST) | FUNCTION_BIT(FUNCTION_CCM) | FUNCTION_BIT(FUNCTION_CCM_TFTP) |                  \
	 FUNCTION_BIT(FUNCTION_TFTP) | FUNCTION_BIT(FUNCTION_CAPF) | FUNCTION_BIT(FUNCTION_APP_SERVER) |               \
	 FUNCTION_BIT(FUNCTION_TVS))

static const struct {
	enum store_unit store;
	uint32_t roles;
} trust_roles[] = {
	{ STORE_TRUST_TOMCAT, FUNCTION_BIT(FUNCTION_APP_SERVER) },
	{ STORE_TRUST_PHONE, FUNCTION_BIT(FUNCTION_APP_SERVER) },
	{ STORE_TRUST_PHONE_CTL, FUNCTION_BIT(FUNCTION_APP_SERVER) },
	{ STORE_TRUST_PHONE_VPN, FUNCTION_BIT(FUNCTION_APP_SERVER) },
	{ STORE_TRUST_CALLMANAGER, FUNCTION_BIT(FUNCTION_CCM) },
	{ STORE_TRUST_CAPF, FUNCTION_BIT(FUNCTION_CAPF) },
	{ STORE_TRUST_TVS, FUNCTION_BIT(FUNCTION_TVS) },
	{ STORE_TRUST_PHONE_SAST, FUNCTION_BIT(FUNCTION_SAST) | FUNCTION_BIT(FUNCTION_TFTP) },
};

uint32_t tvs_roles(uint32_t roles, uint32_t units)
{
	uint32_t got = 0;

	if (roles)
		return roles & WIRE_ROLES;
	for (size_t i = 0; i < sizeof(trust_roles) / sizeof(trust_roles[0]); i++)
		if (units & STORE_UNIT_BIT(trust_roles[i].store))
			got |= trust_roles[i].roles;
	return got;
}

/* --- the certificates --- */

struct build {
	struct source *source;
	int64_t now;
	struct notes *notes;
	struct tvs_index_item *items;
	size_t n;
	struct cert *ctl_certs[LIST_MAX_RECORDS];
	size_t n_ctl_certs;
	struct tvs_report *r;
};

/* It counts until the second of its end; then the next one that ends is waited for. */
static bool is_over(struct build *b, const struct cert *cert)
{
	int64_t end = cert_not_after(cert);

	if (b->source->with_expired)
		return false;
	if (end < b->now)
		return true;
	if (!b->r->next_expiry || end < b->r->next_expiry)
		b->r->next_expiry = end;
	return false;
}

int tvs_answers(struct cluster *c, const struct cert *cert, bool *answers, struct err *e)
{
	bool with_expired;
	int rc = param_get_bool(c, PARAM_TVS_EXPIRED, &with_expired, e);

	if (!rc)
		*answers = with_expired || cert_not_after(cert) >= clock_wall_s(c->clock);
	return rc;
}

static int add_stored(struct build *b, const struct store_certificate *sc, struct err *e)
{
	uint32_t own = sc->units & (STORE_UNIT_BIT(STORE_TRUST_TOMCAT) - 1);

	if (is_over(b, sc->cert)) {
		b->r->expired++;
		if (!own)
			return 0;
		return notes_add(b->notes, e,
				 "TVS does not answer for the certificate %s of %s any more: it has expired. Make a new one with "
				 "'set cert regen' (read its warnings first), or set the parameter '%s' to True meanwhile.",
				 cert_subject(sc->cert), sc->server, PARAM_TVS_EXPIRED);
	}
	b->items[b->n++] = (struct tvs_index_item){
		.cert = sc->cert,
		.roles = tvs_roles(sc->roles, sc->units),
		/* What was said for this one certificate counts more than the parameter. */
		.ttl_s = sc->ttl_s != STORE_TTL_DEFAULT ? sc->ttl_s : b->source->ttl_s,
	};
	return 0;
}

static int add_record(struct build *b, const struct tlv_record *rec, struct err *e)
{
	struct cert *cert;
	int rc;

	if (!rec->certificate.len || !rec->has_function || rec->function > 31)
		return 0;
	if ((rc = cert_from_der(rec->certificate, &cert, e)))
		return rc;
	b->ctl_certs[b->n_ctl_certs++] = cert;
	if (is_over(b, cert))
		b->r->expired++;
	else
		b->items[b->n++] = (struct tvs_index_item){
			cert, FUNCTION_BIT(rec->function) & WIRE_ROLES, b->source->ttl_s };
	return 0;
}

/* A CTL that cannot be read must not take the certificates of the store along. */
static int add_ctl(struct build *b, const struct trust_list *ctl, struct err *e)
{
	for (size_t i = 0; ctl && i < ctl->n_records; i++) {
		struct err why = ERR_INIT;
		int rc = add_record(b, &ctl->records[i], &why);
		if (rc)
			rc = notes_add(b->notes, e, "TVS passes over record %zu of CTLFile.tlv: %s.", i + 1, why.text);
		if (rc)
			return rc;
	}
	return 0;
}

static int add_all(struct build *b, struct cluster *c, struct store_certificate *list, size_t n, struct err *e)
{
	struct trust_list *ctl = NULL;
	struct err why = ERR_INIT;
	int rc = 0;

	if (ctl_in_force(c, &ctl, &why))
		rc = notes_add(b->notes, e, "TVS answers without the certificates of CTLFile.tlv: %s.", why.text);
	b->items = calloc(n + (ctl ? ctl->n_records : 0) + 1, sizeof(*b->items));
	if (!b->items)
		rc = err_set(e, ERR_NOMEM, "no memory for the TVS index of %zu certificates", n);
	for (size_t i = 0; !rc && i < n; i++)
		rc = add_stored(b, &list[i], e);
	if (!rc)
		rc = add_ctl(b, ctl, e);
	list_free(ctl);
	return rc;
}

/* --- the file --- */

static int replace_if_other(struct cluster *c, struct view data, bool *changed, struct err *e)
{
	AUTO(auto_free) uint8_t *old = NULL;
	size_t len = 0;
	int rc = file_read(c->published_fd, TVS_INDEX_FILE, TVS_INDEX_MAX, &old, &len, NULL);

	*changed = rc || !view_eq(data, (struct view){ old, len });
	if (!*changed)
		return 0;
	cluster_step(c, TVS_INDEX_FILE);
	return file_replace(c->published_fd, TVS_INDEX_FILE, data, 0644, e);
}

static int build(struct tvs_publisher *p, struct source *now, struct tvs_report *r, struct notes *notes, struct err *e)
{
	struct build b = { .source = now, .now = clock_wall_s(p->c->clock), .notes = notes, .r = r };
	struct store_certificate *list = NULL;
	uint8_t *data = NULL;
	size_t n = 0, len;
	int rc = store_certificate_list(p->c->store, &(struct store_certificate_filter){ 0 }, &list, &n, e);

	if (!rc)
		rc = add_all(&b, p->c, list, n, e);
	if (!rc)
		rc = tvs_index_build(b.items, b.n, &data, &len, e);
	if (!rc)
		rc = replace_if_other(p->c, (struct view){ data, len }, &r->changed, e);
	r->certificates = b.n;
	for (size_t i = 0; i < b.n_ctl_certs; i++)
		cert_unref(b.ctl_certs[i]);
	free(b.items);
	free(data);
	store_certificates_free(list, n);
	return rc;
}

static int look(struct cluster *c, struct source *s, struct err *e)
{
	AUTO(auto_free) char *expired = NULL;
	struct store_generation g = { 0 };
	bool found;
	int rc = store_generation_latest(c->store, &g, &found, e);

	if (!rc)
		rc = param_get_number(c, PARAM_TVS_TTL, &s->ttl_s, e);
	if (!rc)
		rc = param_get(c, PARAM_TVS_EXPIRED, &expired, e);
	if (rc)
		return rc;
	s->store_changes = store_certificate_changes(c->store);
	s->generation = found ? g.number : 0;
	s->with_expired = strcmp(expired, "True") == 0;
	if (found)
		memcpy(s->ctl_sha256, g.ctl_sha256, sizeof(s->ctl_sha256));
	return 0;
}

static bool is_current(const struct tvs_publisher *p, const struct source *now)
{
	return p->built && p->source.store_changes == now->store_changes && p->source.generation == now->generation &&
	       p->source.ttl_s == now->ttl_s && p->source.with_expired == now->with_expired &&
	       (!p->last.next_expiry || clock_wall_s(p->c->clock) <= p->last.next_expiry);
}

int tvs_publish(struct tvs_publisher *p, struct tvs_report *r, struct notes *notes, struct err *e)
{
	struct source now = { 0 };
	struct tvs_report got = { .built = true };
	int rc = look(p->c, &now, e);

	if (rc)
		return rc;
	if (is_current(p, &now)) {
		got = p->last;
		got.built = got.changed = got.ctl_changed = false;
		*r = got;
		return 0;
	}
	got.ctl_changed = p->built && strcmp(p->source.ctl_sha256, now.ctl_sha256) != 0;
	if ((rc = build(p, &now, &got, notes, e)))
		return rc;
	p->built = true;
	p->source = now;
	p->last = got;
	*r = got;
	return 0;
}

int tvs_publisher_new(struct cluster *c, struct tvs_publisher **p, struct err *e)
{
	struct tvs_publisher *got = calloc(1, sizeof(*got));

	if (!got)
		return err_set(e, ERR_NOMEM, "no memory for the TVS index");
	got->c = c;
	*p = got;
	return 0;
}

void tvs_publisher_free(struct tvs_publisher *p)
{
	free(p);
}
