#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "cluster/mode.h"
#include "cluster/param.h"
#include "store/certificate.h"

void lists_clear(struct lists *l)
{
	free(l->ctl.data);
	free(l->itl.data);
	free(l->ctl_sha1.data);
	free(l->itl_sha1.data);
	*l = (struct lists){ 0 };
}

int list_file_copy(const struct list_file *from, struct list_file *to, struct err *e)
{
	*to = (struct list_file){ 0 };
	if (!from->data)
		return 0;
	to->data = malloc(from->len);
	if (!to->data)
		return err_set(e, ERR_NOMEM, "out of memory");
	memcpy(to->data, from->data, from->len);
	to->len = from->len;
	return 0;
}

/* --- from the store --- */

static int gather_nodes(struct cluster *c, struct gathered *g, struct err *e)
{
	AUTO(auto_free) struct store_node *list = NULL;
	size_t n;
	int rc = store_node_list(c->store, &list, &n, e);

	if (rc)
		return rc;
	if (n > STORE_MAX_NODES)
		return err_set(e, ERR_LIMIT, "%zu nodes; a cluster has at most %d", n, STORE_MAX_NODES);
	/* The publisher first, the others in the order in which they were added. */
	for (int role = STORE_NODE_PUBLISHER; role <= STORE_NODE_SUBSCRIBER; role++)
		for (size_t i = 0; i < n; i++)
			if (list[i].role == (enum store_node_role)role)
				g->rows[g->n_nodes++] = list[i];
	if (g->n_nodes == 0 || g->rows[0].role != STORE_NODE_PUBLISHER)
		return err_set(e, ERR_USAGE, "the store knows no publisher: run 'ringfence init'");
	return 0;
}

static int gather_node(struct cluster *c, struct gathered *g, size_t i, struct err *e)
{
	const struct store_node *row = &g->rows[i];
	struct compose_node *node = &g->nodes[i];
	struct cert *cm = NULL, *ec = NULL, *tvs = NULL;
	int rc = cluster_own_cert(c, row->name, "CallManager", &cm, e);

	node->call_manager = cm;
	if (!rc)
		rc = cluster_own_cert(c, row->name, "CallManager-ECDSA", &ec, e);
	node->call_manager_ec = ec;
	if (!rc)
		rc = cluster_own_cert(c, row->name, "TVS", &tvs, e);
	node->tvs = tvs;
	node->name = row->name;
	node->address = row->address[0] ? row->address : row->name;
	struct in_addr ip;
	if (row->address[0] && inet_pton(AF_INET, row->address, &ip) == 1)
		memcpy(node->ip, &ip, sizeof(node->ip));
	if (text_same(row->name, c->node))
		g->self = i;
	return rc;
}

static int gather_params(struct cluster *c, struct gathered *g, struct err *e)
{
	AUTO(auto_free) char *digest = NULL;
	AUTO(auto_free) char *advanced = NULL;
	AUTO(auto_free) char *names = NULL;
	int rc = param_generation(c, &g->in.generation, e);

	if (!rc)
		rc = param_get(c, PARAM_DIGEST, &digest, e);
	if (!rc)
		rc = param_get(c, PARAM_ADVANCED, &advanced, e);
	if (!rc)
		rc = param_get(c, PARAM_NAME_FORM, &names, e);
	if (!rc)
		rc = param_get_bool(c, PARAM_ROLLBACK, &g->in.blank, e);
	if (!rc)
		rc = cluster_is_mixed(c, &g->mixed, e);
	if (rc)
		return rc;
	g->in.digest = strcmp(digest, digest_name(DIGEST_SHA512)) == 0 ? DIGEST_SHA512 : DIGEST_SHA1;
	g->in.advanced = strcmp(advanced, "True") == 0;
	g->in.names = strcmp(names, "C") == 0 ? NAME_FORM_C : NAME_FORM_A;
	return 0;
}

