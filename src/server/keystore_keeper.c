#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509.h>

#include "base/clock.h"
#include "base/secret.h"
#include "pki/ossl.h"
#include "server/keeper.h"
#include "server/keeper_wire.h"

/* The keystore of a process without keys: every call is a message to the keeper. */
struct keystore_keeper {
	struct keystore base;
	int fd;
	uint8_t *buf;      /* IPC_MAX octets; replies to export hold private keys */
	/* Names of all keys, as they were listed; only the one who lists them makes, takes in and removes keys. */
	char (*names)[KEY_NAME_MAX];
	size_t n_names;
	bool listed;
	uint64_t pause_ms; /* no signatures are asked for until then: the keeper does not answer */
};

static struct keystore_keeper *self(struct keystore *ks)
{
	return (struct keystore_keeper *)ks;
}

/* Send what w holds; *reply views k->buf until the next call. w is cleared. */
static int call(struct keystore *ks, uint16_t type, struct wr *w, unsigned timeout_ms, struct rd *reply, struct err *e)
{
	struct view body;
	int rc;

	if (w->failed) {
		rc = err_set(e, w->failed, "a request to the keeper does not fit into a message");
	} else {
		rc = ipc_call(self(ks)->fd, type, wr_view_all(w), timeout_ms, self(ks)->buf, &body, e);
		if (rc == 0)
			rd_init(reply, body.p, body.len);
	}
	secret_wipe(w->p, w->len);
	wr_clear(w);
	return rc;
}

static int malformed(struct err *e)
{
	return err_rule(e, "keeper-reply", -1, "an answer of the keeper is malformed");
}

static int get_public(struct rd *r, EVP_PKEY **pub, struct err *e)
{
	struct view spki;

	if (!rd_view16(r, &spki) || !rd_done(r))
		return malformed(e);
	const uint8_t *p = spki.p;
	EVP_PKEY *got = d2i_PUBKEY(NULL, &p, (long)spki.len);
	if (!got)
		return err_openssl(e, ERR_CRYPTO, "reading a public key from the keeper");
	*pub = got;
	return 0;
}

static int keeper_generate(struct keystore *ks, const char *unit, struct key_spec spec, char name[KEY_NAME_MAX],
			   EVP_PKEY **pub, struct err *e)
{
	char got[KEY_NAME_MAX];
	struct wr w;
	struct rd r;

	wr_init(&w, IPC_BODY_MAX);
	ipc_put_str(&w, unit);
	wr_u8(&w, (uint8_t)spec.type);
	wr_u32(&w, spec.bits);
	self(ks)->listed = false;
	int rc = call(ks, IPC_KEY_GENERATE, &w, KEEPER_GENERATE_MS, &r, e);
	if (rc < 0)
		return rc;
	if (!ipc_get_str(&r, got, sizeof(got)))
		return malformed(e);
	if ((rc = get_public(&r, pub, e)) == 0)
		memcpy(name, got, sizeof(got));
	return rc;
}

static int keeper_public(struct keystore *ks, const char *name, EVP_PKEY **pub, struct err *e)
{
	struct wr w;
	struct rd r;

	wr_init(&w, IPC_BODY_MAX);
	ipc_put_str(&w, name);
	int rc = call(ks, IPC_KEY_PUBLIC, &w, KEEPER_TIMEOUT_MS, &r, e);
	return rc < 0 ? rc : get_public(&r, pub, e);
}

static int keeper_sign(struct keystore *ks, const char *name, const struct key_sign *req, uint8_t *sig, size_t *len,
		       struct err *e)
{
	struct wr w;
	struct rd r;

	if (clock_mono_ms(&clock_system) < self(ks)->pause_ms)
		return err_set(e, ERR_IO, "the keeper does not answer");
	wr_init(&w, IPC_BODY_MAX);
	ipc_put_str(&w, name);
	wr_u8(&w, (uint8_t)req->scheme);
	wr_u8(&w, req->message);
	wr_u32(&w, (uint32_t)req->md_nid);
	wr_open16(&w);
	wr_view(&w, req->input);
	wr_close(&w);
	int rc = call(ks, IPC_KEY_SIGN, &w, KEEPER_SIGN_MS, &r, e);
	if (rc == ERR_IO && e && e->sys_errno == ETIMEDOUT)
		self(ks)->pause_ms = clock_mono_ms(&clock_system) + KEEPER_PAUSE_MS;
	if (rc < 0)
		return rc;
	struct view got = rd_rest(&r);
	if (got.len == 0 || got.len > KEY_SIG_MAX)
		return malformed(e);
	memcpy(sig, got.p, got.len);
	*len = got.len;
	secret_wipe(self(ks)->buf, IPC_HEADER + got.len);
	return 0;
}

static int keeper_import(struct keystore *ks, const char *unit, struct view pkcs8, char name[KEY_NAME_MAX],
			 struct err *e)
{
	char got[KEY_NAME_MAX];
	struct wr w;
	struct rd r;

	wr_init(&w, IPC_BODY_MAX);
	ipc_put_str(&w, unit);
	wr_open16(&w);
	wr_view(&w, pkcs8);
	wr_close(&w);
	self(ks)->listed = false;
	int rc = call(ks, IPC_KEY_IMPORT, &w, KEEPER_TIMEOUT_MS, &r, e);
	if (rc < 0)
		return rc;
	if (!ipc_get_str(&r, got, sizeof(got)) || !rd_done(&r))
		return malformed(e);
	memcpy(name, got, sizeof(got));
	return 0;
}

