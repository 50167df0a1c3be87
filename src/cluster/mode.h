#pragma once

#include "cluster/cluster.h"

/*
 * Security mode and CTL: what `utils ctl` does. Each operation publishes a new generation and writes the audit.
 * notes get what is left to do or may surprise; they may be NULL.
 * Source: behaviour.md 1.3, 3.2; formats-and-protocols.md 3.6.
 */
int cluster_is_mixed(struct cluster *c, bool *mixed, struct err *e) MUST_CHECK; /* parameter ClusterSecurityMode is 1 */

/* cluster_has_ctl: is a CTL published? Also left over in a non-secure cluster that once was mixed (behaviour.md 1.1). */
int cluster_has_ctl(struct cluster *c, bool *has, struct err *e) MUST_CHECK;

/* Errors: ERR_USAGE the generation has no CTL without tokens, a certificate is missing; ERR_LIMIT; ERR_IO; ERR_STORE. */
int cluster_set_mixed(struct cluster *c, const char *who, struct notes *notes, struct err *e) MUST_CHECK;
int cluster_set_non_secure(struct cluster *c, const char *who, struct notes *notes, struct err *e) MUST_CHECK;

/* Errors: also ERR_USAGE the cluster is not in mixed mode. */
int cluster_ctl_update(struct cluster *c, const char *who, struct notes *notes, struct err *e) MUST_CHECK;

/*
 * cluster_ctl_reset: the CTL anew, signed by compose_other_signer until cluster_ctl_update (`utils ctl reset localkey`).
 * Errors: also ERR_USAGE not in mixed mode, not the publisher, the generation's CTL knows no other signer.
 */
int cluster_ctl_reset(struct cluster *c, const char *who, struct notes *notes, struct err *e) MUST_CHECK;

/* cluster_ctl_delete: what `file delete tftp CTLFile.tlv` does; phones keep the CTL that they have. Out: *found. */
int cluster_ctl_delete(struct cluster *c, const char *who, bool *found, struct err *e) MUST_CHECK;

/*
 * cluster_mode_warnings: what the change would do to phones, to be shown before asking. Changes nothing.
 * Source: behaviour.md 9 scenarios 3, 7, 20, 21.
 */
enum mode_change { MODE_MIXED, MODE_NON_SECURE, MODE_UPDATE, MODE_DELETE, MODE_RESET };
int cluster_mode_warnings(struct cluster *c, enum mode_change change, struct notes *notes, struct err *e) MUST_CHECK;
