#include "cluster/list_check.h"

#include "cluster/cluster_internal.h"
#include "cluster/list_reset.h"
#include "cluster/mode.h"
#include "cluster/param.h"
#include "cluster/sast_trust.h"
#include "cluster/token_ctl.h"

int list_lacks(struct cluster *c, const struct trust_list *l, enum list_type type, const char *unit, bool *lacks,
	       struct err *e)
{
	enum compose_generation g;
	struct cert *cert = NULL;
	bool bare = false, mixed;
	int rc = param_generation(c, &g, e);

	*lacks = false;
	/* A blank ITL names nobody on purpose, nor need a CTL that is left over from mixed mode. */
	if (!rc && type == LIST_ITL)
		rc = param_get_bool(c, PARAM_ROLLBACK, &bare, e);
	else if (!rc && (rc = cluster_is_mixed(c, &mixed, e)) == 0)
		bare = !mixed;
	if (!rc && !bare && compose_names_unit(g, type, unit))
		rc = cluster_own_cert(c, NULL, unit, &cert, e);
	if (rc || !cert)
		return rc;
	*lacks = true;
	for (size_t i = 0; i < l->n_records; i++)
		if (list_record_is_cert(&l->records[i], cert))
			*lacks = false;
	cert_unref(cert);
	return 0;
}

int list_notes(struct cluster *c, const struct trust_list *l, enum list_type type, struct notes *notes, struct err *e)
{
	const char *command = "";
	int rc = list_reset_notes(c, type, notes, e);

	if (!rc && type == LIST_CTL)
		rc = cluster_ctl_command(c, &command, e);
	for (const char *const *unit = template_units; *unit && !rc; unit++) {
		bool lacks;
		rc = list_lacks(c, l, type, *unit, &lacks, e);
		if (!rc && lacks && type == LIST_CTL)
			rc = notes_add(notes, e, "The CTL file does not name the %s certificate that is installed: run '%s' when phones have "
				       "taken the present ITL.", *unit, command);
		else if (!rc && lacks)
			rc = notes_add(notes, e, "The ITL file does not name the %s certificate that is installed.", *unit);
	}
	return rc || type != LIST_CTL ? rc : sast_trust_list_notes(c, l, notes, e);
}
