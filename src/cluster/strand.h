#pragma once

#include "cluster/cluster.h"
#include "format/list.h"

/*
 * Would the next lists reach every phone? A phone holds the lists of the generation that was in force when it last
 * restarted. It takes a list whose signer is a SAST of its CTL or ITL, and asks TVS about any other, if its ITL knows
 * that TVS and TVS answers for the signer, whose certificate must not have expired. A phone without a CTL whose ITL is
 * blank takes any. Looks at every generation that is kept.
 * Source: behaviour.md 4.2, 4.5, 8.3, 9 scenarios 6, 8, 12, 17, 46.
 */
enum strand_reach {
	STRAND_DIRECT,  /* knows the next signer */
	STRAND_TVS,     /* does not, but knows the TVS that will vouch for it */
	STRAND_LOST,    /* knows neither, or TVS will not answer for the signer */
};

/* strand_reach: ctl and itl as the phone holds them (NULL: none); signer and tvs as they will be (NULL: not made yet, so
 * no phone can know it; tvs also: it will not answer for the signer). A phone without lists takes any, and so does one whose
 * ITL is blank. */
enum strand_reach strand_reach(const struct trust_list *ctl, const struct trust_list *itl, const struct cert *signer,
			       const struct cert *tvs);

/* What a change replaces. */
struct strand_change {
	const char *what;           /* for the sentence: "the ITL", "the CTL" */
	const struct cert *signer;  /* of the next list; NULL: a new one */
	const struct cert *tvs;     /* this node's after the change; NULL: a new one */
};

/*
 * strand_sast_warnings: which phones are known to work with fewer SAST records than the next CTL will have, what is to be
 * expected of them, how many there are, and some names. Nothing when every phone is known to work with them.
 * Source: formats-and-protocols.md 2.2; dist/models.conf.
 */
int strand_sast_warnings(struct cluster *c, size_t n_sast, struct notes *notes, struct err *e) MUST_CHECK;

/* strand_warnings: a sentence for the phones that only TVS can carry, and one for those that nothing can. */
int strand_warnings(struct cluster *c, const struct strand_change *ch, struct notes *notes, struct err *e) MUST_CHECK;
