#include "cluster/cert_bulk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "cluster/sast_trust.h"
#include "cluster/trust.h"
#include "pki/cert_list.h"
#include "store/audit.h"

#define FILE_MAX (8 * 1024 * 1024)

static const struct type {
	const char *name;
	enum store_unit units[3];   /* exported; ended by NONE */
	enum store_unit stores[3];  /* imported to; ended by NONE */
} types[] = {
	{ "tomcat", { STORE_UNIT_TOMCAT, STORE_UNIT_TOMCAT_ECDSA }, { STORE_TRUST_TOMCAT } },
	{ "tftp", { STORE_UNIT_CALLMANAGER, STORE_UNIT_ITLRECOVERY }, { STORE_TRUST_PHONE_SAST, STORE_TRUST_CALLMANAGER } },
	{ "capf", { STORE_UNIT_CAPF }, { STORE_TRUST_CALLMANAGER } },
};

#define N_TYPES (sizeof(types) / sizeof(types[0]))

const char *cert_bulk_type(size_t i)
{
	return i < N_TYPES ? types[i].name : i == N_TYPES ? "all" : NULL;
}

/* One command on its way. */
struct bulk {
	struct cluster *c;
	struct cert_bulk *in;
	int fd;          /* of the folder; -1: it is not there, and nothing is to be written */
	struct err *e;
};

static void bulk_clear(struct bulk *b)
{
	auto_close(&b->fd);
}

static int open_folder(struct bulk *b)
{
	if (b->in->dry && faccessat(b->c->data_fd, CERT_BULK_FOLDER, F_OK, 0) < 0 && errno == ENOENT)
		return 0;
	return folder_make(b->c->data_fd, CERT_BULK_FOLDER, 0755, &b->fd, b->e);
}

static int each_type(struct bulk *b, int (*fn)(struct bulk *b, const struct type *t))
{
	const char *name = b->in->type;
	int rc = open_folder(b);
	bool all = text_same(name, "all"), known = all;

	for (size_t i = 0; i < N_TYPES && !rc; i++) {
		if (!all && !text_same(name, types[i].name))
			continue;
		known = true;
		rc = fn(b, &types[i]);
	}
	return rc || known ? rc : err_set(b->e, ERR_USAGE, "there is no kind of bulk certificates '%s': tomcat, tftp, capf, all", name);
}

static int audit(struct bulk *b, const char *what)
{
	char command[64], after[64];
	struct store_audit a = { .time = clock_wall_s(b->c->clock), .who = b->in->who, .command = command,
				 .object = CERT_BULK_FOLDER, .after = after, .outcome = "done" };

	if (b->in->dry)
		return 0;
	snprintf(command, sizeof(command), "set cert bulk %s %s", what, b->in->type);
	snprintf(after, sizeof(after), "%zu certificates", b->in->n);
	return store_audit_append(b->c->store, &a, b->e);
}

/* --- several certificates to one file --- */

struct collection {
	struct cert **certs;
	size_t n;
};

static void collection_clear(struct collection *l)
{
	cert_list_free(l->certs, l->n);
}

/* Takes a reference; one that is there already is not there twice. */
static int collect(struct collection *l, struct cert *cert, struct err *e)
{
	for (size_t i = 0; i < l->n; i++)
		if (cert_same(l->certs[i], cert))
			return 0;
	struct cert **grown = realloc(l->certs, (l->n + 1) * sizeof(*grown));
	if (!grown)
		return err_set(e, ERR_NOMEM, "out of memory");
	l->certs = grown;
	l->certs[l->n++] = cert_ref(cert);
	return 0;
}

static int write_file(struct bulk *b, const char *prefix, const struct type *t, const struct collection *l)
{
	char name[STORE_NAME_SIZE + 32];
	struct wr w;
	int rc = 0;

	wr_init(&w, FILE_MAX);
	for (size_t i = 0; i < l->n && !rc; i++) {
		AUTO(auto_free) char *pem = NULL;
		rc = cert_to_pem(l->certs[i], &pem, b->e);
		if (!rc && !wr_view(&w, view_str(pem)))
			rc = err_set(b->e, w.failed, "more than %d MiB of certificates", FILE_MAX >> 20);
	}
	snprintf(name, sizeof(name), "%s.%s.pem", prefix, t->name);
	if (!rc && !b->in->dry)
		rc = file_replace(b->fd, name, wr_view_all(&w), 0644, b->e);
	wr_clear(&w);
	b->in->n += rc ? 0 : l->n;
	return rc;
}

/* --- export --- */

static int own_of_type(struct bulk *b, const struct type *t, struct collection *l)
{
	int rc = 0;

	for (size_t u = 0; u < 3 && t->units[u] != STORE_UNIT_NONE && !rc; u++) {
		struct store_certificate_filter filter = { .unit = t->units[u] };
		struct store_certificate *list = NULL;
		size_t n = 0;
		rc = store_certificate_list(b->c->store, &filter, &list, &n, b->e);
		for (size_t i = 0; i < n && !rc; i++)
			rc = collect(l, list[i].cert, b->e);
		store_certificates_free(list, n);
	}
	return rc;
}

static int export_type(struct bulk *b, const struct type *t)
{
	AUTO(collection_clear) struct collection l = { 0 };
	int rc = own_of_type(b, t, &l);

	return rc ? rc : write_file(b, b->c->node, t, &l);
}

int cert_bulk_export(struct cluster *c, struct cert_bulk *in, struct err *e)
{
	AUTO(bulk_clear) struct bulk b = { .c = c, .in = in, .fd = -1, .e = e };
	int rc = each_type(&b, export_type);

	return rc ? rc : audit(&b, "export");
}

/* --- consolidate --- */

