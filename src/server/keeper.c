#include "server/keeper.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509.h>

#include "base/log.h"
#include "base/secret.h"
#include "pki/ossl.h"
#include "server/keeper_wire.h"

#define THREAD_STACK (1024 * 1024) /* octets: OpenSSL's key generation needs a small part of it */

/* --- requests: rd has the body, w gets the reply's --- */

static int malformed(struct err *e)
{
	return err_rule(e, "keeper-request", -1, "a request to the keeper is malformed");
}

static int put_public(struct wr *w, EVP_PKEY *pub, struct err *e)
{
	uint8_t *der = NULL;
	int n = i2d_PUBKEY(pub, &der);

	if (n <= 0)
		return err_openssl(e, ERR_CRYPTO, "encoding a public key");
	wr_open16(w);
	wr_bytes(w, der, (size_t)n);
	wr_close(w);
	OPENSSL_free(der);
	return 0;
}

static int do_generate(struct keystore *ks, struct rd *r, struct wr *w, struct err *e)
{
	char unit[KEY_NAME_MAX], name[KEY_NAME_MAX];
	EVP_PKEY *pub = NULL;
	uint8_t type;
	uint32_t bits;

	if (!ipc_get_str(r, unit, sizeof(unit)) || !rd_u8(r, &type) || !rd_u32(r, &bits) || !rd_done(r) || type > KEY_EC)
		return malformed(e);
	struct key_spec spec = {.type = (enum key_type)type, .bits = bits};
	int rc = ks->ops->generate(ks, unit, spec, name, &pub, e);
	if (rc < 0)
		return rc;
	ipc_put_str(w, name);
	rc = put_public(w, pub, e);
	EVP_PKEY_free(pub);
	return rc;
}

static int do_public(struct keystore *ks, struct rd *r, struct wr *w, struct err *e)
{
	char name[KEY_NAME_MAX];
	EVP_PKEY *pub = NULL;

	if (!ipc_get_str(r, name, sizeof(name)) || !rd_done(r))
		return malformed(e);
	int rc = ks->ops->public_key(ks, name, &pub, e);
	if (rc < 0)
		return rc;
	rc = put_public(w, pub, e);
	EVP_PKEY_free(pub);
	return rc;
}

static int do_sign(struct keystore *ks, struct rd *r, struct wr *w, enum keeper_role role, uint32_t legacy, struct err *e)
{
	char name[KEY_NAME_MAX];
	struct key_sign req = {0};
	uint8_t scheme, message, sig[KEY_SIG_MAX];
	uint32_t md;
	size_t len = sizeof(sig);

	if (!ipc_get_str(r, name, sizeof(name)) || !rd_u8(r, &scheme) || !rd_u8(r, &message) || !rd_u32(r, &md) ||
	    !rd_view16(r, &req.input) || !rd_done(r) || scheme > KEY_SCHEME_RSA_DECRYPT || message > 1)
		return malformed(e);
	req.scheme = (enum key_scheme)scheme;
	req.message = message != 0;
	req.md_nid = (int)md;
	int rc = keeper_allows(role, legacy, name, &req, e);
	if (rc == 0)
		rc = ks->ops->sign(ks, name, &req, sig, &len, e);
	if (rc < 0)
		return rc;
	wr_bytes(w, sig, len);
	secret_wipe(sig, sizeof(sig)); /* of a decryption, it is the premaster secret */
	return 0;
}

static int do_import(struct keystore *ks, struct rd *r, struct wr *w, struct err *e)
{
	char unit[KEY_NAME_MAX], name[KEY_NAME_MAX];
	struct view pkcs8;

	if (!ipc_get_str(r, unit, sizeof(unit)) || !rd_view16(r, &pkcs8) || !rd_done(r))
		return malformed(e);
	int rc = ks->ops->import(ks, unit, pkcs8, name, e);
	if (rc < 0)
		return rc;
	ipc_put_str(w, name);
	return 0;
}

static int do_export(struct keystore *ks, struct rd *r, struct wr *w, enum keeper_role role, struct err *e)
{
	char name[KEY_NAME_MAX];
	uint8_t *pkcs8 = NULL;
	size_t len = 0;

	if (!ipc_get_str(r, name, sizeof(name)) || !rd_done(r))
		return malformed(e);
	int rc = keeper_lends(role, name, e);
	if (rc == 0)
		rc = ks->ops->export(ks, name, &pkcs8, &len, e);
	if (rc < 0)
		return rc;
	wr_bytes(w, pkcs8, len);
	secret_free(pkcs8, len);
	return 0;
}

static int do_remove(struct keystore *ks, struct rd *r, struct err *e)
{
	char name[KEY_NAME_MAX];

	if (!ipc_get_str(r, name, sizeof(name)) || !rd_done(r))
		return malformed(e);
	return ks->ops->remove(ks, name, e);
}

struct name_page {
	struct wr *w;
	uint32_t skip;
	bool more;
};

static int put_name(void *ctx, const char *name)
{
	struct name_page *p = ctx;

	if (p->skip) {
		p->skip--;
		return 0;
	}
	if (p->w->len + strlen(name) + 2 > KEEPER_PAGE) {
		p->more = true;
		return 1;
	}
	ipc_put_str(p->w, name);
	return 0;
}

static int do_list(struct keystore *ks, struct rd *r, struct wr *w, struct err *e)
{
	struct name_page page = {.w = w};

	if (!rd_u32(r, &page.skip) || !rd_done(r))
		return malformed(e);
	wr_u8(w, 0);
	int rc = ks->ops->list(ks, put_name, &page, e);
	if (rc < 0)
		return rc;
	if (page.more) /* put_name ended the list */
		w->p[0] = 1;
	return 0;
}

