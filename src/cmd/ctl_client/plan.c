#include "cmd/ctl_client/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

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

bool plan_has(const struct plan *p, const struct cert *token)
{
	for (size_t i = 0; i < p->tokens.n; i++)
		if (cert_same(p->tokens.certs[i], token))
			return true;
	return false;
}

int plan_add(struct plan *p, const struct ctl_token *t, struct err *e)
{
	struct compose_tokens *list = &p->tokens;

	if (plan_has(p, t->cert))
		return 0;
	if (list->n == LIST_MAX_SAST_CTL)
		return err_set(e, ERR_LIMIT, "a CTL has at most %d security tokens", LIST_MAX_SAST_CTL);
	list->certs[list->n++] = cert_ref(t->cert);
	if (!p->view.ctl && list->n == 1)
		list->n_first = 1;
	return 0;
}

void plan_remove(struct plan *p, size_t at)
{
	struct compose_tokens *list = &p->tokens;

	cert_unref((struct cert *)list->certs[at]);
	list->n--;
	for (size_t i = at; i < list->n; i++)
		list->certs[i] = list->certs[i + 1];
	if (at < list->n_first)
		list->n_first--;
}

bool plan_find_token(const struct plan *p, const char *cn, size_t *at)
{
	for (size_t i = 0; i < p->tokens.n; i++) {
		if (text_same(cert_cn(p->tokens.certs[i]), cn)) {
			*at = i;
			return true;
		}
	}
	return false;
}

int plan_signer(struct plan *p, const struct ctl_token *t, struct err *e)
{
	for (size_t i = 0; i < p->tokens.n; i++)
		if (cert_same(p->tokens.certs[i], t->cert))
			p->tokens.signer = i;
	if (!plan_has(p, t->cert))
		return err_set(e, ERR_USAGE, "the token that signs, %s, cannot be removed from the CTL", t->label);
	int rc = token_ctl_check_signer(p->view.ctl, &p->tokens, e);
	if (!rc)
		p->signer = t;
	return rc;
}

/* --- records --- */

int plan_compose(struct plan *p, struct err *e)
{
	struct compose_input *in = &p->view.state->in;

	in->tokens = &p->tokens;
	if (p->change != CTLP_CHANGE_UPDATE)
		in->mixed = p->change == CTLP_CHANGE_MIXED;
	p->comp = (struct composition){0};
	int rc = compose(in, &p->comp, e);
	p->comp.spec.records = p->comp.records;
	return rc;
}

void plan_print(const struct plan *p, FILE *out)
{
	fputs("CTL Entries\nType            DNS Name            Subject                                             Issuer\n", out);
	for (size_t i = 0; i < p->comp.spec.n_records; i++) {
		const struct record_spec *r = &p->comp.records[i];
		const char *type = r->style == RECORD_TOKEN ? "Security Token" : function_name(r->function);

		fprintf(out, "%-15.15s %-19s %-51s %s\n", type ? type : "", r->dns_name ? r->dns_name : "",
			r->cert ? cert_subject(r->cert) : "", r->cert ? cert_issuer(r->cert) : "");
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

int plan_sign(struct plan *p, const struct token_options *o, struct err *e)
{
	struct ctl_signing s;
	int rc = ctl_signing_open(o, p->signer, &s, e);

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
