#pragma once

#include "cluster/cluster.h"

/* What the call control beside this node shows to phones, and whom it is to believe, as PEM texts. Source: users.md 6.4. */
struct call_control_certs {
	struct cert *leaf;   /* this node's CallManager certificate: a reference */
	char *chain;         /* it and its issuers, as far as CallManager-trust has them, the leaf first */
	char *authorities;   /* the CA certificates of CallManager-trust: issuers of LSCs, former ones too; and CAPF's own */
};

/* Errors: ERR_USAGE this node has no CallManager certificate. */
int call_control_certs(struct cluster *c, struct call_control_certs *out, struct err *e) MUST_CHECK;
void call_control_certs_clear(struct call_control_certs *c);

/*
 * call_control_follows: is it given something else when certificates of this unit change? The CallManager certificate is
 * what it shows; of CAPF and CallManager-trust come its authorities. No when Cisco CallManager is stopped.
 */
int call_control_follows(struct cluster *c, const char *unit, bool *follows, struct err *e) MUST_CHECK;

/* call_control_plan: the same as a sentence, before such a change. None where no adapter is configured. */
int call_control_plan(struct cluster *c, const char *unit, struct notes *plan, struct err *e) MUST_CHECK;
