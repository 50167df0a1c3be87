#include "cluster/rollback.h"

#include "cluster/cluster_internal.h"
#include "cluster/mode.h"
#include "cluster/param.h"
#include "cluster/phone_reset.h"
#include "cluster/strand.h"

/* Phones take neither the blank ITL nor the full one after it from a signer that they do not know. */
static int warn_reach(struct cluster *c, struct notes *notes, struct err *e)
{
	struct cert *signer = NULL, *tvs = NULL;
	const char *unit;
	int rc = itl_signer_unit(c, &unit, e);

	/* A reset by a key that is not here: the change will be refused. */
	if (rc || !unit)
		return rc;
	rc = cluster_own_cert(c, NULL, unit, &signer, e);
	if (!rc)
		rc = cluster_own_cert(c, NULL, "TVS", &tvs, e);
	if (!rc)
		rc = strand_warnings(c, &(struct strand_change){ "the ITL", signer, tvs }, notes, e);
	cert_unref(signer);
	cert_unref(tvs);
	return rc;
}

/* The parameter does not empty the CTL (behaviour.md 8.3), and a phone looks into its CTL first. */
static int warn_ctl(struct cluster *c, struct notes *notes, struct err *e)
{
	bool mixed, has_ctl;
	int rc = cluster_is_mixed(c, &mixed, e);

	if (!rc)
		rc = cluster_has_ctl(c, &has_ctl, e);
	if (rc || !has_ctl)
		return rc;
	if (mixed)
		return notes_add(notes, e,
				 "The cluster is in mixed mode, and this parameter does not empty the CTL: phones that have it go on "
				 "refusing what others signed. First 'utils ctl set-cluster non-secure-mode', and reset all phones.");
	return notes_add(notes, e,
			 "There is a CTL from an earlier mixed mode, which this parameter does not empty: phones that have it will load "
			 "any configuration file, but no trust list that its security tokens have not signed.");
}

int rollback_warnings(struct cluster *c, bool on, struct notes *notes, struct err *e)
{
	int rc = 0;

	if (on)
		rc = notes_add(notes, e,
			       "Phones that load the blank ITL accept any file from any server until they have a full ITL again. Signed "
			       "and encrypted configurations and HTTPS services (Extension Mobility, directories) stop meanwhile; calls "
			       "go on, and services whose secured URL is an http one. Do not leave it so.");
	if (!rc && on)
		rc = warn_ctl(c, notes, e);
	if (!rc)
		rc = warn_reach(c, notes, e);
	if (!rc && !on)
		rc = notes_add(notes, e,
			       "Phones that took the trust list of another server meanwhile come back only when that server gives them a "
			       "blank one, or when it is deleted on the phone.");
	return rc ? rc : phones_before_reset(c, notes, e);
}

int rollback_next_steps(struct notes *notes, struct err *e)
{
	return notes_add(notes, e,
			 "Wait until every phone has loaded the blank ITL (within 10 minutes; compare its checksum with 'show itl') before "
			 "you change certificates or move phones: one that is off keeps its old ITL. Set it to False afterwards.");
}