static int keeper_export(struct keystore *ks, const char *name, uint8_t **pkcs8, size_t *len, struct err *e)
{
	struct wr w;
	struct rd r;

	wr_init(&w, IPC_BODY_MAX);
	ipc_put_str(&w, name);
	int rc = call(ks, IPC_KEY_EXPORT, &w, KEEPER_TIMEOUT_MS, &r, e);
	if (rc < 0)
		return rc;
	struct view got = rd_rest(&r);
	uint8_t *out = got.len ? secret_new(got.len) : NULL;
	if (!out)
		return got.len ? err_set(e, ERR_NOMEM, "no memory for a private key") : malformed(e);
	memcpy(out, got.p, got.len);
	secret_wipe(self(ks)->buf, IPC_MAX);
	*pkcs8 = out;
	*len = got.len;
	return 0;
}

static int keeper_remove(struct keystore *ks, const char *name, struct err *e)
{
	struct wr w;
	struct rd r;

	wr_init(&w, IPC_BODY_MAX);
	ipc_put_str(&w, name);
	self(ks)->listed = false;
	int rc = call(ks, IPC_KEY_REMOVE, &w, KEEPER_TIMEOUT_MS, &r, e);
	return rc < 0 ? rc : rd_done(&r) ? 0 : malformed(e);
}

struct page {
	char (*names)[KEY_NAME_MAX];
	size_t n;
	bool more;
};

static int get_page(struct keystore *ks, uint32_t skip, struct page *page, struct err *e)
{
	struct wr w;
	struct rd r;
	uint8_t more;

	wr_init(&w, IPC_BODY_MAX);
	wr_u32(&w, skip);
	int rc = call(ks, IPC_KEY_LIST, &w, KEEPER_TIMEOUT_MS, &r, e);
	if (rc < 0)
		return rc;
	if (!rd_u8(&r, &more) || more > 1)
		return malformed(e);
	size_t most = r.left / 2; /* a name has at least its length */
	char(*names)[KEY_NAME_MAX] = calloc(most + 1, sizeof(*names));
	if (!names)
		return err_set(e, ERR_NOMEM, "no memory for the names of keys");
	size_t n = 0;
	while (r.left && ipc_get_str(&r, names[n], KEY_NAME_MAX))
		n++;
	if (!rd_done(&r) || (more && n == 0)) {
		free(names);
		return malformed(e);
	}
	*page = (struct page){.names = names, .n = n, .more = more != 0};
	return 0;
}

static int add_page(struct keystore_keeper *k, const struct page *page, struct err *e)
{
	char (*grown)[KEY_NAME_MAX] = reallocarray(k->names, k->n_names + page->n + 1, KEY_NAME_MAX);

	if (!grown)
		return err_set(e, ERR_NOMEM, "no memory for the names of keys");
	if (page->n)
		memcpy(grown + k->n_names, page->names, page->n * KEY_NAME_MAX);
	k->names = grown;
	k->n_names += page->n;
	return 0;
}

static int list_all(struct keystore *ks, struct err *e)
{
	struct keystore_keeper *k = self(ks);
	bool more = true;

	k->n_names = 0;
	while (more) {
		struct page page = {0};
		int rc = get_page(ks, (uint32_t)k->n_names, &page, e);
		if (rc == 0)
			rc = add_page(k, &page, e);
		free(page.names);
		if (rc < 0)
			return rc;
		more = page.more;
	}
	k->listed = true;
	return 0;
}

/* cb may call the keystore again; keys that come or go meanwhile show the next time. */
static int keeper_list(struct keystore *ks, int (*cb)(void *ctx, const char *name), void *ctx, struct err *e)
{
	struct keystore_keeper *k = self(ks);
	int rc = k->listed ? 0 : list_all(ks, e);
	char name[KEY_NAME_MAX];
	int stop = 0;

	for (size_t i = 0; rc == 0 && i < k->n_names && !stop; i++) {
		memcpy(name, k->names[i], sizeof(name));
		stop = cb(ctx, name);
	}
	return rc < 0 ? rc : stop;
}

static void keeper_free(struct keystore *ks)
{
	secret_free(self(ks)->buf, IPC_MAX);
	free(self(ks)->names);
	free(ks);
}

static const struct keystore_ops keeper_ops = {
	.generate = keeper_generate,
	.public_key = keeper_public,
	.sign = keeper_sign,
	.import = keeper_import,
	.export = keeper_export,
	.remove = keeper_remove,
	.list = keeper_list,
	.free = keeper_free,
};

int keystore_keeper_open(int fd, struct keystore **ks, struct err *e)
{
	struct keystore_keeper *k = calloc(1, sizeof(*k));

	if (k)
		k->buf = secret_new(IPC_MAX);
	if (!k || !k->buf) {
		free(k);
		return err_set(e, ERR_NOMEM, "no memory for a channel to the keeper");
	}
	k->base.ops = &keeper_ops;
	k->fd = fd;
	*ks = &k->base;
	return 0;
}
