#include "cluster/token_ctl.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cluster/cluster_internal.h"
#include "cluster/param.h"
#include "cluster/publish.h"
#include "cluster/strand.h"
#include "cluster/tvs.h"
#include "phone/decide.h"

/* --- tokens --- */

void token_ctl_tokens_clear(struct compose_tokens *t)
{
	for (size_t i = 0; i < t->n; i++)
		cert_unref((struct cert *)t->certs[i]);
	*t = (struct compose_tokens){ 0 };
}

static int take_token(struct compose_tokens *t, const struct tlv_record *rec, struct err *e)
{
	struct cert *cert;

	if (t->n == LIST_MAX_SAST_CTL)
		return err_set(e, ERR_LIMIT, "a CTL has at most %d tokens", LIST_MAX_SAST_CTL);
	int rc = cert_from_der(rec->certificate, &cert, e);
	if (!rc)
		t->certs[t->n++] = cert;
	return rc;
}

int token_ctl_tokens(const struct trust_list *ctl, struct compose_tokens *t, struct err *e)
{
	struct compose_tokens got = { 0 };
	bool servers = false;
	int rc = 0;

	for (size_t i = 0; i < ctl->n_records && !rc; i++) {
		if (!list_record_is_token(&ctl->records[i])) {
			servers = true;
			continue;
		}
		rc = take_token(&got, &ctl->records[i], e);
		if (!servers)
			got.n_first = got.n;
	}
	if (rc) {
		token_ctl_tokens_clear(&got);
		return rc;
	}
	*t = got;
	return 0;
}

int token_ctl_check_signer(const struct trust_list *ctl, const struct compose_tokens *t, struct err *e)
{
	bool known = !ctl;

	for (size_t i = 0; ctl && i < ctl->n_records; i++)
		known |= ctl->records[i].has_function && ctl->records[i].function == FUNCTION_SAST &&
			 list_record_is_cert(&ctl->records[i], t->certs[t->signer]);
	if (!known)
		return err_set(e, ERR_AUTH, "%s", TOKEN_CTL_NOT_IN_CTL);
	if (t->n < TOKEN_CTL_MIN)
		return err_set(e, ERR_USAGE, "a CTL needs %d security tokens, so that one may be lost: add another token",
			       TOKEN_CTL_MIN);
	return 0;
}

/* --- what is offered --- */

struct offer {
	const struct token_ctl *t;
	struct trust_list *ctl;        /* the offered one */
	struct trust_list *old;        /* in force; NULL: none */
	struct compose_tokens tokens;
	bool mixed;
};

static void offer_clear(struct offer *o)
{
	list_free(o->ctl);
	list_free(o->old);
	token_ctl_tokens_clear(&o->tokens);
}

static int check_signature(struct offer *o, struct err *e)
{
	int rc = list_parse(o->t->ctl, LIST_CTL, &o->ctl, e);

	if (!rc)
		rc = list_verify_self(o->ctl, e);
	if (!rc)
		rc = token_ctl_tokens(o->ctl, &o->tokens, e);
	if (rc)
		return rc;
	for (size_t i = 0; i < o->tokens.n; i++) {
		if (list_record_is_cert(&o->ctl->records[o->ctl->signer], o->tokens.certs[i])) {
			o->tokens.signer = i;
			return 0;
		}
	}
	return err_set(e, ERR_AUTH, "the CTL is not signed by a security token");
}

int token_ctl_time(struct cluster *c, uint32_t *timestamp, struct err *e)
{
	uint32_t now = (uint32_t)clock_wall_s(c->clock), last;
	int rc = store_generation_last_ctl(c->store, &last, e);

	if (!rc)
		*timestamp = last < now ? now : last < UINT32_MAX ? last + 1 : last;
	return rc;
}

/* Whoever has no token must not bring back a CTL that is public, and with it tokens that were removed. */
static int check_time(struct cluster *c, const struct offer *o, struct err *e)
{
	uint32_t made = o->ctl->header.timestamp, last, next;
	int rc = store_generation_last_ctl(c->store, &last, e);

	if (!rc)
		rc = token_ctl_time(c, &next, e);
	if (rc)
		return rc;
	if (made <= last)
		return err_set(e, ERR_USAGE,
			       "this CTL was made before the last one that this cluster had, or is that one: no CTL is taken a second "
			       "time. Begin again, and let the token sign a new one");
	if (made > next && made - next > TOKEN_CTL_FUTURE_S)
		return err_set(e, ERR_USAGE,
			       "this CTL says that it was made %lu seconds after the time of the node: begin again, with the time that "
			       "the node gives", (unsigned long)(made - next));
	return 0;
}

