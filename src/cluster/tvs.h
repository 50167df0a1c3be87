#pragma once

#include "cluster/cluster.h"

/*
 * What TVS answers: every own and trust certificate of all units and nodes and those of the CTL in force, as one index
 * (proto/tvs_index.h) that workers map. Source: behaviour.md 4.3; formats-and-protocols.md 6.4, 6.8.
 *
 * TVS is an allow-list: being in it is being trusted. exception: formats-and-protocols.md 6.7 (expiry is not evaluated):
 * a certificate beyond its end is left out, as pitfalls.md T-1 wants it, unless the parameter PARAM_TVS_EXPIRED says
 * otherwise. Chains, revocation and the beginning of validity are not looked at.
 */
#define TVS_INDEX_FILE "tvs.index" /* in published/ */
#define TVS_INDEX_MAX (512u << 20) /* octets that a reader maps */

struct tvs_publisher;

struct tvs_report {
	bool built;            /* something that the index is made of may have changed since the last call */
	bool changed;          /* and the file is another one now: readers map it again */
	bool ctl_changed;      /* since the last call the CTL became another one, appeared or went away */
	size_t certificates;   /* in the index */
	size_t expired;        /* left out */
	int64_t next_expiry;   /* Unix seconds: when to call again; 0: nothing ends */
};

int tvs_publisher_new(struct cluster *c, struct tvs_publisher **p, struct err *e) MUST_CHECK;
void tvs_publisher_free(struct tvs_publisher *p); /* accepts NULL */

/*
 * tvs_publish: bring published/tvs.index up to date. Cheap when no certificate, list, parameter or end of a certificate
 * gives a reason to build it. The file is replaced whole; without a change of its content it stays.
 * Out: *r; notes (may be NULL) get a sentence for each own certificate that is left out because it has expired, and for a
 *      CTL that cannot be read.
 */
int tvs_publish(struct tvs_publisher *p, struct tvs_report *r, struct notes *notes, struct err *e) MUST_CHECK;

/* tvs_answers: would TVS answer for this certificate, once it stands in the store or in the CTL: has it not expired? */
int tvs_answers(struct cluster *c, const struct cert *cert, bool *answers, struct err *e) MUST_CHECK;

/*
 * tvs_roles: what TVS says of a certificate, as a set of TVS_ROLE(function).
 * In:     roles that the store has for it (STORE_ROLE_BIT), units and trust stores it is in (STORE_UNIT_BIT).
 * The store's word counts, as far as it is a function that phones know; a member of trust stores without one gets those
 * of its stores:
 *     tomcat-trust, Phone-trust, Phone-CTL-trust, Phone-VPN-trust   APP-SERVER: HTTPS services
 *     CallManager-trust                                              CCM: call control of another cluster
 *     CAPF-trust                                                     CAPF
 *     TVS-trust                                                      TVS
 *     Phone-SAST-trust                                               SAST, TFTP: signers of another cluster
 *     others                                                         none: no phone connects to these
 * Source: behaviour.md 2.1, 8.6; formats-and-protocols.md 2.2, 6.4 (a real answer for a signer had roles 0 and 3).
 */
uint32_t tvs_roles(uint32_t roles, uint32_t units);
