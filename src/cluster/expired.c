#include "cluster/expired.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "store/devicecert.h"

#define NAMED_MAX 20 /* so many are named before a question; the others are counted */

/* Source: behaviour.md 2.9; what TVS, CAPF and call controls here make of it. */
const char *expired_means(enum store_unit store)
{
	switch (store) {
	case STORE_TRUST_TOMCAT:
		return "Phones refuse HTTPS services (directories) of a server that shows it, because TVS says no.";
	case STORE_TRUST_CALLMANAGER:
		return "The call control refuses secure connections of those who show it or a certificate that it has issued, such as "
		       "an LSC, and phones that ask TVS about it hear no.";
	case STORE_TRUST_CAPF:
		return "CAPF takes no certificate that it has issued, so phones cannot renew an LSC from it by that LSC.";
	case STORE_TRUST_TVS:
		return "Phones that ask TVS about it hear no.";
	case STORE_TRUST_PHONE_SAST:
		return "Phones refuse what its key signs, unless they have it in a list of theirs: those that ask TVS hear no.";
	case STORE_TRUST_PHONE_VPN:
		return "Phones cannot verify the VPN gateway that shows it.";
	case STORE_TRUST_PHONE:
	case STORE_TRUST_PHONE_CTL:
		return "Visual Voicemail stops.";
	case STORE_TRUST_IPSEC:
		return "IPsec connections of a node that shows it fail.";
	default:
		return "Connections to a server that shows it fail.";
	}
}

void expired_date(const struct cert *cert, char out[EXPIRED_DATE_MAX])
{
	time_t end = (time_t)cert_not_after(cert);
	struct tm tm;

	if (!gmtime_r(&end, &tm) || !strftime(out, EXPIRED_DATE_MAX, "%Y-%m-%d", &tm))
		snprintf(out, EXPIRED_DATE_MAX, "before 1970");
}

static bool is_over(struct cluster *c, const struct cert *cert)
{
	return cert_not_after(cert) < clock_wall_s(c->clock);
}

/* --- who depends on it --- */

struct lscs {
	const char *subject;
	size_t n;
};

/* The store cuts long names. */
static int count_lsc(void *ctx, const struct store_devicecert *dc)
{
	struct lscs *l = ctx;
	size_t len = strlen(dc->issuer);

	if (dc->kind != DEVICECERT_LSC || dc->state != DEVICECERT_STORED || !len)
		return 0;
	l->n += strncmp(dc->issuer, l->subject, len) == 0 && (l->subject[len] == '\0' || len + 4 >= sizeof(dc->issuer));
	return 0;
}

/* The stores in which LSCs are looked up. */
static bool vouches_for_lscs(enum store_unit store)
{
	return store == STORE_TRUST_CAPF || store == STORE_TRUST_CALLMANAGER;
}

int expired_describe(struct cluster *c, const struct certs_entry *entry, bool *is, struct expired *x, struct err *e)
{
	enum store_unit store = store_unit_from_name(entry->unit);
	struct lscs lscs = { .subject = cert_subject(entry->cert) };
	const struct unit_rule *own = NULL;
	int rc = 0;

	*is = is_over(c, entry->cert);
	if (!*is)
		return 0;
	*x = (struct expired){ 0 };
	snprintf(x->name, sizeof(x->name), "%s/%s", entry->unit, entry->file);
	expired_date(entry->cert, x->date);
	rc = unit_of_cert(c, entry->cert, &own, e);
	if (!rc && !own && vouches_for_lscs(store))
		rc = store_devicecert_list(c->store, NULL, count_lsc, &lscs, e);
	if (rc)
		return rc;
	x->copy = own != NULL;
	if (own) {
		snprintf(x->remedy, sizeof(x->remedy), "It is a copy of this node's own %s certificate: 'set cert regen %s'.", own->unit,
			 own->unit);
		return 0;
	}
	size_t used = text_append(x->remedy, sizeof(x->remedy), 0, "When nothing needs it: 'set cert delete %s %s'. Without it: %s",
				  entry->unit, entry->file, expired_means(store));
	if (lscs.n)
		text_append(x->remedy, sizeof(x->remedy), used, " %zu phone%s an LSC from it: renew those first.", lscs.n,
			    lscs.n == 1 ? " has" : "s have");
	return 0;
}

/* --- before a later generation --- */

struct warn {
	struct cluster *c;
	struct notes *notes;
	struct err *e;
	size_t n;
};

static int warn_own(void *ctx, const struct certs_entry *entry)
{
	struct warn *w = ctx;
	char date[EXPIRED_DATE_MAX];

	if (!is_over(w->c, entry->cert))
		return 0;
	expired_date(entry->cert, date);
	return notes_add(w->notes, w->e,
			 "This node's own %s certificate expired on %s: 'set cert regen %s' makes a new one; read its warnings first.",
			 entry->unit, date, entry->unit);
}

static int warn_trust(void *ctx, const struct certs_entry *entry)
{
	struct warn *w = ctx;
	struct expired x;
	bool is;
	int rc = expired_describe(w->c, entry, &is, &x, w->e);

	/* The unit's own was named, and nobody deletes its copy. */
	if (rc || !is || x.copy || ++w->n > NAMED_MAX)
		return rc;
	return notes_add(w->notes, w->e, "%s expired on %s. %s", x.name, x.date, x.remedy);
}

int expired_warnings(struct cluster *c, struct notes *notes, struct err *e)
{
	struct warn w = { .c = c, .notes = notes, .e = e };
	int rc = certs_list(c, CERTS_OWN, warn_own, &w, e);

	if (!rc)
		rc = certs_list(c, CERTS_TRUST, warn_trust, &w, e);
	if (!rc && w.n > NAMED_MAX)
		rc = notes_add(notes, e, "%zu more have expired: 'show cert monitor' names all.", w.n - NAMED_MAX);
	if (!rc && w.n)
		rc = notes_add(notes, e,
			       "An upgrade to CUCM 12.5(1)SU6, 14SU2 or later drops certificates of trust stores that have expired. Here they "
			       "stay until they are deleted: clean up before phones get lists of a later generation.");
	return rc;
}
