#pragma once

#include "cluster/certs.h"
#include "store/unit.h"

/*
 * Certificates of trust stores whose time is over. An adoption drops them, as an upgrade to 12.5(1)SU6 or 14SU2 and later
 * does; nothing else here does, and nobody does it without a word. Source: behaviour.md 2.4, 2.9, 9 scenario 51.
 */

/* expired_means: what stops without a certificate in that trust store: a sentence, static. */
const char *expired_means(enum store_unit store);

#define EXPIRED_DATE_MAX 16
void expired_date(const struct cert *cert, char out[EXPIRED_DATE_MAX]); /* the day of its end, UTC: "2026-11-30" */

/* One that has expired, in one of its trust stores. */
struct expired {
	char name[500];                /* "CAPF-trust/CAPF-0a1b2c3d.pem" */
	char date[EXPIRED_DATE_MAX];
	char remedy[700];              /* a command, with what to know before it: whole sentences */
	bool copy;                     /* of an own certificate of this node */
};

/* expired_describe: of an entry of certs_list(CERTS_TRUST). Out: *is false: it has not expired, and *x is not set. */
int expired_describe(struct cluster *c, const struct certs_entry *entry, bool *is, struct expired *x,
		     struct err *e) MUST_CHECK;

/* expired_warnings: before lists of a later generation are made: what of certificates that have expired. */
int expired_warnings(struct cluster *c, struct notes *notes, struct err *e) MUST_CHECK;
