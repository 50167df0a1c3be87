#include "cluster/compose.h"

#include <string.h>

/* A piece of a list: one record, or one for each node. */
enum part {
	PART_END,
	PART_SAST_CALLMANAGER, /* CTL: the publisher's; ITL: that of the TFTP server whose list it is */
	PART_SAST_ITLRECOVERY,
	PART_CCM_TFTP_LEAD,    /* the same certificate as PART_SAST_CALLMANAGER */
	PART_CCM_TFTP_NEXT,    /* of the first further node */
	PART_CCM_TFTP_REST,    /* of each further node that has no record yet */
	PART_CAPF,
	PART_TVS,              /* of each node */
	PART_TFTP_EC,          /* CallManager-ECDSA: the HTTPS server on 6971 */
};

#define PARTS_MAX 8

enum signer { SIGNER_CALLMANAGER, SIGNER_ITLRECOVERY };

/*
 * The table. Sources: behaviour.md 3.1 and 3.2 (records and signers by release; the order of 10.0 is that of the seeds,
 * the order of 10.5(2) and 11.5 that of the one published file with ITLRecovery); formats-and-protocols.md 2.3 (hashes for
 * TVS and CAPF in the seeds' ITL). That 11.5 and later carry whole certificates is arithmetic: "more than 39 certificates
 * give a file over 64 KB" (behaviour.md 3.1) holds for full records of 1675 octets and for no hash-only record.
 * The place of ITLRecovery in an ITL of 10.0 to 11.5 is not documented; it stands where their CTL has it, behind CAPF.
 */
static const struct generation {
	const char *name;
	enum signer signer;
	bool tokenless_ctl;
	bool own_sast;               /* in a CTL of tokens: ITLRecovery and CallManager are SAST too (behaviour.md 3.2) */
	enum record_style itl_style; /* of TVS and CAPF in the ITL */
	enum part ctl[PARTS_MAX];
	enum part itl[PARTS_MAX];
} generations[COMPOSE_GENERATIONS] = {
	[COMPOSE_8_0] = {
		"8.0", SIGNER_CALLMANAGER, false, false, RECORD_HASH_ONLY,
		{ PART_SAST_CALLMANAGER, PART_CCM_TFTP_LEAD, PART_CAPF, PART_CCM_TFTP_REST },
		{ PART_SAST_CALLMANAGER, PART_CCM_TFTP_LEAD, PART_TVS, PART_CAPF },
	},
	[COMPOSE_10_0] = {
		"10.0", SIGNER_CALLMANAGER, true, false, RECORD_HASH_ONLY,
		{ PART_SAST_CALLMANAGER, PART_CCM_TFTP_LEAD, PART_CAPF, PART_CCM_TFTP_REST },
		{ PART_SAST_CALLMANAGER, PART_CCM_TFTP_LEAD, PART_TVS, PART_CAPF, PART_SAST_ITLRECOVERY },
	},
	[COMPOSE_10_5_2] = {
		"10.5(2)", SIGNER_CALLMANAGER, true, false, RECORD_HASH_ONLY,
		{ PART_SAST_CALLMANAGER, PART_CCM_TFTP_LEAD, PART_CCM_TFTP_NEXT, PART_CAPF, PART_SAST_ITLRECOVERY,
		  PART_CCM_TFTP_REST },
		{ PART_SAST_CALLMANAGER, PART_CCM_TFTP_LEAD, PART_TVS, PART_CAPF, PART_SAST_ITLRECOVERY },
	},
	[COMPOSE_11_5] = {
		"11.5", SIGNER_CALLMANAGER, true, true, RECORD_FULL,
		{ PART_SAST_CALLMANAGER, PART_CCM_TFTP_LEAD, PART_CCM_TFTP_NEXT, PART_CAPF, PART_SAST_ITLRECOVERY,
		  PART_CCM_TFTP_REST },
		{ PART_SAST_CALLMANAGER, PART_CCM_TFTP_LEAD, PART_TFTP_EC, PART_TVS, PART_CAPF, PART_SAST_ITLRECOVERY },
	},
	[COMPOSE_12_0] = {
		"12.0", SIGNER_ITLRECOVERY, true, true, RECORD_FULL,
		{ PART_SAST_ITLRECOVERY, PART_SAST_CALLMANAGER, PART_CCM_TFTP_LEAD, PART_CAPF, PART_CCM_TFTP_REST },
		{ PART_SAST_ITLRECOVERY, PART_SAST_CALLMANAGER, PART_CCM_TFTP_LEAD, PART_TFTP_EC, PART_TVS, PART_CAPF },
	},
};

