#include "cluster/call_control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "store/certificate.h"
#include "store/service.h"

#define CHAIN_MAX 5
#define TEXT_MAX (16u << 20) /* octets of one PEM text: thousands of certificates with RSA-4096 */

void call_control_certs_clear(struct call_control_certs *c)
{
	cert_unref(c->leaf);
	free(c->chain);
	free(c->authorities);
	*c = (struct call_control_certs){0};
}

static int put(struct wr *w, const struct cert *cert, struct err *e)
{
	char *pem = NULL;
	int rc = cert_to_pem(cert, &pem, e);

	if (!rc && !wr_view(w, view_str(pem)))
		rc = err_set(e, w->failed, "the certificates for the call control are too many");
	free(pem);
	return rc;
}

static const struct cert *issuer_of(const struct cert *cert, const struct store_certificate *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!cert_same(list[i].cert, cert) &&
		    X509_check_issued(cert_x509(list[i].cert), cert_x509(cert)) == X509_V_OK)
			return list[i].cert;
	return NULL;
}

static int put_chain(struct wr *w, const struct cert *leaf, const struct store_certificate *list, size_t n, struct err *e)
{
	int rc = 0;

	for (int i = 0; !rc && leaf && i < CHAIN_MAX; i++) {
		rc = put(w, leaf, e);
		leaf = cert_is_self_issued(leaf) ? NULL : issuer_of(leaf, list, n);
	}
	return rc;
}

static int put_authorities(struct wr *w, const struct cert *capf, const struct store_certificate *list, size_t n,
			   struct err *e)
{
	bool has_capf = !capf;
	int rc = 0;

	for (size_t i = 0; !rc && i < n; i++) {
		if (X509_check_ca(cert_x509(list[i].cert)) < 1)
			continue;
		has_capf |= capf && cert_same(list[i].cert, capf);
		rc = put(w, list[i].cert, e);
	}
	return rc || has_capf ? rc : put(w, capf, e);
}

static int text(struct wr *w, char **out, struct err *e)
{
	uint8_t *data;
	size_t len;

	wr_u8(w, '\0');
	int rc = wr_finish(w, &data, &len, e);
	if (!rc)
		*out = (char *)data;
	return rc;
}

static int make(struct cluster *c, struct call_control_certs *got, const struct cert *capf, struct err *e)
{
	const struct store_certificate_filter filter = {.unit = STORE_TRUST_CALLMANAGER};
	struct store_certificate *list = NULL;
	struct wr chain, authorities;
	size_t n = 0;

	wr_init(&chain, TEXT_MAX);
	wr_init(&authorities, TEXT_MAX);
	int rc = store_certificate_list(c->store, &filter, &list, &n, e);
	if (!rc)
		rc = put_chain(&chain, got->leaf, list, n, e);
	if (!rc)
		rc = put_authorities(&authorities, capf, list, n, e);
	if (!rc)
		rc = text(&chain, &got->chain, e);
	if (!rc)
		rc = text(&authorities, &got->authorities, e);
	wr_clear(&chain);
	wr_clear(&authorities);
	store_certificates_free(list, n);
	return rc;
}

int call_control_certs(struct cluster *c, struct call_control_certs *out, struct err *e)
{
	struct call_control_certs got = {0};
	struct cert *capf = NULL;
	int rc = cluster_own_cert(c, NULL, "CallManager", &got.leaf, e);

	if (!rc && !got.leaf)
		rc = err_set(e, ERR_USAGE, "this node has no CallManager certificate");
	if (!rc)
		rc = cluster_own_cert(c, NULL, "CAPF", &capf, e);
	if (!rc)
		rc = make(c, &got, capf, e);
	cert_unref(capf);
	if (rc)
		call_control_certs_clear(&got);
	else
		*out = got;
	return rc;
}

static const struct placed {
	const char *unit, *what;
} placed[] = {
	{ "CallManager", "key, chain and CA file are replaced" },
	{ "CAPF", "the CA file gets the new CAPF certificate beside the former one" },
	{ "CallManager-trust", "the CA file and the chain are made anew and replaced if they differ" },
};

static const struct placed *placed_of(const struct cluster *c, const char *unit)
{
	for (size_t i = 0; c->call_control.folder && i < sizeof(placed) / sizeof(placed[0]); i++)
		if (text_same(placed[i].unit, unit))
			return &placed[i];
	return NULL;
}

static int runs(struct cluster *c, bool *is, struct err *e)
{
	struct store_service svc;
	int rc = store_service_get(c->store, c->node, "Cisco CallManager", &svc, e);

	if (!rc)
		*is = svc.activated && svc.started;
	return rc;
}

int call_control_follows(struct cluster *c, const char *unit, bool *follows, struct err *e)
{
	bool is = false;
	int rc = placed_of(c, unit) ? runs(c, &is, e) : 0;

	if (!rc)
		*follows = is;
	return rc;
}

int call_control_plan(struct cluster *c, const char *unit, struct notes *plan, struct err *e)
{
	const struct placed *p = placed_of(c, unit);
	bool is;
	int rc = p ? runs(c, &is, e) : 0;

	if (rc || !p)
		return rc;
	if (!is)
		return notes_add(plan, e, "Call control: Cisco CallManager is stopped: nothing is placed in %s until it is activated and started.",
				 c->call_control.folder);
	return notes_add(plan, e, "Call control: in %s %s, %s.", c->call_control.folder, p->what,
			 c->call_control.reload ? "and the reload command runs" : "and nothing reloads it: no command is configured");
}
