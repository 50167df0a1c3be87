#include "cmd/ctl_client/plan.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "cmd/ctl_client/terminal.h"

int plan_check_change(const struct ctl_server_view *view, enum ctlp_change change, struct err *e)
{
	if (change == CTLP_CHANGE_UPDATE && !view->state->in.mixed)
		return err_set(e, ERR_USAGE, "the cluster is not in mixed mode: set the cluster to mixed mode instead of updating the CTL");
	return 0;
}

int plan_start_take(struct plan *p, struct ctl_server_view *view, enum ctlp_change change, struct err *e)
{
	*p = (struct plan){.view = *view, .change = change};
	*view = (struct ctl_server_view){0};
	if (!p->view.ctl)
		return 0;
	int rc = token_ctl_tokens(p->view.ctl, &p->tokens, e);
	p->tokens.n_first = p->tokens.n; /* what is in the CTL comes before the servers (cluster/compose.h) */
	return rc;
}

void plan_clear(struct plan *p)
{
	for (size_t i = 0; i < p->tokens.n; i++)
		free(p->place[i]);
	token_ctl_tokens_clear(&p->tokens);
	ctl_server_view_clear(&p->view);
	free(p->ctl);
	free(p->twin);
	*p = (struct plan){0};
}

bool plan_knows(const struct plan *p, const struct cert *token)
{
	for (size_t i = 0; p->view.ctl && i < p->view.ctl->n_records; i++) {
		const struct tlv_record *rec = &p->view.ctl->records[i];

		if (rec->has_function && rec->function == FUNCTION_SAST && list_record_is_cert(rec, token))
			return true;
	}
	return false;
}

static bool find(const struct plan *p, const struct cert *token, size_t *at)
{
	for (size_t i = 0; i < p->tokens.n; i++) {
		if (cert_same(p->tokens.certs[i], token)) {
			*at = i;
			return true;
		}
	}
	return false;
}

bool plan_has(const struct plan *p, const struct cert *token)
{
	size_t at;

	return find(p, token, &at);
}

/* --- tokens --- */

/* SAST records of the cluster itself. */
static size_t own_sast(const struct plan *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->comp.spec.n_records; i++)
		n += p->comp.records[i].function == FUNCTION_SAST && p->comp.records[i].style != RECORD_TOKEN;
	return n;
}

/* more: tokens that are to be added. */
static int check_room(const struct plan *p, size_t more, struct err *e)
{
	size_t own = own_sast(p), max = PLAN_TOKENS_MAX - own;
	char beside[80] = "";

	if (p->tokens.n + more <= max)
		return 0;
	if (own)
		snprintf(beside, sizeof(beside), " beside the %zu certificates of this cluster that may sign too", own);
	return err_set(e, ERR_LIMIT, "a CTL has at most %zu security tokens%s: name no more (--token), and take out one that the CTL has "
		       "(--remove-token CN; Delete Token in the wizard)", max, beside);
}

int plan_has_room(struct plan *p, struct err *e)
{
	int rc = plan_compose(p, e);

	return rc ? rc : check_room(p, 1, e);
}

