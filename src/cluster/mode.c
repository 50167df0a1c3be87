#include "cluster/mode.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cluster/cluster_internal.h"
#include "cluster/param.h"
#include "cluster/sast_trust.h"
#include "cluster/strand.h"
#include "cluster/token_ctl.h"
#include "store/param.h"

const char *const mode_names[2] = { "non-secure", "mixed" };

int cluster_is_mixed(struct cluster *c, bool *mixed, struct err *e)
{
	uint32_t mode;
	int rc = param_get_number(c, PARAM_SECURITY_MODE, &mode, e);

	if (rc)
		return rc;
	*mixed = mode == 1;
	return 0;
}

int cluster_has_ctl(struct cluster *c, bool *has, struct err *e)
{
	struct store_generation g;
	bool found;
	int rc = store_generation_latest(c->store, &g, &found, e);

	if (rc)
		return rc;
	*has = found && g.ctl_sha256[0];
	return 0;
}

int mode_store(struct cluster *c, bool mixed, struct err *e)
{
	return store_param_set(c->store, (struct store_param_key){ .name = PARAM_SECURITY_MODE }, mixed ? "1" : "0", e);
}

static int store_mode(struct cluster *c, void *ctx, struct err *e)
{
	const bool *mixed = ctx;

	return mode_store(c, *mixed, e);
}

static int set_mode(struct cluster *c, const char *who, bool mixed, struct notes *notes, struct err *e)
{
	bool before;
	int rc = cluster_is_mixed(c, &before, e);

	if (rc)
		return rc;
	struct change ch = {
		.who = who,
		.command = mixed ? "utils ctl set-cluster mixed-mode" : "utils ctl set-cluster non-secure-mode",
		.object = PARAM_SECURITY_MODE,
		.before = mode_names[before],
		.after = mode_names[mixed],
		.ctl = CTL_COMPOSE,
		.notes = notes,
		.apply = store_mode,
		.ctx = &mixed,
	};
	rc = change_run(c, &ch, NULL, e);
	return rc ? rc : ctl_others_note(c, notes, e);
}

int cluster_set_mixed(struct cluster *c, const char *who, struct notes *notes, struct err *e)
{
	return set_mode(c, who, true, notes, e);
}

int cluster_set_non_secure(struct cluster *c, const char *who, struct notes *notes, struct err *e)
{
	return set_mode(c, who, false, notes, e);
}

int cluster_ctl_update(struct cluster *c, const char *who, struct notes *notes, struct err *e)
{
	struct change ch = { .who = who, .command = "utils ctl update CTLFile", .object = "CTLFile.tlv", .ctl = CTL_COMPOSE,
			     .notes = notes };
	bool mixed;
	int rc = cluster_is_mixed(c, &mixed, e);

	if (rc)
		return rc;
	if (!mixed)
		return err_set(e, ERR_USAGE, "the cluster is not in mixed mode: 'utils ctl set-cluster mixed-mode' makes the CTL");
	rc = change_run(c, &ch, NULL, e);
	return rc ? rc : ctl_others_note(c, notes, e);
}

int cluster_ctl_delete(struct cluster *c, const char *who, bool *found, struct err *e)
{
	struct change ch = { .who = who, .command = "file delete tftp CTLFile.tlv", .object = "CTLFile.tlv", .ctl = CTL_DROP };
	bool has;
	int rc = cluster_has_ctl(c, &has, e);

	if (!rc && has)
		rc = change_run(c, &ch, NULL, e);
	if (!rc && found)
		*found = has;
	return rc;
}

/* --- before asking --- */

int mode_signer_warnings(struct cluster *c, const struct cert *signer, struct notes *notes, struct err *e)
{
	struct cert *tvs = NULL;
	int rc = cluster_own_cert(c, NULL, "TVS", &tvs, e);

	if (!rc)
		rc = strand_warnings(c, &(struct strand_change){ "the CTL", signer, tvs }, notes, e);
	cert_unref(tvs);
	return rc;
}

static int warn_rollback(struct cluster *c, struct notes *notes, struct err *e)
{
	bool blank;
	int rc = param_get_bool(c, PARAM_ROLLBACK, &blank, e);

	if (rc || !blank)
		return rc;
	return notes_add(notes, e,
			 "'" PARAM_ROLLBACK "' is True: phones that loaded the blank ITL take a CTL from any server. Set it to False and "
			 "reset all phones first.");
}

int mode_warnings(struct cluster *c, enum mode_change change, struct notes *notes, struct err *e)
{
	bool mixed;
	int rc = cluster_is_mixed(c, &mixed, e);

	if (rc)
		return rc;
	if (change == MODE_MIXED && mixed)
		rc = notes_add(notes, e, "The cluster is already in mixed mode. The CTL file would be made anew.");
	if (change == MODE_NON_SECURE && !mixed)
		rc = notes_add(notes, e, "The cluster is already in non-secure mode.");
	if (!rc && change == MODE_NON_SECURE && mixed)
		rc = notes_add(notes, e,
			       "Phones with a secure profile lose their secure registration until their profile is non-secure.");
	if (!rc && change == MODE_DELETE && mixed)
		rc = notes_add(notes, e,
			       "The cluster is in mixed mode: phones keep the CTL they have, but new phones get none and cannot "
			       "register securely.");
	if (!rc && change == MODE_MIXED)
		rc = warn_rollback(c, notes, e);
	return rc;
}

/* What `utils ctl` signs itself no token can sign from then on (scenario 3). */
static int warn_token_ctl(struct cluster *c, struct notes *notes, struct err *e)
{
	bool tokens;
	int rc = cluster_ctl_has_tokens(c, &tokens, e);

	if (rc || !tokens)
		return rc;
	return notes_add(notes, e,
			 "The CTL in force is signed by a hardware token. The new one will be signed by the cluster itself, and its "
			 "tokens are in it no more; 'ringfence ctl-client' makes one with tokens.");
}

int cluster_mode_warnings(struct cluster *c, enum mode_change change, struct notes *notes, struct err *e)
{
	struct cert *signer = NULL;
	enum compose_generation g;
	bool has;
	int rc = mode_warnings(c, change, notes, e);

	if (!rc && change != MODE_DELETE)
		rc = sast_trust_warnings(c, notes, e);
	if (!rc)
		rc = cluster_has_ctl(c, &has, e);
	if (rc || change == MODE_DELETE || !has)
		return rc;
	rc = warn_token_ctl(c, notes, e);
	if (!rc)
		rc = param_generation(c, &g, e);
	const char *unit = rc ? NULL : change == MODE_RESET ? compose_other_signer(g, LIST_CTL) : compose_signer_unit(g);
	if (rc || !unit)
		return rc; /* it will be refused */
	rc = cluster_own_cert(c, NULL, unit, &signer, e);
	if (!rc)
		rc = mode_signer_warnings(c, signer, notes, e);
	cert_unref(signer);
	return rc;
}
