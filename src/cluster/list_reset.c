#include "cluster/list_reset.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "cluster/publish.h"
#include "cluster/strand.h"
#include "pki/bundle.h"

#define RECOVERY "ITLRecovery"

/* --- the state --- */

int list_reset_state(struct cluster *c, enum list_type type, enum store_signer *by, struct err *e)
{
	struct store_generation g;
	bool found;
	int rc = store_generation_latest(c->store, &g, &found, e);

	if (rc)
		return rc;
	*by = !found ? STORE_SIGNER_NORMAL : type == LIST_CTL ? g.ctl_signer : g.itl_signer;
	return 0;
}

static const char *unit_of(enum compose_generation g, enum list_type type, enum store_signer by)
{
	const char *other = compose_other_signer(g, type);

	if (by == STORE_SIGNER_ELSEWHERE)
		return NULL;
	return by == STORE_SIGNER_OTHER && other ? other : compose_signer_unit(g);
}

int itl_signer_unit(struct cluster *c, const char **unit, struct err *e)
{
	enum compose_generation g;
	enum store_signer by;
	int rc = list_reset_state(c, LIST_ITL, &by, e);

	if (!rc)
		rc = param_generation(c, &g, e);
	if (!rc)
		*unit = unit_of(g, LIST_ITL, by);
	return rc;
}

int list_reset_notes(struct cluster *c, enum list_type type, struct notes *notes, struct err *e)
{
	enum compose_generation g;
	enum store_signer by;
	int rc = list_reset_state(c, type, &by, e);

	if (!rc)
		rc = param_generation(c, &g, e);
	if (rc || by == STORE_SIGNER_NORMAL)
		return rc;
	const char *unit = unit_of(g, type, by), *what = list_type_name(type);
	return notes_add(notes, e, "The %s file was reset: it is signed by %s until '%s' lets %s sign again.", what,
			 unit ? unit : "a key that is not on this node",
			 type == LIST_CTL ? "utils ctl update CTLFile" : "utils service restart Cisco Tftp", compose_signer_unit(g));
}

/* --- local key --- */

static int check_place(struct cluster *c, enum list_type type, struct err *e)
{
	const char *what = type == LIST_CTL ? "utils ctl reset" : "utils itl reset";
	enum compose_generation g;
	struct store_node node;
	bool found;
	int rc = store_node_get(c->store, c->node, &node, &found, e);

	if (!rc)
		rc = param_generation(c, &g, e);
	if (rc)
		return rc;
	if (!found || node.role != STORE_NODE_PUBLISHER)
		return err_set(e, ERR_USAGE, "'%s' works on the publisher only", what);
	if (!compose_other_signer(g, type))
		return err_set(e, ERR_USAGE,
			       "the %s of trust list generation %s names one signer: phones know no other that could sign a reset",
			       list_type_name(type), compose_generation_name(g));
	return 0;
}

static int next_steps(struct cluster *c, struct notes *notes, struct err *e)
{
	enum compose_generation g;
	int rc = param_generation(c, &g, e);

	return rc ? rc : notes_add(notes, e,
				   "Reset all phones now. When every phone shows the checksum of 'show itl', restart the TFTP service with "
				   "'utils service restart Cisco Tftp', after which %s signs again, and reset all phones a second time.",
				   compose_signer_unit(g));
}

int cluster_itl_reset(struct cluster *c, const char *who, struct notes *notes, struct err *e)
{
	struct change ch = { .who = who, .command = "utils itl reset localkey", .object = "ITLFile.tlv", .itl = ITL_OTHER,
			     .notes = notes };
	int rc = check_place(c, LIST_ITL, e);

	if (!rc)
		rc = change_run(c, &ch, NULL, e);
	return rc ? rc : next_steps(c, notes, e);
}

int cluster_ctl_reset(struct cluster *c, const char *who, struct notes *notes, struct err *e)
{
	struct change ch = { .who = who, .command = "utils ctl reset localkey", .object = "CTLFile.tlv", .ctl = CTL_RESET,
			     .notes = notes };
	bool mixed;
	int rc = check_place(c, LIST_CTL, e);

	if (!rc)
		rc = cluster_is_mixed(c, &mixed, e);
	if (!rc && !mixed)
		rc = err_set(e, ERR_USAGE, "the cluster is not in mixed mode: no phone needs another CTL");
	if (!rc)
		rc = change_run(c, &ch, NULL, e);
	if (!rc)
		rc = ctl_others_note(c, notes, e);
	return rc ? rc : notes_add(notes, e,
				   "Reset all phones now. When every phone shows the checksum of 'show ctl', run 'utils ctl update CTLFile' "
				   "and reset all phones a second time.");
}

/* --- a key from elsewhere --- */

struct remote {
	struct cert *cert;
	struct keystore_signer key; /* in memory, for this one operation */
	size_t n;                   /* keys in the file */
	bool named;                 /* the one taken is ITLRecovery's by its name */
	struct err *e;
};

static void remote_clear(struct remote *r)
{
	cert_unref(r->cert);
	keystore_free(r->key.ks);
}

static int take(void *ctx, const struct bundle_entry *entry)
{
	struct remote *r = ctx;
	bool named = text_starts(entry->name, RECOVERY);

	r->n++;
	if (r->n > 1 && (r->named || !named))
		return 0;
	cert_unref(r->cert);
	r->cert = cert_ref((struct cert *)(uintptr_t)entry->cert);
	r->named = named;
	return r->key.ks->ops->import(r->key.ks, RECOVERY, entry->pkcs8, r->key.name, r->e);
}