static const uint8_t signer_version_1_1[2] = { 1, 1 };

const char *compose_generation_name(enum compose_generation g)
{
	return generations[g].name;
}

enum record_style compose_itl_style(enum compose_generation g)
{
	return generations[g].itl_style;
}

bool compose_generation_find(const char *name, enum compose_generation *g)
{
	for (int i = 0; i < COMPOSE_GENERATIONS; i++) {
		if (strcmp(generations[i].name, name) == 0) {
			*g = (enum compose_generation)i;
			return true;
		}
	}
	return false;
}

bool compose_has_tokenless_ctl(enum compose_generation g)
{
	return generations[g].tokenless_ctl;
}

size_t compose_max_tokens(enum compose_generation g)
{
	return generations[g].own_sast ? LIST_MAX_SAST_CTL - 2 : LIST_MAX_SAST_CTL;
}

const char *compose_signer_unit(enum compose_generation g)
{
	return generations[g].signer == SIGNER_ITLRECOVERY ? "ITLRecovery" : "CallManager";
}

static const enum part *parts_of(enum compose_generation g, enum list_type type)
{
	return type == LIST_CTL ? generations[g].ctl : generations[g].itl;
}

const char *compose_other_signer(enum compose_generation g, enum list_type type)
{
	bool recovery = generations[g].signer == SIGNER_CALLMANAGER;
	enum part other = recovery ? PART_SAST_ITLRECOVERY : PART_SAST_CALLMANAGER;

	for (const enum part *p = parts_of(g, type); *p != PART_END; p++)
		if (*p == other)
			return recovery ? "ITLRecovery" : "CallManager";
	return NULL;
}

size_t compose_own_sast(enum compose_generation g)
{
	return compose_other_signer(g, LIST_CTL) ? 2 : 1;
}

static const char *part_unit(enum part p)
{
	switch (p) {
	case PART_SAST_CALLMANAGER:
	case PART_CCM_TFTP_LEAD:
	case PART_CCM_TFTP_NEXT:
	case PART_CCM_TFTP_REST:
		return "CallManager";
	case PART_SAST_ITLRECOVERY:
		return "ITLRecovery";
	case PART_CAPF:
		return "CAPF";
	case PART_TVS:
		return "TVS";
	case PART_TFTP_EC:
		return "CallManager-ECDSA";
	case PART_END:
		break;
	}
	return "";
}

bool compose_names_unit(enum compose_generation g, enum list_type type, const char *unit)
{
	for (const enum part *p = parts_of(g, type); *p != PART_END; p++)
		if (strcmp(part_unit(*p), unit) == 0)
			return true;
	return false;
}

/* What is being composed. */
struct work {
	const struct compose_input *in;
	const struct compose_node *lead; /* CTL: the publisher; ITL: whose list it is */
	struct composition *out;
};

/* The list builder refuses records that say the same twice: nodes may share a multi-server certificate. */
static bool is_listed(const struct work *w, enum function f, const struct cert *cert)
{
	for (size_t i = 0; i < w->out->spec.n_records; i++) {
		const struct record_spec *r = &w->out->records[i];

		if (r->function == f && r->cert && cert_same(r->cert, cert))
			return true;
	}
	return false;
}

static bool is_listed_node(const struct work *w, const char *dns_name)
{
	for (size_t i = 0; i < w->out->spec.n_records; i++) {
		const struct record_spec *r = &w->out->records[i];

		if (r->function == FUNCTION_CCM_TFTP && r->dns_name == dns_name)
			return true;
	}
	return false;
}

static int add(struct work *w, enum record_style style, enum function f, const struct cert *cert,
	       const struct compose_node *node, struct err *e)
{
	struct record_spec *r;

	if (cert && is_listed(w, f, cert))
		return 0;
	if (w->out->spec.n_records == LIST_MAX_RECORDS)
		return err_set(e, ERR_LIMIT, "the %s would have more than %d records", list_type_name(w->in->type),
			       LIST_MAX_RECORDS);
	r = &w->out->records[w->out->spec.n_records++];
	*r = (struct record_spec){ .style = style, .function = (uint16_t)f, .cert = cert, .hash = DIGEST_SHA1 };
	if (w->in->type == LIST_CTL) {
		r->no_signature = w->in->tokens != NULL;
		r->dns_name = style == RECORD_EMPTY || w->in->tokens ? node->address : node->name;
		r->has_ip = true;
		memcpy(r->ip, node->ip, sizeof(r->ip));
	}
	return 0;
}