static int perform(struct keystore *ks, enum keeper_role role, uint32_t legacy, const struct ipc_msg *m, struct wr *w,
		   struct err *e)
{
	struct rd r;

	rd_init(&r, m->body.p, m->body.len);
	if (m->type == IPC_KEY_SIGN)
		return do_sign(ks, &r, w, role, legacy, e);
	if (m->type == IPC_KEY_EXPORT)
		return do_export(ks, &r, w, role, e);
	if (role != KEEPER_FOR_DIRECTOR)
		return err_set(e, ERR_AUTH, "only the director may have this done");
	switch (m->type) {
	case IPC_KEY_GENERATE:
		return do_generate(ks, &r, w, e);
	case IPC_KEY_PUBLIC:
		return do_public(ks, &r, w, e);
	case IPC_KEY_IMPORT:
		return do_import(ks, &r, w, e);
	case IPC_KEY_REMOVE:
		return do_remove(ks, &r, e);
	case IPC_KEY_LIST:
		return do_list(ks, &r, w, e);
	default:
		return err_rule(e, "keeper-request", -1, "the keeper knows no request %u", m->type);
	}
}

/* Answer one request. What is refused is logged here, with the role and never with the octets. */
static int answer(struct keystore *ks, struct keeper_channel ch, uint32_t legacy, const struct ipc_msg *m, struct err *e)
{
	static _Thread_local struct log_limiter limiter = {.burst = 20};
	struct err why = ERR_INIT;
	struct wr w;

	wr_init(&w, IPC_BODY_MAX);
	int rc = perform(ks, ch.role, legacy, m, &w, &why);
	if (rc == 0 && w.failed)
		rc = err_set(&why, w.failed, "the keeper's answer does not fit into a message");
	struct ipc_msg reply = {.type = rc == 0 ? IPC_REPLY : IPC_FAILED, .id = m->id};
	if (rc < 0) {
		/* That a key on a token is not lent is no refusal: the worker then borrows it. */
		bool not_lent = ch.role == KEEPER_FOR_WORKER && m->type == IPC_KEY_EXPORT && rc == ERR_USAGE;
		if (ch.role != KEEPER_FOR_DIRECTOR && !not_lent)
			log_limited(&limiter, LOG_LEVEL_WARN, "refused a request of %s: %s",
				    ch.role == KEEPER_FOR_RUNNER ? "the runner" : "a worker", why.text);
		secret_wipe(w.p, w.len);
		wr_clear(&w);
		ipc_failed_encode(&w, &why);
	}
	reply.body = wr_view_all(&w);
	rc = ipc_send(ch.fd, &reply, e);
	secret_wipe(w.p, w.len);
	wr_clear(&w);
	return rc;
}

int keeper_serve(struct keystore *ks, struct keeper_channel ch, uint32_t legacy, struct err *e)
{
	uint8_t *buf = secret_new(IPC_MAX);
	int rc = 0;

	if (!buf)
		return err_set(e, ERR_NOMEM, "no memory for the keeper's requests");
	while (rc == 0) {
		struct err why = ERR_INIT;
		struct ipc_msg m;
		rc = ipc_recv(ch.fd, buf, &m, &why);
		if (rc == 0)
			rc = m.type < IPC_KEY_GENERATE ? 0 : answer(ks, ch, legacy, &m, &why);
		else if (rc == ERR_PROTO)
			rc = 0; /* without a header there is nobody to answer */
		if (rc < 0 && rc != ERR_CLOSED)
			err_set(e, rc, "%s", why.text);
		secret_wipe(buf, IPC_MAX);
	}
	secret_free(buf, IPC_MAX);
	return rc == ERR_CLOSED ? 0 : rc;
}

/* --- the process --- */

struct client {
	pthread_t thread;
	struct keystore *ks; /* shared: a file keystore takes several threads at once */
	struct keeper_channel ch;
	uint32_t legacy;
};

static void *client_thread(void *arg)
{
	struct client *c = arg;
	struct err e = ERR_INIT;

	if (keeper_serve(c->ks, c->ch, c->legacy, &e) < 0)
		log_error("a channel of the keeper ends: %s", e.text);
	return NULL;
}

static int start_client(struct client *c, pthread_attr_t *attr, struct err *e)
{
	int rc = pthread_create(&c->thread, attr, client_thread, c);

	return rc ? err_set(e, ERR_IO, "the keeper could not start a thread: %s", strerror(rc)) : 0;
}

int keeper_run(const struct keeper_config *cfg, struct err *e)
{
	struct client *clients = calloc(cfg->n_channels, sizeof(*clients));
	pthread_attr_t attr;
	size_t n = 0;
	int rc = 0;

	if (!clients)
		return err_set(e, ERR_NOMEM, "no memory for the keeper's channels");
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	for (; n < cfg->n_channels && rc == 0; n += rc == 0) {
		clients[n] = (struct client){.ks = cfg->keys, .ch = cfg->channels[n], .legacy = cfg->legacy};
		rc = start_client(&clients[n], &attr, e);
	}
	pthread_attr_destroy(&attr);
	if (rc < 0)
		return rc; /* the process ends with it, and with it the threads that run */
	for (size_t i = 0; i < n; i++)
		pthread_join(clients[i].thread, NULL);
	free(clients);
	return 0;
}
