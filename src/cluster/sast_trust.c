#include "cluster/sast_trust.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "cluster/param.h"
#include "cluster/strand.h"

#define STORE_NAME "Phone-SAST-trust"
#define OWN_UNITS (STORE_UNIT_BIT(STORE_TRUST_TOMCAT) - 1)
#define TOKEN_NAME "SAST-ADN" /* behaviour.md 3.4; `ringfence ctl-client init-token` */
#define UPDATE "'utils ctl update CTLFile'"

enum kind { KIND_SIGNER, KIND_OWN, KIND_TOKEN, KIND_ADOPTED, KIND_NOT_RSA };

static const char *const reasons[] = {
	[KIND_OWN] = "this cluster's own",
	[KIND_TOKEN] = "a hardware token",
	[KIND_ADOPTED] = "an earlier signer of this site",
	[KIND_NOT_RSA] = "no RSA key, so it can sign no list",
};

struct entry {
	struct cert *cert; /* a reference */
	enum kind kind;
	char file[STORE_FILE_SIZE];
};

/* The trust store, in the order of file names. */
struct sast_trust {
	struct cluster *c;
	struct entry *entries;
	size_t n;
	struct err *e;     /* of the function that fills it */
};

static void sast_trust_clear(struct sast_trust *t)
{
	for (size_t i = 0; i < t->n; i++)
		cert_unref(t->entries[i].cert);
	free(t->entries);
}

/* --- what each is --- */

static enum kind kind_of(const struct cert *cert, uint32_t roles, uint32_t units)
{
	if (units & OWN_UNITS)
		return KIND_OWN;
	if (text_starts(cert_cn(cert), TOKEN_NAME))
		return KIND_TOKEN;
	if (roles & STORE_ROLE_BIT(STORE_ROLE_SAST))
		return KIND_ADOPTED;
	return cert_key_type(cert) == CERT_KEY_RSA ? KIND_SIGNER : KIND_NOT_RSA;
}

static int take(void *ctx, const struct certs_entry *from)
{
	struct sast_trust *t = ctx;
	struct store_certificate row;
	bool found;
	struct entry *more = realloc(t->entries, (t->n + 1) * sizeof(*more));

	if (!more)
		return err_set(t->e, ERR_NOMEM, "out of memory");
	t->entries = more;
	int rc = store_certificate_get(t->c->store, from->pkid, &row, &found, t->e);
	if (rc || !found)
		return rc;
	more[t->n] = (struct entry){ .cert = cert_ref(from->cert), .kind = kind_of(from->cert, row.roles, row.units) };
	snprintf(more[t->n].file, sizeof(more->file), "%s", from->file);
	t->n++;
	store_certificate_clear(&row);
	return 0;
}

static void mark_tokens(struct sast_trust *t, const struct trust_list *ctl)
{
	for (size_t r = 0; r < ctl->n_records; r++)
		for (size_t i = 0; i < t->n && list_record_is_token(&ctl->records[r]); i++)
			if (list_record_is_cert(&ctl->records[r], t->entries[i].cert))
				t->entries[i].kind = KIND_TOKEN;
}

/* What is not there or not as it was says nothing about tokens; making good for that is others' work. */
static int look_at_generation(struct sast_trust *t, uint64_t number, struct err *e)
{
	struct trust_list *ctl = NULL;
	struct err why = ERR_INIT;
	struct lists l = { 0 };
	int rc = generation_read(t->c, number, &l, &why);

	if (!rc && l.ctl.data)
		rc = list_parse((struct view){ l.ctl.data, l.ctl.len }, LIST_CTL, &ctl, &why);
	if (ctl)
		mark_tokens(t, ctl);
	list_free(ctl);
	lists_clear(&l);
	return rc == ERR_NOMEM ? err_set(e, rc, "%s", why.text) : 0;
}

/* A token may have been given any name: one that was a token in a CTL is one. */
static int find_tokens(struct sast_trust *t, struct err *e)
{
	AUTO(auto_free) struct store_generation *list = NULL;
	const char *seen = "";
	size_t n = 0;
	int rc = t->n ? store_generation_list(t->c->store, 0, &list, &n, e) : 0;

	for (size_t i = 0; i < n && !rc; i++) {
		if (list[i].state == STORE_GENERATION_GONE || strcmp(list[i].ctl_sha256, seen) == 0)
			continue;
		seen = list[i].ctl_sha256;
		rc = look_at_generation(t, list[i].number, e);
	}
	return rc;
}

static int sast_trust_read(struct cluster *c, struct sast_trust *t, struct err *e)
{
	static const struct store_unit_row store = { STORE_TRUST_PHONE_SAST, STORE_NAME };

	*t = (struct sast_trust){ .c = c, .e = e };
	int rc = certs_list_store(c, &store, take, t, e);
	return rc ? rc : find_tokens(t, e);
}

static const struct entry *entry_find(const struct sast_trust *t, const struct cert *cert)
{
	for (size_t i = 0; i < t->n; i++)
		if (cert_same(t->entries[i].cert, cert))
			return &t->entries[i];
	return NULL;
}