int gather(struct cluster *c, struct gathered **out, struct err *e)
{
	struct gathered *g = calloc(1, sizeof(*g));
	int rc;

	if (!g)
		return err_set(e, ERR_NOMEM, "out of memory");
	g->self = SIZE_MAX;
	rc = gather_nodes(c, g, e);
	for (size_t i = 0; i < g->n_nodes && !rc; i++)
		rc = gather_node(c, g, i, e);
	if (!rc && g->self == SIZE_MAX)
		rc = err_set(e, ERR_USAGE, "the store does not know the node %s: is its name in ringfence.conf right?", c->node);
	if (!rc)
		rc = cluster_own_cert(c, g->rows[0].name, "CAPF", &g->capf, e);
	if (!rc)
		rc = cluster_own_cert(c, g->rows[0].name, "ITLRecovery", &g->itl_recovery, e);
	if (!rc)
		rc = gather_params(c, g, e);
	if (rc) {
		gathered_free(g);
		return rc;
	}
	g->in.nodes = g->nodes;
	g->in.n_nodes = g->n_nodes;
	g->in.self = g->self;
	g->in.capf = g->capf;
	g->in.itl_recovery = g->itl_recovery;
	g->in.foreign = g->foreign;
	*out = g;
	return 0;
}

void gathered_free(struct gathered *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->n_nodes; i++) {
		cert_unref((struct cert *)g->nodes[i].call_manager);
		cert_unref((struct cert *)g->nodes[i].call_manager_ec);
		cert_unref((struct cert *)g->nodes[i].tvs);
	}
	cert_unref(g->capf);
	cert_unref(g->itl_recovery);
	cert_unref(g->elsewhere);
	for (size_t i = 0; i < g->in.n_foreign; i++)
		cert_unref((struct cert *)g->foreign[i]);
	free(g);
}

/* --- signed --- */

static size_t count_certs(const struct composition *comp)
{
	size_t n = 0;

	for (size_t i = 0; i < comp->spec.n_records; i++)
		n += comp->records[i].cert != NULL;
	return n;
}

const char *lists_signer(const struct gathered *g, enum list_type type, const struct cert **cert)
{
	const struct compose_node *lead = &g->nodes[type == LIST_CTL ? 0 : g->self];
	const char *unit = g->by[type] == STORE_SIGNER_NORMAL ? compose_signer_unit(g->in.generation) :
								compose_other_signer(g->in.generation, type);

	if (g->by[type] == STORE_SIGNER_ELSEWHERE) {
		*cert = g->elsewhere;
		return "ITLRecovery";
	}
	*cert = strcmp(unit, "ITLRecovery") == 0 ? g->itl_recovery : lead->call_manager;
	return unit;
}

static int compose_list(struct gathered *g, enum list_type type, uint32_t timestamp, struct composition *comp, struct err *e)
{
	g->in.type = type;
	g->in.mixed = g->mixed;
	g->in.timestamp = timestamp;
	g->in.by_other = g->by[type] == STORE_SIGNER_OTHER;
	g->in.elsewhere = g->by[type] == STORE_SIGNER_ELSEWHERE ? g->elsewhere : NULL;
	int rc = compose(&g->in, comp, e);
	g->in.by_other = false;
	g->in.elsewhere = NULL;
	return rc;
}

static int sign_list(struct cluster *c, const struct gathered *g, const struct composition *comp, struct list_file *out,
		     struct err *e)
{
	bool elsewhere = g->by[comp->spec.type] == STORE_SIGNER_ELSEWHERE;
	struct keystore_signer key = elsewhere ? g->elsewhere_key : (struct keystore_signer){ .ks = c->keys };
	const struct cert *cert;
	const char *unit = lists_signer(g, comp->spec.type, &cert);
	int rc = elsewhere ? 0 : key_name(unit, cert_spki(comp->spec.signer), key.name, e);

	if (rc)
		return rc;
	struct list_signer signer = list_keystore_signer(&key);
	rc = list_build(&comp->spec, &signer, &out->data, &out->len, e);
	if (rc == ERR_AUTH && !elsewhere && c->token && !cluster_key_in_file(c, key.name))
		err_prefix(e, "the key of the %s certificate is neither on the token nor in keys/ (put in the token that has it, or a "
			   "copy of it)", unit);
	else if (rc == ERR_AUTH && !elsewhere)
		err_prefix(e, "the key of the %s certificate is not in keys/ (restore it from the recovery export)", unit);
	return rc;
}