static int remote_read(const struct itl_remote *from, struct remote *r, struct err *e)
{
	r->e = e;
	int rc = keystore_memory_new(&r->key.ks, e);

	if (!rc)
		rc = bundle_read(from->p12, from->passphrase, take, r, e);
	if (!rc && r->n > 1 && !r->named)
		rc = err_set(e, ERR_USAGE, "the file holds %zu keys, and none is named " RECOVERY ": give one that holds that key alone",
			     r->n);
	if (!rc && r->n == 0)
		rc = err_set(e, ERR_PROTO, "the file holds no key");
	return rc;
}

int cluster_itl_reset_remote(struct cluster *c, const char *who, const struct itl_remote *from, struct notes *notes,
			     struct err *e)
{
	AUTO(remote_clear) struct remote r = { 0 };
	char sha256[65];
	int rc = check_place(c, LIST_ITL, e);

	if (!rc)
		rc = remote_read(from, &r, e);
	if (rc)
		return rc;
	text_hex(sha256, sizeof(sha256), (struct view){ cert_sha256(r.cert), 32 }, '\0', false);
	struct change ch = { .who = who, .command = "utils itl reset remotekey", .object = "ITLFile.tlv", .after = sha256,
			     .itl = ITL_ELSEWHERE, .elsewhere = r.cert, .elsewhere_key = r.key, .notes = notes };
	rc = change_run(c, &ch, NULL, e);
	return rc ? rc : next_steps(c, notes, e);
}

/* --- before asking --- */

static int warn(struct cluster *c, const struct cert *signer, struct notes *notes, struct err *e)
{
	struct cert *tvs = NULL;
	int rc = cluster_own_cert(c, NULL, "TVS", &tvs, e);

	if (!rc)
		rc = strand_warnings(c, &(struct strand_change){ "the ITL", signer, tvs }, notes, e);
	cert_unref(tvs);
	return rc;
}

static int warn_own(struct cluster *c, const char *unit, struct notes *notes, struct err *e)
{
	struct cert *signer = NULL;
	int rc = cluster_own_cert(c, NULL, unit, &signer, e);

	if (!rc)
		rc = warn(c, signer, notes, e);
	cert_unref(signer);
	return rc;
}

/* Does the ITL in force let this certificate sign? */
static int knows(struct cluster *c, const struct cert *cert, bool *known, struct err *e)
{
	AUTO(auto_free) uint8_t *data = NULL;
	struct trust_list *l = NULL;
	size_t len;
	int rc = publish_read(c, LIST_ITL, &data, &len, NULL, e);

	*known = false;
	if (!rc && data)
		rc = list_parse((struct view){ data, len }, LIST_ITL, &l, e);
	for (size_t i = 0; l && i < l->n_records; i++)
		*known |= l->records[i].has_function && l->records[i].function == FUNCTION_SAST &&
			  list_record_is_cert(&l->records[i], cert);
	list_free(l);
	return rc;
}

static int warn_remote(struct cluster *c, const struct itl_remote *from, struct notes *notes, struct err *e)
{
	AUTO(remote_clear) struct remote r = { 0 };
	bool known;
	int rc = remote_read(from, &r, e);

	if (!rc)
		rc = notes_add(notes, e, "The key is that of %s.", cert_subject(r.cert));
	if (!rc)
		rc = knows(c, r.cert, &known, e);
	if (rc || known)
		return rc ? rc : warn(c, r.cert, notes, e);
	return notes_add(notes, e,
			 "The ITL in force here does not know it. Phones whose ITL came from the node that had this key will take the new "
			 "one; phones that have loaded an ITL of this node since then are stranded, unless they ask TVS.");
}

int itl_reset_warnings(struct cluster *c, const struct itl_remote *remote, struct notes *notes, struct err *e)
{
	enum compose_generation g;
	int rc = check_place(c, LIST_ITL, e);

	if (!rc)
		rc = param_generation(c, &g, e);
	if (rc || (remote && !remote->passphrase))
		return rc;
	return remote ? warn_remote(c, remote, notes, e) : warn_own(c, compose_other_signer(g, LIST_ITL), notes, e);
}

/* --- the usual signer again --- */

int cluster_itl_normal(struct cluster *c, const char *who, bool *changed, struct err *e)
{
	struct change ch = { .who = who, .command = "utils service restart Cisco Tftp: end of the reset", .object = "ITLFile.tlv",
			     .itl = ITL_NORMAL };
	enum store_signer by;
	int rc = list_reset_state(c, LIST_ITL, &by, e);

	*changed = false;
	if (rc || by == STORE_SIGNER_NORMAL)
		return rc;
	return change_run(c, &ch, changed, e);
}

int itl_normal_warnings(struct cluster *c, struct notes *notes, struct err *e)
{
	enum compose_generation g;
	enum store_signer by;
	int rc = list_reset_state(c, LIST_ITL, &by, e);

	if (!rc)
		rc = param_generation(c, &g, e);
	if (rc || by == STORE_SIGNER_NORMAL)
		return rc;
	return warn_own(c, compose_signer_unit(g), notes, e);
}