static size_t count(const struct sast_trust *t, enum kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		n += t->entries[i].kind == kind;
	return n;
}

/* "a.pem, b.pem and 3 more" */
static void signer_names(const struct sast_trust *t, char *out, size_t size)
{
	size_t used = 0, shown = 0, n = count(t, KIND_SIGNER);

	out[0] = '\0';
	for (size_t i = 0; i < t->n && shown < LIST_MAX_SAST_CTL; i++)
		if (t->entries[i].kind == KIND_SIGNER)
			used = text_append(out, size, used, "%s%s", shown++ ? ", " : "", t->entries[i].file);
	if (shown < n)
		text_append(out, size, used, " and %zu more", n - shown);
}

/* --- into the CTL --- */

static int check_room(const struct sast_trust *t, enum compose_generation g, struct err *e)
{
	size_t own = compose_own_sast(g), n = count(t, KIND_SIGNER);
	char names[200];

	if (own + n <= LIST_MAX_SAST_CTL)
		return 0;
	signer_names(t, names, sizeof(names));
	return err_set(e, ERR_LIMIT,
		       "the CTL would have %zu SAST records, and no phone is known to work with more than %d: beside %zu of its own "
		       STORE_NAME " holds %s. Take out those that phones do not move to with 'set cert delete " STORE_NAME " NAME'",
		       own + n, LIST_MAX_SAST_CTL, own, names);
}

int sast_trust_gather(struct cluster *c, bool lenient, struct gathered *g, struct err *e)
{
	AUTO(sast_trust_clear) struct sast_trust t = { 0 };
	int rc = sast_trust_read(c, &t, e);

	if (!rc && lenient && compose_own_sast(g->in.generation) + count(&t, KIND_SIGNER) > LIST_MAX_SAST_CTL)
		return 0;
	if (!rc)
		rc = check_room(&t, g->in.generation, e);
	for (size_t i = 0; i < t.n && !rc; i++)
		if (t.entries[i].kind == KIND_SIGNER)
			g->foreign[g->in.n_foreign++] = cert_ref(t.entries[i].cert);
	return rc;
}

static int warn_left_out(const struct sast_trust *t, struct notes *notes, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < t->n && !rc; i++)
		if (t->entries[i].kind != KIND_SIGNER)
			rc = notes_add(notes, e, STORE_NAME "/%s becomes no record of the CTL: %s.", t->entries[i].file,
				       reasons[t->entries[i].kind]);
	return rc;
}

int sast_trust_warnings(struct cluster *c, struct notes *notes, struct err *e)
{
	AUTO(sast_trust_clear) struct sast_trust t = { 0 };
	enum compose_generation g;
	char names[300];
	int rc = sast_trust_read(c, &t, e);

	if (!rc)
		rc = param_generation(c, &g, e);
	if (!rc)
		rc = check_room(&t, g, e);
	if (!rc)
		rc = warn_left_out(&t, notes, e);
	size_t n = count(&t, KIND_SIGNER);
	if (rc || !n)
		return rc;
	signer_names(&t, names, sizeof(names));
	rc = notes_add(notes, e,
		       "The CTL will name signers of " STORE_NAME " as SAST: %s. Phones that load it take trust lists which these have "
		       "signed, without asking TVS.", names);
	return rc ? rc : strand_sast_warnings(c, compose_own_sast(g) + n, notes, e);
}

/* --- the CTL in force --- */

struct in_force {
	struct trust_list *ctl; /* NULL: none */
	bool tokens, mixed;
};

static void in_force_clear(struct in_force *f)
{
	list_free(f->ctl);
}

static int in_force_read(struct cluster *c, struct in_force *f, struct err *e)
{
	int rc = ctl_in_force(c, &f->ctl, e);

	f->tokens = list_has_tokens(f->ctl);
	return rc ? rc : cluster_is_mixed(c, &f->mixed, e);
}

static bool is_sast(const struct tlv_record *rec)
{
	return rec->has_function && rec->function == FUNCTION_SAST;
}

static bool names_sast(const struct trust_list *ctl, const struct cert *cert)
{
	for (size_t i = 0; ctl && i < ctl->n_records; i++)
		if (is_sast(&ctl->records[i]) && list_record_is_cert(&ctl->records[i], cert))
			return true;
	return false;
}

static int note_missing(const struct sast_trust *t, const struct trust_list *ctl, struct notes *notes, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < t->n && !rc; i++)
		if (t->entries[i].kind == KIND_SIGNER && !names_sast(ctl, t->entries[i].cert))
			rc = notes_add(notes, e,
				       "The CTL file does not name %s of " STORE_NAME ": run " UPDATE ", or phones that ask no TVS do not "
				       "take its lists.", t->entries[i].file);
	return rc;
}

