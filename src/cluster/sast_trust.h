#pragma once

#include "cluster/cluster.h"
#include "format/list.h"

/*
 * Phone-SAST-trust and the CTL. Phones that are to move to another cluster must know who signs the lists there: the
 * certificates of its CallManager and ITLRecovery are put into Phone-SAST-trust, and `utils ctl` makes them SAST records
 * of a CTL without tokens, behind all records of this cluster, in the order of their file names. An ITL never has them:
 * for phones without a CTL, TVS answers. Source: behaviour.md 8.5, 8.6, 9 scenarios 27, 35; formats-and-protocols.md 2.2.
 *
 * What the store holds there for another reason becomes no record:
 *     an own certificate: it has a record of its own where the generation has one;
 *     a hardware token (its common name begins with SAST-ADN, or a CTL that is kept has it as one): it is there so that
 *         TVS vouches for it, and leaves the CTL with `utils ctl` (scenarios 3, 4);
 *     an earlier signer of this site, as the adoption of a site leaves one whose key is not here (the store has the role
 *         SAST for it, which no import gives): it is there for phones that hold lists it signed, and is to sign no more;
 *     one without an RSA key, which cannot sign a list.
 */
struct gathered;

/*
 * sast_trust_gather: what belongs into a CTL without tokens, into g->in.foreign.
 * In:     lenient: none at all rather than too many.
 * Errors: ERR_LIMIT more SAST records than LIST_MAX_SAST_CTL, with the names and the remedy; ERR_STORE.
 */
int sast_trust_gather(struct cluster *c, bool lenient, struct gathered *g, struct err *e) MUST_CHECK;

/*
 * sast_trust_warnings: before `utils ctl` asks: which become records, which do not and why, and which phones keep fewer.
 * Nothing when Phone-SAST-trust is empty. Errors: as sast_trust_gather.
 */
int sast_trust_warnings(struct cluster *c, struct notes *notes, struct err *e) MUST_CHECK;

/* sast_trust_list_notes: where the CTL in force and Phone-SAST-trust differ, a sentence for each certificate. */
int sast_trust_list_notes(struct cluster *c, const struct trust_list *ctl, struct notes *notes, struct err *e) MUST_CHECK;

/* sast_trust_put_notes: what an import into Phone-SAST-trust brings with it, before or after it. */
int sast_trust_put_notes(struct cluster *c, struct cert *const *added, size_t n, struct notes *notes,
			 struct err *e) MUST_CHECK;

/* sast_trust_drop_notes: what stays when this one is deleted from there, before or after it. */
int sast_trust_drop_notes(struct cluster *c, const struct cert *cert, struct notes *notes, struct err *e) MUST_CHECK;
