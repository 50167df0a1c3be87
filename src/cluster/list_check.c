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

/* --- other nodes --- */

static bool names(const struct trust_list *l, const struct cert *cert)
{
	for (size_t i = 0; i < l->n_records; i++)
		if (list_record_is_cert(&l->records[i], cert))
			return true;
	return false;
}

static int add_lack(const struct trust_list *l, enum list_type type, const struct store_node *node,
		    const char *unit, const struct cert *cert, struct notes *lacks, struct err *e)
{
	if (!cert || names(l, cert))
		return 0;
	return notes_add(lacks, e, "The %s does not name the %s certificate of %s", list_type_name(type), unit, node->name);
}

/* A server's record stays in the CTL when its node has gone; of those that are there the missing certificate is told. */
static bool is_of_nobody(const struct gathered *g, const struct tlv_record *r)
{
	struct view name = tlv_text(r->dns_name);

	uint32_t server = FUNCTION_BIT(FUNCTION_CCM) | FUNCTION_BIT(FUNCTION_CCM_TFTP) | FUNCTION_BIT(FUNCTION_TFTP);

	if (!r->has_function || r->function >= 32 || !(FUNCTION_BIT(r->function) & server) || name.len == 0)
		return false;
	for (size_t i = 0; i < g->n_nodes; i++)
		if (view_eq(name, view_str(g->nodes[i].name)) || view_eq(name, view_str(g->nodes[i].address)) ||
		    (g->nodes[i].call_manager && list_record_is_cert(r, g->nodes[i].call_manager)))
			return false;
	return true;
}

static int find_others(const struct gathered *g, const struct trust_list *l, enum list_type type, struct notes *lacks,
		       struct err *e)
{
	bool ctl = type == LIST_CTL;
	const char *unit = ctl ? "CallManager" : "TVS";
	int rc = 0;

	for (size_t i = 0; i < g->n_nodes && !rc && compose_names_unit(g->in.generation, type, unit); i++)
		if (i != g->self) {
			const struct compose_node *node = &g->nodes[i];

			rc = add_lack(l, type, &g->rows[i], unit, ctl ? node->call_manager : node->tvs, lacks, e);
		}
	for (size_t i = 0; i < l->n_records && !rc && ctl; i++)
		if (is_of_nobody(g, &l->records[i])) {
			struct view name = tlv_text(l->records[i].dns_name);

			rc = notes_add(lacks, e, "The CTL names %.*s, which is no node of the cluster any more", (int)name.len,
				       (const char *)name.p);
		}
	return rc;
}

int list_others(struct cluster *c, const struct trust_list *l, enum list_type type, struct notes *lacks, struct err *e)
{
	struct gathered *g = NULL;
	int rc = gather(c, &g, e);

	/* As above: these name nobody on purpose. */
	if (!rc && !(type == LIST_CTL ? !g->mixed : g->in.blank))
		rc = find_others(g, l, type, lacks, e);
	gathered_free(g);
	return rc;
}

static int others_notes(struct cluster *c, const struct trust_list *l, enum list_type type, struct notes *notes,
			struct err *e)
{
	struct notes lacks = NOTES_INIT;
	const char *command = "";
	int rc = list_others(c, l, type, &lacks, e);

	if (!rc && lacks.n && type == LIST_CTL)
		rc = cluster_ctl_command(c, &command, e);
	for (size_t i = 0; i < lacks.n && !rc; i++)
		rc = type == LIST_CTL ? notes_add(notes, e, "%s: run '%s'.", lacks.text[i], command) :
					notes_add(notes, e, "%s.", lacks.text[i]);
	notes_clear(&lacks);
	return rc;
}

int list_stale(struct cluster *c, const struct trust_list *l, enum list_type type, struct notes *notes, struct err *e)
{
	const char *command = "";
	int rc = 0;

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
	if (!rc)
		rc = others_notes(c, l, type, notes, e);
	return rc || type != LIST_CTL ? rc : sast_trust_list_notes(c, l, notes, e);
}

int list_notes(struct cluster *c, const struct trust_list *l, enum list_type type, struct notes *notes, struct err *e)
{
	int rc = list_reset_notes(c, type, notes, e);

	return rc ? rc : list_stale(c, l, type, notes, e);
}