/* The cluster's own records have the name of the publisher; a former own one is told of by its unit. */
static int note_left_over(struct cluster *c, const struct sast_trust *t, const struct trust_list *ctl, struct notes *notes,
			  struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < ctl->n_records && !rc; i++) {
		const struct tlv_record *rec = &ctl->records[i];
		struct cert *cert = NULL;
		struct store_node node;
		char name[STORE_NAME_SIZE];
		bool own = false;

		if (!is_sast(rec) || !rec->certificate.p)
			continue;
		text_escape(name, sizeof(name), tlv_text(rec->dns_name));
		rc = store_node_get(c->store, name, &node, &own, e);
		if (!rc && !own)
			rc = cert_from_der(rec->certificate, &cert, e);
		const struct entry *there = cert ? entry_find(t, cert) : NULL;
		if (cert && (!there || there->kind != KIND_SIGNER))
			rc = notes_add(notes, e,
				       "The CTL file names %s as SAST, but " STORE_NAME " has no such signer any more: run " UPDATE ". Phones "
				       "take lists that its key signs until they have loaded the new one.", name);
		cert_unref(cert);
	}
	return rc;
}

int sast_trust_list_notes(struct cluster *c, const struct trust_list *ctl, struct notes *notes, struct err *e)
{
	AUTO(sast_trust_clear) struct sast_trust t = { 0 };
	bool mixed;
	int rc = cluster_is_mixed(c, &mixed, e);

	/* One that is left over from mixed mode, or is the CTL client's, need not follow. */
	if (rc || !mixed || list_has_tokens(ctl))
		return rc;
	rc = sast_trust_read(c, &t, e);
	if (!rc)
		rc = note_missing(&t, ctl, notes, e);
	return rc ? rc : note_left_over(c, &t, ctl, notes, e);
}

/* --- imports and deletions --- */

/* As if it had been put there: in place of one of its name, as the store does it. */
static int add_as_if(struct sast_trust *t, struct cert *cert, struct err *e)
{
	struct entry *more;
	size_t n = 0;

	if (entry_find(t, cert))
		return 0;
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(cert_cn(t->entries[i].cert), cert_cn(cert)) != 0 || !*cert_cn(cert))
			t->entries[n++] = t->entries[i];
		else
			cert_unref(t->entries[i].cert);
	t->n = n;
	more = realloc(t->entries, (n + 1) * sizeof(*more));
	if (!more)
		return err_set(e, ERR_NOMEM, "out of memory");
	t->entries = more;
	more[t->n] = (struct entry){ .cert = cert_ref(cert), .kind = kind_of(cert, 0, 0) };
	store_certificate_file(cert, more[t->n].file);
	t->n++;
	return 0;
}

static int note_ctl(const struct in_force *f, struct notes *notes, struct err *e)
{
	if (f->tokens)
		return notes_add(notes, e,
				 "CTLFile.tlv: stays as it is. A CTL of hardware tokens has no records of " STORE_NAME "; TVS answers.");
	if (f->mixed)
		return notes_add(notes, e,
				 "CTLFile.tlv: stays as it is until " UPDATE ", which makes a signer of " STORE_NAME " a SAST record: "
				 "phones then take its lists without asking TVS.");
	return notes_add(notes, e,
			 "CTLFile.tlv: only a CTL of mixed mode has signers of " STORE_NAME " as SAST records; without one, TVS answers.");
}

int sast_trust_put_notes(struct cluster *c, struct cert *const *added, size_t n, struct notes *notes, struct err *e)
{
	AUTO(sast_trust_clear) struct sast_trust t = { 0 };
	AUTO(in_force_clear) struct in_force f = { 0 };
	enum compose_generation g;
	struct err full = ERR_INIT;
	bool new_signer = false;
	int rc = sast_trust_read(c, &t, e);

	if (!rc)
		rc = param_generation(c, &g, e);
	if (!rc)
		rc = in_force_read(c, &f, e);
	for (size_t i = 0; i < n && !rc; i++)
		rc = add_as_if(&t, added[i], e);
	for (size_t i = 0; i < n && !rc; i++) {
		const struct entry *it = entry_find(&t, added[i]);

		if (it && it->kind != KIND_SIGNER)
			rc = notes_add(notes, e, "%s becomes no record of a CTL: %s.", it->file, reasons[it->kind]);
		else
			new_signer |= !names_sast(f.ctl, added[i]);
	}
	if (!rc && new_signer)
		rc = note_ctl(&f, notes, e);
	if (!rc && new_signer && check_room(&t, g, &full))
		rc = notes_add(notes, e, "'utils ctl' will refuse to make one: %s.", full.text);
	return rc;
}

int sast_trust_drop_notes(struct cluster *c, const struct cert *cert, struct notes *notes, struct err *e)
{
	AUTO(in_force_clear) struct in_force f = { 0 };
	int rc = in_force_read(c, &f, e);

	if (rc || f.tokens || !names_sast(f.ctl, cert))
		return rc;
	return notes_add(notes, e,
			 "The CTL file names it as SAST: until " UPDATE " TVS answers for it all the same, and phones that have not "
			 "loaded the new CTL go on taking lists that its key signs.");
}