bool list_file_timestamp(const struct list_file *f, uint32_t *t)
{
	struct tlv_header h;

	if (!f || !f->data || tlv_header_read((struct view){ f->data, f->len }, &h, NULL) || !h.has_timestamp)
		return false;
	*t = h.timestamp;
	return true;
}

int lists_build(struct cluster *c, struct gathered *g, enum list_type type, const struct list_file *like,
		struct notes *notes, struct list_file *out, struct err *e)
{
	AUTO(auto_free) struct composition *comp = calloc(1, sizeof(*comp));
	struct list_file made = { 0 };
	uint32_t then;

	if (!comp)
		return err_set(e, ERR_NOMEM, "out of memory");
	bool compare = list_file_timestamp(like, &then);
	int rc = compose_list(g, type, compare ? then : (uint32_t)clock_wall_s(c->clock), comp, e);
	if (!rc)
		rc = sign_list(c, g, comp, &made, e);
	if (!rc && compare && (made.len != like->len || memcmp(made.data, like->data, made.len) != 0)) {
		free(made.data);
		made = (struct list_file){ 0 };
		comp->spec.timestamp = (uint32_t)clock_wall_s(c->clock);
		rc = sign_list(c, g, comp, &made, e);
	}
	if (!rc)
		rc = compose_check_size(type, made.len, count_certs(comp), notes, e);
	if (rc) {
		free(made.data);
		return rc;
	}
	*out = made;
	return 0;
}

int lists_build_sha1(struct cluster *c, struct gathered *g, enum list_type type, const struct list_file *list,
		     struct list_file *out, struct err *e)
{
	AUTO(auto_free) struct composition *comp = NULL;
	enum digest digest = g->in.digest;
	uint32_t when;

	*out = (struct list_file){ 0 };
	if (digest == DIGEST_SHA1 || !list_file_timestamp(list, &when))
		return 0;
	comp = calloc(1, sizeof(*comp));
	if (!comp)
		return err_set(e, ERR_NOMEM, "out of memory");
	g->in.digest = DIGEST_SHA1;
	int rc = compose_list(g, type, when, comp, e);
	if (!rc)
		rc = sign_list(c, g, comp, out, e);
	g->in.digest = digest;
	return rc;
}

/* --- signed by a key that is not here --- */

/* What the list in force says its signature is, in place of one that nobody here can make. */
static int sign_again(void *ctx, enum digest d, const uint8_t *hash, uint8_t *sig, size_t *len, struct err *e)
{
	const struct view *signature = ctx;

	(void)d;
	(void)hash;
	if (signature->len > KEY_SIG_MAX)
		return err_set(e, ERR_LIMIT, "the signature is longer than %d octets", KEY_SIG_MAX);
	memcpy(sig, signature->p, signature->len);
	*len = signature->len;
	return 0;
}

static int take_signer(struct gathered *g, struct trust_list *l, struct err *e)
{
	int rc = list_verify_self(l, e);

	if (!rc && !g->elsewhere)
		rc = cert_from_der(l->records[l->signer].certificate, &g->elsewhere, e);
	return rc;
}

int lists_keep_elsewhere(struct gathered *g, const struct list_file *old, struct list_file *itl, bool *same, struct err *e)
{
	AUTO(auto_free) struct composition *comp = calloc(1, sizeof(*comp));
	struct trust_list *l = NULL;
	struct list_file made = { 0 };
	struct err why = ERR_INIT;

	if (!comp)
		return err_set(e, ERR_NOMEM, "out of memory");
	int rc = list_parse((struct view){ old->data, old->len }, LIST_ITL, &l, e);
	if (!rc)
		rc = take_signer(g, l, e);
	if (!rc)
		rc = compose_list(g, LIST_ITL, l->header.timestamp, comp, e);
	if (!rc) {
		const struct list_signer signer = { sign_again, &l->header.signature };
		/* That the signature does not hold is how another content shows. */
		int built = list_build(&comp->spec, &signer, &made.data, &made.len, &why);

		*same = !built && made.len == old->len && memcmp(made.data, old->data, made.len) == 0;
		rc = built == ERR_NOMEM ? err_set(e, built, "%s", why.text) : list_file_copy(old, itl, e);
	}
	free(made.data);
	list_free(l);
	return rc;
}