/* One record of a certificate that the list cannot do without. */
static int add_needed(struct work *w, enum function f, const char *unit, const struct cert *cert, struct err *e)
{
	if (!cert)
		return err_set(e, ERR_USAGE,
			       "the %s of generation %s needs the %s certificate of %s, and there is none: make it with 'set "
			       "cert regen %s'", list_type_name(w->in->type), compose_generation_name(w->in->generation), unit,
			       w->lead->name, unit);
	return add(w, RECORD_FULL, f, cert, w->lead, e);
}

/*
 * A node's CCM+TFTP record. Without mixed mode it loses its certificate, which tells phones to register without TLS
 * (formats-and-protocols.md 2.3), and is named by its address (seed 004).
 */
static int add_ccm_tftp(struct work *w, const struct compose_node *node, struct err *e)
{
	bool empty = w->in->type == LIST_CTL && !w->in->mixed;

	if (!node->call_manager || is_listed_node(w, empty || w->in->tokens ? node->address : node->name))
		return 0;
	return add(w, empty ? RECORD_EMPTY : RECORD_FULL, FUNCTION_CCM_TFTP, empty ? NULL : node->call_manager, node, e);
}

static int add_further(struct work *w, bool only_next, struct err *e)
{
	for (size_t i = 0; i < w->in->n_nodes; i++) {
		if (&w->in->nodes[i] == w->lead || !w->in->nodes[i].call_manager)
			continue;
		int rc = add_ccm_tftp(w, &w->in->nodes[i], e);

		if (rc || only_next)
			return rc;
	}
	return 0;
}

static int add_tvs(struct work *w, enum record_style style, struct err *e)
{
	for (size_t i = 0; i < w->in->n_nodes; i++) {
		const struct cert *tvs = w->in->nodes[i].tvs;
		int rc = tvs ? add(w, style, FUNCTION_TVS, tvs, &w->in->nodes[i], e) : 0;

		if (rc)
			return rc;
	}
	return 0;
}

/*
 * The ITL of the rollback parameter says that there are sections for TFTP servers and for TVS, and nothing of whose they
 * are. What stays: who may sign the next list, without which phones would not take this one; and CAPF, the only entry that
 * phones show then (behaviour.md 8.3).
 */
static bool is_blanked(const struct work *w, enum part part, enum function *f)
{
	if (w->in->type != LIST_ITL || !w->in->blank)
		return false;
	switch (part) {
	case PART_CCM_TFTP_LEAD:
	case PART_CCM_TFTP_NEXT:
	case PART_CCM_TFTP_REST:
		*f = FUNCTION_CCM_TFTP;
		return true;
	case PART_TFTP_EC:
		*f = FUNCTION_TFTP;
		return true;
	case PART_TVS:
		*f = FUNCTION_TVS;
		return true;
	default:
		return false;
	}
}

static const struct cert *signer_cert(const struct work *w, bool other)
{
	bool recovery = (generations[w->in->generation].signer == SIGNER_ITLRECOVERY) != other;

	return recovery ? w->in->itl_recovery : w->lead->call_manager;
}

/* Phones are known to keep two SAST: a signer from elsewhere takes the place of the one that is not the usual signer. */
static int add_sast(struct work *w, const char *unit, struct err *e)
{
	bool other = strcmp(unit, compose_signer_unit(w->in->generation)) != 0;
	const struct cert *normal = signer_cert(w, false), *elsewhere = w->in->elsewhere;

	if (!other || !elsewhere || (normal && cert_same(elsewhere, normal)))
		return add_needed(w, FUNCTION_SAST, unit, signer_cert(w, other), e);
	return add(w, RECORD_FULL, FUNCTION_SAST, elsewhere, w->lead, e);
}

static int add_part(struct work *w, enum part part, struct err *e)
{
	enum function blank;

	if (is_blanked(w, part, &blank))
		return add(w, RECORD_EMPTY, blank, NULL, w->lead, e);
	enum record_style style = w->in->type == LIST_ITL ? generations[w->in->generation].itl_style : RECORD_FULL;

	switch (part) {
	case PART_SAST_CALLMANAGER:
	case PART_SAST_ITLRECOVERY:
		return add_sast(w, part_unit(part), e);
	case PART_CCM_TFTP_LEAD:
		return add_ccm_tftp(w, w->lead, e);
	case PART_CCM_TFTP_NEXT:
	case PART_CCM_TFTP_REST:
		return add_further(w, part == PART_CCM_TFTP_NEXT, e);
	case PART_CAPF:
		return w->in->capf ? add(w, style, FUNCTION_CAPF, w->in->capf, w->lead, e) : 0;
	case PART_TVS:
		return add_tvs(w, style, e);
	case PART_TFTP_EC:
		return w->lead->call_manager_ec ?
			add(w, RECORD_FULL, FUNCTION_TFTP, w->lead->call_manager_ec, w->lead, e) : 0;
	case PART_END:
		break;
	}
	return 0;
}