struct gathering {
	struct bulk *b;
	const struct type *t;
	struct collection l;
};

static int read_file(struct bulk *b, const char *name, struct collection *l)
{
	AUTO(auto_free) uint8_t *data = NULL;
	struct cert **certs = NULL;
	size_t len, n = 0;
	int rc = file_read(b->fd, name, FILE_MAX, &data, &len, b->e);

	if (!rc)
		rc = cert_list_read((struct view){ data, len }, &certs, &n, b->e);
	if (rc)
		err_prefix(b->e, "%s/%s", CERT_BULK_FOLDER, name);
	for (size_t i = 0; i < n && !rc; i++)
		rc = collect(l, certs[i], b->e);
	cert_list_free(certs, n);
	return rc;
}

static int gather_file(void *ctx, const char *entry)
{
	struct gathering *g = ctx;
	char end[32];

	snprintf(end, sizeof(end), ".%s.pem", g->t->name);
	if (!text_ends(entry, end) || text_starts(entry, CERT_BULK_CONSOLIDATED "."))
		return 0;
	return read_file(g->b, entry, &g->l);
}

static int consolidate_type(struct bulk *b, const struct type *t)
{
	struct gathering g = { .b = b, .t = t };
	int rc = b->fd < 0 ? 0 : folder_each(b->fd, ".", gather_file, &g, b->e);

	if (!rc && g.l.n == 0)
		rc = err_set(b->e, ERR_USAGE, "there are no %s certificates in %s: 'set cert bulk export %s' on each cluster puts them there",
			     t->name, CERT_BULK_FOLDER, t->name);
	if (!rc)
		rc = write_file(b, CERT_BULK_CONSOLIDATED, t, &g.l);
	collection_clear(&g.l);
	return rc;
}

int cert_bulk_consolidate(struct cluster *c, struct cert_bulk *in, struct err *e)
{
	AUTO(bulk_clear) struct bulk b = { .c = c, .in = in, .fd = -1, .e = e };
	int rc = each_type(&b, consolidate_type);

	return rc ? rc : audit(&b, "consolidate");
}

/* --- import --- */

struct import {
	const struct type *t;
	struct collection l;
};

static int put(struct cluster *c, void *ctx, struct err *e)
{
	const struct import *m = ctx;
	struct store_certificate_info info = { .distribution = STORE_DIST_CLUSTER_WIDE };
	int rc = 0;

	for (size_t s = 0; s < 3 && m->t->stores[s] != STORE_UNIT_NONE; s++)
		for (size_t i = 0; i < m->l.n && !rc; i++)
			rc = store_certificate_put_trust(c->store, m->t->stores[s], m->l.certs[i], &info,
							 STORE_PUT_UPLOAD, e);
	return rc;
}

static bool is_among(const struct collection *l, const struct cert *cert)
{
	for (size_t i = 0; i < l->n; i++)
		if (cert_same(l->certs[i], cert))
			return true;
	return false;
}

/* This cluster's own are in its stores already; an expired one must not keep the others out. */
static int choose(struct bulk *b, const struct collection *all, const struct collection *own, struct collection *l)
{
	int rc = 0;

	for (size_t i = 0; i < all->n && !rc; i++) {
		if (is_among(own, all->certs[i]))
			continue;
		if (cert_not_after(all->certs[i]) < clock_wall_s(b->c->clock))
			rc = notes_add(b->in->notes, b->e, "Passed over, because it has expired: %s", cert_subject(all->certs[i]));
		else
			rc = trust_cert_check(all->certs[i], clock_wall_s(b->c->clock), b->e);
		if (!rc && cert_not_after(all->certs[i]) >= clock_wall_s(b->c->clock))
			rc = collect(l, all->certs[i], b->e);
	}
	return rc;
}

static int run_import(struct bulk *b, struct import *m)
{
	char command[64], object[64];

	snprintf(command, sizeof(command), "set cert bulk import %s", m->t->name);
	snprintf(object, sizeof(object), "%zu certificates of other clusters", m->l.n);
	struct change ch = { .who = b->in->who, .command = command, .object = object, .rehearsal = b->in->dry,
			     .notes = b->in->dry ? NULL : b->in->notes, .apply = put, .ctx = m };
	int rc = change_run(b->c, &ch, NULL, b->e);
	for (size_t s = 0; s < 3 && !rc; s++)
		if (m->t->stores[s] == STORE_TRUST_PHONE_SAST)
			rc = sast_trust_put_notes(b->c, m->l.certs, m->l.n, b->in->notes, b->e);
	b->in->n += rc ? 0 : m->l.n;
	return rc;
}

static int import_type(struct bulk *b, const struct type *t)
{
	AUTO(collection_clear) struct collection all = { 0 };
	AUTO(collection_clear) struct collection own = { 0 };
	struct import m = { .t = t };
	char name[64];

	snprintf(name, sizeof(name), "%s.%s.pem", CERT_BULK_CONSOLIDATED, t->name);
	if (b->fd < 0 || (faccessat(b->fd, name, F_OK, 0) < 0 && errno == ENOENT))
		return err_set(b->e, ERR_USAGE, "%s/%s is not there: 'set cert bulk consolidate %s' makes it", CERT_BULK_FOLDER, name, t->name);
	int rc = read_file(b, name, &all);
	if (!rc)
		rc = own_of_type(b, t, &own);
	if (!rc)
		rc = choose(b, &all, &own, &m.l);
	if (!rc)
		rc = run_import(b, &m);
	collection_clear(&m.l);
	return rc;
}

int cert_bulk_import(struct cluster *c, struct cert_bulk *in, struct err *e)
{
	AUTO(bulk_clear) struct bulk b = { .c = c, .in = in, .fd = -1, .e = e };

	return each_type(&b, import_type);
}
