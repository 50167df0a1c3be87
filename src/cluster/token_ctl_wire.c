#include "cluster/token_ctl_wire.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cluster/cluster_internal.h"
#include "cluster/publish.h"

#define B(tag) CTLP_BIT(CTLP_TAG_##tag)

/* --- the provider's side --- */

static struct view der_of(const struct cert *c)
{
	return c ? cert_der(c) : (struct view){ 0 };
}

static void put_node(const struct compose_node *n, const struct cert *cert, struct ctlp_msg *m)
{
	m->nodes[m->n_nodes++] = (struct ctlp_node){ view_str(n->name), view_str(n->address), der_of(cert) };
}

static void put_nodes(const struct gathered *g, struct ctlp_msg *m)
{
	for (size_t i = 0; i < g->n_nodes; i++)
		put_node(&g->nodes[i], g->nodes[i].call_manager, m);
}

static int write_state(struct cluster *c, const struct gathered *g, struct ctlp_msg *m, struct wr *w, struct err *e)
{
	static const uint8_t version_1_1[2] = { 1, 1 };
	int rc = publish_generation(c, &m->generation, e);

	if (!rc)
		rc = token_ctl_time(c, &m->time_s, e);
	m->type = CTLP_STATE;
	m->has = B(MODE) | B(GENERATION) | B(TIME) | B(LISTS) | B(DIGEST) | B(NAMES);
	m->has |= g->in.advanced ? B(SIGNER_VERSION) : 0;
	m->has |= g->capf ? B(CAPF) : 0;
	m->has |= g->itl_recovery ? B(ITLRECOVERY) : 0;
	m->mode = g->mixed;
	m->lists = view_str(compose_generation_name(g->in.generation));
	m->digest = (uint8_t)g->in.digest;
	m->names = g->in.names == NAME_FORM_C ? CTLP_NAMES_C : CTLP_NAMES_A;
	m->signer_version = (struct view){ version_1_1, 2 };
	m->capf = der_of(g->capf);
	m->itl_recovery = der_of(g->itl_recovery);
	put_nodes(g, m);
	return rc ? rc : ctlp_msg_write(m, w, e);
}

int token_ctl_write_state(struct cluster *c, struct wr *w, struct err *e)
{
	AUTO(auto_free) struct ctlp_msg *m = calloc(1, sizeof(*m));
	struct gathered *g = NULL;
	int rc = m ? gather(c, &g, e) : err_set(e, ERR_NOMEM, "out of memory");

	if (!rc)
		rc = write_state(c, g, m, w, e);
	gathered_free(g);
	return rc;
}

int token_ctl_write_ctl(struct cluster *c, struct wr *w, struct err *e)
{
	AUTO(auto_free) struct ctlp_msg *m = calloc(1, sizeof(*m));
	AUTO(auto_free) uint8_t *data = NULL;
	size_t len;
	int rc = m ? publish_read(c, LIST_CTL, &data, &len, NULL, e) : err_set(e, ERR_NOMEM, "out of memory");

	if (rc)
		return rc;
	m->type = CTLP_CTL;
	m->has = data ? B(CTL) : 0;
	m->ctl = (struct view){ data, len };
	return ctlp_msg_write(m, w, e);
}

/* What is too long for a message is cut: the CTL is stored, and the client must be told. */
void token_ctl_put_notes(const struct notes *notes, struct ctlp_msg *m)
{
	for (size_t i = 0; i < notes->n && m->n_texts < CTLP_TEXTS_MAX; i++) {
		struct view v = view_str(notes->text[i]);

		if (v.len > CTLP_TEXT_MAX)
			v.len = CTLP_TEXT_MAX;
		m->texts[m->n_texts++] = v;
	}
}

int token_ctl_write_stored(struct cluster *c, const struct notes *notes, struct wr *w, struct err *e)
{
	AUTO(auto_free) struct ctlp_msg *m = calloc(1, sizeof(*m));
	struct gathered *g = NULL;
	int rc = m ? gather(c, &g, e) : err_set(e, ERR_NOMEM, "out of memory");

	if (!rc)
		rc = publish_generation(c, &m->generation, e);
	if (!rc) {
		m->type = CTLP_STORED;
		m->has = B(GENERATION);
		put_node(&g->nodes[g->self], NULL, m); /* the others are in the notes: nobody has asked them */
		token_ctl_put_notes(notes, m);
		rc = ctlp_msg_write(m, w, e);
	}
	gathered_free(g);
	return rc;
}

/* --- the client's side --- */

void token_ctl_state_free(struct token_ctl_state *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->in.n_nodes; i++)
		cert_unref((struct cert *)s->nodes[i].call_manager);
	cert_unref(s->capf);
	cert_unref(s->itl_recovery);
	free(s);
}

static int take_text(struct view v, char out[STORE_NAME_SIZE], struct err *e)
{
	if (v.len >= STORE_NAME_SIZE)
		return err_rule(e, "node-name", -1, "the server names a node with %zu octets", v.len);
	if (v.len)
		memcpy(out, v.p, v.len);
	out[v.len] = '\0';
	return 0;
}

static int take_cert(struct view der, struct cert **c, struct err *e)
{
	return der.len ? cert_from_der(der, c, e) : 0;
}

static int take_node(struct token_ctl_state *s, const struct ctlp_node *from, struct err *e)
{
	size_t i = s->in.n_nodes++;
	struct compose_node *n = &s->nodes[i];
	struct cert *cm = NULL;
	struct in_addr ip;
	int rc = take_text(from->name, s->names[i], e);

	if (!rc)
		rc = take_text(from->address, s->addresses[i], e);
	if (!rc)
		rc = take_cert(from->call_manager, &cm, e);
	*n = (struct compose_node){ .name = s->names[i], .address = s->addresses[i], .call_manager = cm };
	if (!rc && inet_pton(AF_INET, n->address, &ip) == 1)
		memcpy(n->ip, &ip, sizeof(n->ip));
	return rc;
}

static int take_generation(struct token_ctl_state *s, struct view name, struct err *e)
{
	char text[32] = "";

	memcpy(text, name.p, name.len);
	if (!compose_generation_find(text, &s->in.generation))
		return err_rule(e, "lists", -1, "the server makes lists of generation %s, which this program does not know", text);
	return 0;
}

int token_ctl_read_state(const struct ctlp_msg *m, struct token_ctl_state **out, struct err *e)
{
	struct token_ctl_state *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return err_set(e, ERR_NOMEM, "out of memory");
	s->generation = m->generation;
	s->in = (struct compose_input){ .type = LIST_CTL, .mixed = m->mode == 1, .digest = m->digest, .nodes = s->nodes,
					.advanced = m->has & B(SIGNER_VERSION), .timestamp = m->time_s,
					.names = m->names == CTLP_NAMES_C ? NAME_FORM_C : NAME_FORM_A };
	rc = take_generation(s, m->lists, e);
	for (size_t i = 0; i < m->n_nodes && !rc; i++)
		rc = take_node(s, &m->nodes[i], e);
	if (!rc)
		rc = take_cert(m->capf, &s->capf, e);
	if (!rc)
		rc = take_cert(m->itl_recovery, &s->itl_recovery, e);
	s->in.capf = s->capf;
	s->in.itl_recovery = s->itl_recovery;
	if (rc) {
		token_ctl_state_free(s);
		return rc;
	}
	*out = s;
	return 0;
}