/* --- signers of other clusters --- */

/*
 * Behind all records of the cluster, so that a phone that keeps the first two SAST of a list keeps the cluster's own. Whose
 * it is says its common name; what has no address has zeros (formats-and-protocols.md 2.3).
 */
static int add_foreign(struct work *w, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < w->in->n_foreign && !rc; i++) {
		struct compose_node server = { .name = cert_cn(w->in->foreign[i]) };

		rc = add(w, RECORD_FULL, FUNCTION_SAST, w->in->foreign[i], &server, e);
	}
	return rc;
}

/* --- a CTL of hardware tokens --- */

static int add_token(struct work *w, const struct cert *cert, struct err *e)
{
	static const struct compose_node nowhere = { .name = "", .address = "" };

	if (is_listed(w, FUNCTION_SAST, cert))
		return err_set(e, ERR_USAGE, "the token %s is there twice", cert_cn(cert));
	return add(w, RECORD_TOKEN, FUNCTION_SAST, cert, &nowhere, e);
}

/*
 * The servers of a CTL of tokens: as seed 000 and 004 have them, with the order of records that the tokenless CTL of the
 * generation has; from 11.5 the two own SAST behind the first tokens, in the order of behaviour.md 3.2.
 */
static int add_token_servers(struct work *w, const struct generation *g, struct err *e)
{
	int rc = 0;

	if (g->own_sast)
		rc = add_part(w, PART_SAST_ITLRECOVERY, e);
	if (!rc && g->own_sast)
		rc = add_part(w, PART_SAST_CALLMANAGER, e);
	for (const enum part *p = g->ctl; *p != PART_END && !rc; p++)
		if (*p != PART_SAST_ITLRECOVERY && *p != PART_SAST_CALLMANAGER)
			rc = add_part(w, *p, e);
	return rc;
}

static int compose_with_tokens(struct work *w, const struct generation *g, struct err *e)
{
	const struct compose_tokens *t = w->in->tokens;
	int rc = 0;

	for (size_t i = 0; i < t->n_first && !rc; i++)
		rc = add_token(w, t->certs[i], e);
	if (!rc)
		rc = add_token_servers(w, g, e);
	for (size_t i = t->n_first; i < t->n && !rc; i++)
		rc = add_token(w, t->certs[i], e);
	w->out->spec.signer = t->certs[t->signer];
	w->out->spec.signer_token = true;
	return rc;
}

int compose(const struct compose_input *in, struct composition *out, struct err *e)
{
	const struct generation *g = &generations[in->generation];
	struct work w = { .in = in, .lead = &in->nodes[in->type == LIST_CTL ? 0 : in->self], .out = out };

	if (in->type == LIST_CTL && in->mixed && !in->tokens && !g->tokenless_ctl)
		return err_set(e, ERR_USAGE,
			       "trust list generation %s knows a CTL only with hardware tokens: set TrustListGeneration to 10.0 "
			       "or later", g->name);
	out->spec = (struct list_spec){
		.type = in->type,
		.names = in->names,
		.digest = in->digest,
		.signer_version = in->advanced ? signer_version_1_1 : NULL,
		.signer = in->elsewhere ? in->elsewhere : signer_cert(&w, in->by_other),
		.timestamp = in->timestamp,
		.records = out->records,
	};
	if (in->type == LIST_CTL && in->tokens)
		return compose_with_tokens(&w, g, e);
	for (const enum part *p = parts_of(in->generation, in->type); *p != PART_END; p++) {
		int rc = add_part(&w, *p, e);

		if (rc)
			return rc;
	}
	return in->type == LIST_CTL ? add_foreign(&w, e) : 0;
}

int compose_check_size(enum list_type type, size_t len, size_t n_certs, struct notes *notes, struct err *e)
{
	const char *name = list_type_name(type);

	if (len > LIST_PHONE_LIMIT)
		return err_set(e, ERR_LIMIT,
			       "the %s would be %zu octets with its %zu certificates; phones load at most %d: use fewer "
			       "certificates or smaller keys", name, len, n_certs, LIST_PHONE_LIMIT);
	if (len > COMPOSE_WARN_OCTETS)
		return notes_add(notes, e,
				 "The %s file is %zu octets with its %zu certificates. Phones load at most %d octets, and old "
				 "models are slow with large files.", name, len, n_certs, LIST_PHONE_LIMIT);
	return 0;
}