/* A phone that asks TVS gets no answer about a signer that has expired. */
static int check_tvs(struct cluster *c, const struct offer *o, struct err *e)
{
	const struct cert *signer = o->tokens.certs[o->tokens.signer];
	bool answers;
	int rc = tvs_answers(c, signer, &answers, e);

	if (rc || answers)
		return rc;
	return err_set(e, ERR_AUTH,
		       "phones would refuse this CTL: they do not know the token that signs, %s, and its certificate has expired, so that "
		       "TVS does not answer for it. Sign with a token that has not, or set the parameter '" PARAM_TVS_EXPIRED
		       "' to True first", cert_cn(signer));
}

/*
 * Would a phone take it that holds what is in force, and lacks nothing that any model has? What it must ask TVS about is
 * not refused here, if TVS will answer: that is for the warnings.
 */
static int check_phone(struct cluster *c, struct offer *o, struct err *e)
{
	static const struct traits capable = { .family = "any", .asks_tvs = TRAIT_YES, .sha512 = TRAIT_YES, .ec = TRAIT_YES,
					       .list_limit = LIST_PHONE_LIMIT, .max_sast = LIST_MAX_SAST_CTL };
	AUTO(auto_free) uint8_t *itl = NULL;
	struct phone phone;
	struct decision d;
	size_t len;
	int rc = publish_read(c, LIST_ITL, &itl, &len, NULL, e);

	phone_init(&phone, "any", "any", &capable);
	phone.ctl = o->old;
	if (!rc && itl)
		rc = list_parse((struct view){ itl, len }, LIST_ITL, &phone.itl, e);
	if (!rc) {
		phone_decide_list(&phone, LIST_CTL, o->t->ctl, &d);
		/* That it has no TVS server in its configuration is no fault of the list. */
		if (d.verdict == VERDICT_REFUSE && d.reason != REASON_NO_TVS_SERVER && d.reason != REASON_NO_TVS_RECORD)
			rc = err_set(e, ERR_AUTH, "phones would refuse this CTL: %s%s%s", reason_text(d.reason),
				     d.detail[0] ? ": " : "", d.detail);
		else if (d.verdict != VERDICT_ACCEPT)
			rc = check_tvs(c, o, e);
	}
	phone.ctl = NULL;
	phone_clear(&phone);
	return rc;
}

static int check_unchanged(struct cluster *c, const struct token_ctl *t, struct err *e)
{
	uint64_t now;
	int rc = publish_generation(c, &now, e);

	if (!rc && now != t->generation)
		rc = err_set(e, ERR_AGAIN,
			     "the lists of this cluster were published anew while this CTL was being made, by another client or a "
			     "command: nothing was changed; begin again");
	return rc;
}

static int check_mode(struct cluster *c, struct offer *o, struct err *e)
{
	int rc = cluster_is_mixed(c, &o->mixed, e);

	if (!rc && o->t->change == MODE_UPDATE && !o->mixed)
		rc = err_set(e, ERR_USAGE, "the cluster is not in mixed mode: set the cluster to mixed mode instead of updating the CTL");
	if (o->t->change != MODE_UPDATE)
		o->mixed = o->t->change == MODE_MIXED;
	return rc;
}

static int check(struct cluster *c, struct offer *o, struct err *e)
{
	int rc = check_unchanged(c, o->t, e);

	if (!rc)
		rc = check_mode(c, o, e);
	if (!rc)
		rc = check_signature(o, e);
	if (!rc)
		rc = check_time(c, o, e);
	if (!rc)
		rc = ctl_in_force(c, &o->old, e);
	if (!rc)
		rc = token_ctl_check_signer(o->old, &o->tokens, e);
	return rc ? rc : check_phone(c, o, e);
}

/* --- made again --- */

/* The signature that the token has made is put into what the cluster composes itself. */
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

static int make_again(const struct composition *comp, struct view signature, struct list_file *out, struct err *e)
{
	const struct list_signer signer = { sign_again, &signature };

	return list_build(&comp->spec, &signer, &out->data, &out->len, e);
}

static int make_twin(struct gathered *g, const struct offer *o, struct composition *comp, struct lists *l, struct err *e)
{
	if (g->in.digest == DIGEST_SHA1)
		return 0;
	if (!o->t->sha1_signature.p)
		return err_set(e, ERR_USAGE, "lists are signed with %s here: the signature of the CTL's twin with SHA-1 is missing",
			       digest_name(g->in.digest));
	comp->spec.digest = DIGEST_SHA1;
	int rc = make_again(comp, o->t->sha1_signature, &l->ctl_sha1, e);
	if (rc)
		err_prefix(e, "the CTL with SHA-1");
	return rc;
}