static int note_place(struct plan *p, size_t at, const struct ctl_token *t, struct err *e)
{
	free(p->place[at]);
	p->place[at] = strdup(t->uri);
	return p->place[at] ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

/* Of a new CTL one token stands before the servers (cluster/compose.h). */
static void order_new(struct plan *p)
{
	if (!p->view.ctl)
		p->tokens.n_first = p->tokens.n ? 1 : 0;
}

int plan_add(struct plan *p, const struct ctl_token *t, struct err *e)
{
	struct compose_tokens *list = &p->tokens;
	size_t at;

	if (find(p, t->cert, &at))
		return note_place(p, at, t, e);
	int rc = plan_has_room(p, e);
	if (rc)
		return rc;
	list->certs[list->n++] = cert_ref(t->cert);
	order_new(p);
	return note_place(p, list->n - 1, t, e);
}

void plan_remove(struct plan *p, size_t at)
{
	struct compose_tokens *list = &p->tokens;

	cert_unref((struct cert *)list->certs[at]);
	free(p->place[at]);
	list->n--;
	for (size_t i = at; i < list->n; i++) {
		list->certs[i] = list->certs[i + 1];
		p->place[i] = p->place[i + 1];
	}
	list->certs[list->n] = NULL;
	p->place[list->n] = NULL;
	list->signer = 0; /* plan_signer says which one it is */
	if (at < list->n_first)
		list->n_first--;
	order_new(p);
}

static size_t without_blanks(const char *s)
{
	size_t n = strlen(s);

	while (n && s[n - 1] == ' ')
		n--;
	return n;
}

bool plan_same_cn(const char *a, const char *b)
{
	size_t n = without_blanks(a);

	return n == without_blanks(b) && strncasecmp(a, b, n) == 0;
}

bool plan_find_token(const struct plan *p, const char *cn, size_t *at)
{
	for (size_t i = 0; i < p->tokens.n; i++) {
		if (plan_same_cn(cert_cn(p->tokens.certs[i]), cn)) {
			*at = i;
			return true;
		}
	}
	return false;
}

/* One that may be lost is a thing, not a certificate. What was not seen counts as a token of its own. */
static int check_apart(const struct plan *p, const struct ctl_token *signer, struct err *e)
{
	struct shown label;
	size_t apart = 0;

	for (size_t i = 0; i < p->tokens.n; i++) {
		bool again = false;

		for (size_t j = 0; j < i && p->place[i]; j++)
			again |= p->place[j] && strcmp(p->place[i], p->place[j]) == 0;
		apart += !again;
	}
	if (apart >= TOKEN_CTL_MIN)
		return 0;
	return err_set(e, ERR_USAGE, "a CTL needs %d security tokens, so that one may be lost, and these %zu certificates are on one, %s: "
		       "add another token", TOKEN_CTL_MIN, p->tokens.n, shown(&label, signer->label));
}

int plan_signer(struct plan *p, const struct ctl_token *t, struct err *e)
{
	struct shown label;

	if (!find(p, t->cert, &p->tokens.signer))
		return err_set(e, ERR_USAGE, "the token that signs, %s, cannot be removed from the CTL", shown(&label, t->label));
	int rc = token_ctl_check_signer(p->view.ctl, &p->tokens, e);
	if (!rc)
		rc = check_apart(p, t, e);
	if (!rc)
		p->signer = t;
	return rc;
}

/* --- records --- */

/* A CTL in force that is dated in the future still has a successor. */
static void set_date(struct plan *p)
{
	uint32_t *next = &p->view.state->in.timestamp;

	if (p->view.ctl && p->view.ctl->header.timestamp >= *next && p->view.ctl->header.timestamp < UINT32_MAX)
		*next = p->view.ctl->header.timestamp + 1;
}

int plan_compose(struct plan *p, struct err *e)
{
	struct compose_input *in = &p->view.state->in;

	set_date(p);
	in->tokens = &p->tokens;
	if (p->change != CTLP_CHANGE_UPDATE)
		in->mixed = p->change == CTLP_CHANGE_MIXED;
	p->comp = (struct composition){0};
	int rc = compose(in, &p->comp, e);
	p->comp.spec.records = p->comp.records;
	return rc;
}

/* With what goes beside it in STORE. */
static int check_message(const struct plan *p, size_t len, struct err *e)
{
	size_t signature = p->comp.spec.digest == DIGEST_SHA1 ? 0 : 3 + cert_key_bits(p->comp.spec.signer) / 8;
	size_t max = CTLP_FRAME_MAX - CTLP_HEADER_LEN - (3 + 1) - (3 + 8) - 3 - signature - (3 + 1);

	if (len > max)
		return err_set(e, ERR_LIMIT, "the CTL would be %zu octets; the CTL Provider takes at most %zu: use fewer certificates or "
			       "smaller keys", len, max);
	return 0;
}

int plan_check(struct plan *p, struct err *e)
{
	struct notes notes = NOTES_INIT;
	size_t len = 0, n_certs = 0;
	int rc = check_room(p, 0, e);

	for (size_t i = 0; i < p->comp.spec.n_records; i++)
		n_certs += p->comp.records[i].cert != NULL;
	if (!rc)
		rc = list_check(&p->comp.spec, &len, e);
	if (!rc)
		rc = compose_check_size(LIST_CTL, len, n_certs, &notes, e);
	notes_clear(&notes);
	return rc ? rc : check_message(p, len, e);
}

static const char *type_of(const struct record_spec *r)
{
	const char *name = r->style == RECORD_TOKEN ? "Security Token" : function_name(r->function);

	return name ? name : "";
}

/* "System Administrator Security Token", of the cluster's own certificates, is more than twice as long as the others. */
void plan_print(const struct plan *p, FILE *out)
{
	struct shown dns, subject, issuer;
	int wide = 15;

	for (size_t i = 0; i < p->comp.spec.n_records; i++) {
		int n = (int)strlen(type_of(&p->comp.records[i]));
		wide = n > wide ? n : wide;
	}
	fprintf(out, "CTL Entries\n%-*s %-19s %-51s %s\n", wide, "Type", "DNS Name", "Subject", "Issuer");
	for (size_t i = 0; i < p->comp.spec.n_records; i++) {
		const struct record_spec *r = &p->comp.records[i];

		fprintf(out, "%-*s %-19s %-51s %s\n", wide, type_of(r), shown(&dns, r->dns_name ? r->dns_name : ""),
			shown(&subject, r->cert ? cert_subject(r->cert) : ""), shown(&issuer, r->cert ? cert_issuer(r->cert) : ""));
	}
}

/* --- signature --- */

/* Of the twin with SHA-1 only the signature travels. */
static int sign_twin(struct plan *p, const struct list_signer *signer, struct err *e)
{
	struct list_spec spec = p->comp.spec;
	struct trust_list *l = NULL;
	uint8_t *data = NULL;
	size_t len;

	if (spec.digest == DIGEST_SHA1)
		return 0;
	spec.digest = DIGEST_SHA1;
	int rc = list_build(&spec, signer, &data, &len, e);
	if (!rc)
		rc = list_parse((struct view){data, len}, LIST_CTL, &l, e);
	if (!rc) {
		p->twin = malloc(l->header.signature.len);
		p->twin_len = l->header.signature.len;
		if (p->twin)
			memcpy(p->twin, l->header.signature.p, p->twin_len);
		else
			rc = err_set(e, ERR_NOMEM, "out of memory");
	}
	list_free(l);
	free(data);
	return rc;
}

int plan_sign(struct plan *p, struct err *e)
{
	struct ctl_signing s;
	int rc = ctl_signing_open(p->signer, &s, e);

	if (rc)
		return rc;
	const struct list_signer signer = {token_sign, &s.identity};
	rc = list_build(&p->comp.spec, &signer, &p->ctl, &p->ctl_len, e);
	if (!rc)
		rc = sign_twin(p, &signer, e);
	ctl_signing_close(&s);
	if (rc) {
		free(p->ctl);
		p->ctl = NULL;
	}
	return rc;
}

/* --- to the server --- */

static bool same_ctl(const struct plan *p, const struct trust_list *ctl)
{
	return ctl && ctl->len == p->ctl_len && memcmp(ctl->data, p->ctl, p->ctl_len) == 0;
}

/* The connection broke between the CTL and the answer: is it in force? */
static int settle(struct plan *p, struct ctl_server *s, struct ctl_server_stored *r, struct err *e)
{
	struct ctl_server_view now = {0};
	struct err why = ERR_INIT;

	if (ctl_server_look(s, &now, &why))
		return err_set(e, ERR_CLOSED,
			       "the server was lost before it said that the CTL is stored, and cannot be asked now (%s). It is in force "
			       "whole or not at all: 'show ctl' on the node tells", why.text);
	r->stored = same_ctl(p, now.ctl);
	ctl_server_view_clear(&now);
	if (r->stored)
		return 0;
	return err_set(e, ERR_CLOSED, "the server was lost before it stored the CTL. Nothing was changed: begin again");
}

int plan_store(struct plan *p, struct ctl_server *s, bool accepted, struct ctl_server_stored *r, struct err *e)
{
	const struct ctl_server_store what = {
		.change = p->change,
		.generation = p->view.state->generation,
		.ctl = {p->ctl, p->ctl_len},
		.sha1_signature = {p->twin, p->twin_len},
		.accepted = accepted,
	};
	struct err why = ERR_INIT;
	int rc = ctl_server_store(s, &what, r, &why);

	if (rc && s->in_doubt)
		return settle(p, s, r, e);
	return rc ? err_set(e, rc, "%s", why.text) : 0;
}

void plan_finished(const struct plan *p, const struct ctl_server_stored *r, FILE *out)
{
	for (size_t i = 0; i < r->nodes.n; i++)
		fprintf(out, "%-30s CTL file stored\n", r->nodes.text[i]);
	if (p->change == CTLP_CHANGE_UPDATE)
		fputs("CTL file Updated\n", out);
	else
		fprintf(out, "Cluster set to %s Mode\n", p->change == CTLP_CHANGE_MIXED ? "Mixed" : "Non Secure");
	fputs("Please Restart the TFTP and Cisco CallManager services on all nodes in the cluster that run these services\n", out);
	for (size_t i = 0; i < r->texts.n; i++)
		fprintf(out, "%s\n", r->texts.text[i]);
}