static int compose_offer(struct gathered *g, const struct offer *o, struct composition *comp, struct err *e)
{
	g->in.type = LIST_CTL;
	g->in.mixed = g->mixed;
	g->in.timestamp = o->ctl->header.timestamp;
	g->in.tokens = &o->tokens;
	int rc = compose(&g->in, comp, e);
	g->in.tokens = NULL;
	return rc;
}

/* In the transaction: what the store says now is what counts. */
static int give(struct cluster *c, struct gathered *g, void *ctx, struct lists *l, struct err *e)
{
	AUTO(auto_free) struct composition *comp = calloc(1, sizeof(*comp));
	const struct offer *o = ctx;
	struct err why = ERR_INIT;

	(void)c;
	if (!comp)
		return err_set(e, ERR_NOMEM, "out of memory");
	int rc = compose_offer(g, o, comp, e);
	if (rc)
		return rc;
	rc = make_again(comp, o->ctl->header.signature, &l->ctl, &why);
	if (rc == ERR_NOMEM)
		return err_set(e, rc, "%s", why.text);
	if (rc || !view_eq((struct view){ l->ctl.data, l->ctl.len }, o->t->ctl))
		return err_set(e, ERR_USAGE,
			       "the CTL does not hold what this cluster's nodes, certificates and parameters make with these tokens: "
			       "begin again with what they are now");
	return make_twin(g, o, comp, l, e);
}

static int apply(struct cluster *c, void *ctx, struct err *e)
{
	const struct offer *o = ctx;

	return mode_store(c, o->mixed, e);
}

/* What TVS does not answer for helps only those that have it in their CTL already. */
static int warn_expired(struct cluster *c, const struct offer *o, struct notes *notes, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < o->tokens.n && !rc; i++) {
		bool answers;
		rc = tvs_answers(c, o->tokens.certs[i], &answers, e);
		if (!rc && !answers)
			rc = notes_add(notes, e,
				       "The certificate of the security token %s has expired: phones that do not have it in their CTL yet "
				       "will not take what it signs, because TVS does not answer for it. Put another token in its place.",
				       cert_cn(o->tokens.certs[i]));
	}
	return rc;
}

static int publish(struct cluster *c, const char *who, struct offer *o, struct notes *notes, struct err *e)
{
	static const char *const commands[] = {
		[MODE_MIXED] = "ctl-client: Set Cluster to Mixed Mode",
		[MODE_NON_SECURE] = "ctl-client: Set Cluster to Non-Secure Mode",
		[MODE_UPDATE] = "ctl-client: Update CTL File",
	};
	struct change ch = { .who = who, .command = commands[o->t->change], .object = "CTLFile.tlv", .ctl = CTL_GIVEN,
			     .notes = notes, .apply = apply, .give = give, .ctx = o };
	bool before;
	int rc = cluster_is_mixed(c, &before, e);

	if (rc)
		return rc;
	ch.before = mode_names[before];
	ch.after = mode_names[o->mixed];
	rc = change_run(c, &ch, NULL, e);
	return rc ? rc : ctl_others_note(c, notes, e);
}

static int warn(struct cluster *c, const struct offer *o, struct notes *notes, struct err *e)
{
	size_t n_sast = 0;
	int rc = mode_warnings(c, o->t->change, notes, e);

	for (size_t i = 0; i < o->ctl->n_records; i++)
		n_sast += o->ctl->records[i].has_function && o->ctl->records[i].function == FUNCTION_SAST;
	if (!rc)
		rc = mode_signer_warnings(c, o->tokens.certs[o->tokens.signer], notes, e);
	if (!rc)
		rc = warn_expired(c, o, notes, e);
	return rc ? rc : strand_sast_warnings(c, n_sast, notes, e);
}

int cluster_token_ctl(struct cluster *c, const char *who, const struct token_ctl *t, struct notes *notes, bool *stored,
		      struct err *e)
{
	AUTO(offer_clear) struct offer o = { .t = t };
	size_t before = notes->n;
	int rc = check(c, &o, e);

	if (!rc && !t->accepted)
		rc = warn(c, &o, notes, e);
	if (rc)
		return rc;
	if (notes->n > before) {
		*stored = false;
		return 0;
	}
	rc = publish(c, who, &o, notes, e);
	if (!rc)
		*stored = true;
	return rc;
}
