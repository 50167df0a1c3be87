#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "net/tftp_server.h"
#include "net/tls.h"
#include "pki/key_pem.h"
#include "server/child.h"
#include "server/contacts.h"
#include "server/content_http.h"
#include "server/content_tftp.h"
#include "server/endpoint.h"
#include "server/sandbox.h"
#include "server/tvs.h"

#define WORKER_MAX_CONNS 8192        /* TCP connections of one process, all services together */
/*
 * Of one address. Thousands of phones may stand behind one and start together after a power cut; a phone whose question to
 * TVS is refused keeps its old lists until its next reset. Half is left to the others, and a full pool makes room.
 */
#define WORKER_MAX_PER_ADDRESS (WORKER_MAX_CONNS / 2)
#define WORKER_SPARE_FDS 512         /* for files, ports of TFTP transfers, channels */
#define WORKER_REPORT_MS 1000        /* between two reports of the counters */
#define WORKER_DRAIN_MS 10000        /* for transfers to end when the worker is to */
#define WORKER_DRAIN_LOOK_MS 50
#define WORKER_LET_GO_MS 1000        /* of that, for answers from director and keeper */
#define SIGN_TIMEOUT_MS 15000
/* OpenSSL also keeps the ephemeral key of every connection there (up to 128 octets), and fails when nothing is left. */
#define SECURE_HEAP (512 * WORKER_MAX_CONNS)
#define SECURE_HEAP_UNIT 32

struct worker {
	struct node *node;
	unsigned index;
	struct event_base *base;
	int published, provisioning;
	struct keystore *keys;
	struct content *content;
	struct net_pool *pool;
	struct tftp_server *tftp;
	struct tvs_map tvs_index;
	struct endpoint_site site;
	struct endpoint endpoints[LISTEN_COUNT];
	struct contacts *contacts; /* devices to tell the director of */
	struct ipc_channel *director;
	struct event *report, *term, *drain;
	unsigned n_asking;         /* questions to the director */
	bool ready;
	uint64_t draining_ms;      /* since when; 0: not */
};

/* --- what is running --- */

static void set_running(struct worker *w, int service, bool running)
{
	if (service == LISTEN_TFTP)
		tftp_server_set_serving(w->tftp, running);
	else
		endpoint_run(&w->endpoints[service], running);
}

static void set_services(struct worker *w, uint32_t services)
{
	for (int s = 0; s < LISTEN_COUNT; s++)
		set_running(w, s, (services & LISTEN_BIT(s)) != 0);
}

static void now_ready(struct worker *w)
{
	struct err e = ERR_INIT;

	if (w->ready)
		return;
	w->ready = true;
	if (child_ready(w->node, &e) < 0)
		log_error("%s", e.text);
}

/* --- what the director says --- */

static void on_services(struct worker *w, struct view body)
{
	struct rd r;
	uint32_t services;

	rd_init(&r, body.p, body.len);
	if (!rd_u32(&r, &services) || !rd_done(&r))
		return;
	board_set_services(w->node->board, w->index, services);
	set_services(w, services);
	now_ready(w);
}

static void on_epoch(struct worker *w, struct view body)
{
	struct rd r;
	uint64_t epoch;

	rd_init(&r, body.p, body.len);
	if (rd_u64(&r, &epoch) && rd_done(&r))
		content_set_epoch(w->content, epoch);
}

/*
 * The private key of a TLS server: TVS's is lent by the keeper, because to ask for each signature costs a quarter of
 * a handshake, and to have it an eighth (tests/bench/run_tvs.py); all others stay there. So does TVS's where phones may
 * still use RSA key exchange, so that the keeper decides what it decrypts, and where the keystore gives no keys out.
 */
static int get_key(struct worker *w, const struct endpoint *ep, const char *name, const struct cert *cert, EVP_PKEY **key,
		   struct err *e)
{
	struct err why = ERR_INIT;
	uint8_t *pkcs8 = NULL;
	size_t len = 0;
	int rc = ERR_USAGE;

	if (ep->speaks == SPEAKS_TVS && !ep->insecure)
		rc = w->keys->ops->export(w->keys, name, &pkcs8, &len, &why);
	if (rc == 0)
		rc = key_from_own_pkcs8((struct view){pkcs8, len}, key, e);
	else
		rc = key_borrow(w->keys, name, X509_get0_pubkey(cert_x509(cert)), key, e);
	secret_free(pkcs8, len);
	return rc;
}

static int use_identity(struct worker *w, struct endpoint *ep, const char *key_name, struct view der, struct err *e)
{
	struct cert *cert = NULL;
	EVP_PKEY *key = NULL;
	SSL_CTX *ctx = NULL;
	int rc = cert_from_der(der, &cert, e);

	if (rc == 0)
		rc = get_key(w, ep, key_name, cert, &key, e);
	if (rc == 0)
		rc = ep->insecure ? tls_server_new_insecure_legacy(cert, key, &ctx, e) : tls_server_new(cert, key, &ctx, e);
	if (rc == 0)
		endpoint_set_tls(ep, ctx);
	SSL_CTX_free(ctx);
	EVP_PKEY_free(key);
	cert_unref(cert);
	return rc;
}

/* A TLS server's certificate, new or changed: connections from now on show it. */
static void on_identity(struct worker *w, struct view body)
{
	char key[KEY_NAME_MAX];
	struct view der;
	uint8_t service;
	struct err e = ERR_INIT;
	struct rd r;

	rd_init(&r, body.p, body.len);
	if (!rd_u8(&r, &service) || !ipc_get_str(&r, key, sizeof(key)) || !rd_view16(&r, &der) || !rd_done(&r) ||
	    service >= LISTEN_COUNT || !w->endpoints[service].tls)
		return;
	struct endpoint *ep = &w->endpoints[service];
	if (use_identity(w, ep, key, der, &e) < 0)
		log_error("%s: its certificate cannot be used: %s", listen_kinds[service].key, e.text);
}

/* Requests from now on are answered from the index that is published now. */
static void load_tvs_index(struct worker *w)
{
	struct err e = ERR_INIT;

	if (tvs_map_load(&w->tvs_index, w->published, &e) < 0) {
		if (e.sys_errno != ENOENT)
			log_error("the index of TVS cannot be used: %s", e.text);
		return;
	}
	for (int s = 0; s < LISTEN_COUNT; s++)
		endpoint_set_index(&w->endpoints[s], &w->tvs_index.ix);
}

static void on_message(void *ctx, struct ipc_channel *ch, const struct ipc_msg *m)
{
	struct worker *w = ctx;

	(void)ch;
	if (m->type == IPC_SERVICES)
		on_services(w, m->body);
	else if (m->type == IPC_EPOCH)
		on_epoch(w, m->body);
	else if (m->type == IPC_IDENTITY)
		on_identity(w, m->body);
	else if (m->type == IPC_TVS_INDEX)
		load_tvs_index(w);
}

/* --- what the director is asked --- */

struct signing {
	struct worker *w;
	content_signed *done;
	void *ctx;
};

static void on_signed(void *ctx, int rc, struct view reply, const struct err *e)
{
	struct signing *s = ctx;
	struct err why = ERR_INIT;
	char name[64] = "";
	struct rd r;

	s->w->n_asking--;
	rd_init(&r, reply.p, reply.len);
	if (rc == 0 && (!ipc_get_str(&r, name, sizeof(name)) || !rd_done(&r))) {
		rc = err_rule(&why, "sign-reply", -1, "an answer of the director is malformed");
		e = &why;
	}
	s->done(s->ctx, rc, name, e);
	free(s);
}

static void request_signature(void *ctx, const char *base, const char *file_name, content_signed *done, void *done_ctx)
{
	struct worker *w = ctx;
	struct signing *s = malloc(sizeof(*s));
	struct err e = ERR_INIT;
	struct wr body;
	int rc = ERR_NOMEM;

	wr_init(&body, IPC_BODY_MAX);
	ipc_put_str(&body, base);
	ipc_put_str(&body, file_name);
	if (s && !body.failed && w->director) {
		*s = (struct signing){w, done, done_ctx};
		rc = ipc_channel_call(w->director, IPC_SIGN, wr_view_all(&body), SIGN_TIMEOUT_MS, on_signed, s, NULL, &e);
	}
	wr_clear(&body);
	if (rc == 0) {
		w->n_asking++;
		return;
	}
	free(s);
	rc = err_set(&e, rc, "the director cannot be asked for a signature now");
	done(done_ctx, rc, NULL, &e);
}

/* --- counters --- */

static void report_http(uint64_t now[STAT_COUNT], int first, const struct http_server *srv)
{
	const struct http_stats *s = srv ? http_server_stats(srv) : NULL;

	if (!s)
		return;
	now[first] += s->requests;
	now[first + 1] += s->served;
	now[first + 2] += s->refused;
	now[first + 3] += s->timed_out;
}

static void report_https(uint64_t now[STAT_COUNT], const struct http_server *srv, bool legacy)
{
	if (!srv)
		return;
	report_http(now, STAT_HTTPS_REQUESTS, srv);
	now[legacy ? STAT_HTTPS_LEGACY_TLS_FAILED : STAT_HTTPS_TLS_FAILED] = http_server_stats(srv)->tls_failed;
	if (legacy)
		now[STAT_HTTPS_LEGACY_CONNECTIONS] = http_server_stats(srv)->connections;
}

static void report_tvs(uint64_t now[STAT_COUNT], struct tvs_service *srv, bool legacy)
{
	const struct tvs_service_stats *s = srv ? tvs_service_stats(srv) : NULL;

	if (!s)
		return;
	now[legacy ? STAT_TVS_LEGACY_CONNECTIONS : STAT_TVS_CONNECTIONS] = s->requests.connections;
	now[legacy ? STAT_TVS_LEGACY_TLS_FAILED : STAT_TVS_TLS_FAILED] = s->handshakes_failed;
	now[STAT_TVS_VALID] += s->requests.verify_valid;
	now[STAT_TVS_INVALID] += s->requests.verify_invalid;
	now[STAT_TVS_FOUND] += s->requests.query_found;
	now[STAT_TVS_NOT_FOUND] += s->requests.query_not_found;
	now[STAT_TVS_MALFORMED] += s->requests.malformed;
	now[STAT_TVS_TIMED_OUT] += s->requests.timed_out;
	now[STAT_TVS_CURRENT] += s->current;
}

static void report_capf(uint64_t now[STAT_COUNT], struct capf_service *srv, bool legacy)
{
	const struct capf_service_stats *s = srv ? capf_service_stats(srv) : NULL;

	if (!s)
		return;
	now[legacy ? STAT_CAPF_LEGACY_CONNECTIONS : STAT_CAPF_CONNECTIONS] = s->connections;
	now[legacy ? STAT_CAPF_LEGACY_TLS_FAILED : STAT_CAPF_TLS_FAILED] = s->handshakes_failed;
	now[STAT_CAPF_MALFORMED] += s->malformed;
	now[STAT_CAPF_TIMED_OUT] += s->timed_out;
	now[STAT_CAPF_CURRENT] += s->current;
}

static void report_ctl_provider(uint64_t now[STAT_COUNT], struct ctl_provider_service *srv)
{
	const struct ctl_provider_service_stats *s = srv ? ctl_provider_service_stats(srv) : NULL;

	if (!s)
		return;
	now[STAT_CTLP_CONNECTIONS] = s->connections;
	now[STAT_CTLP_TLS_FAILED] = s->handshakes_failed;
	now[STAT_CTLP_MALFORMED] = s->malformed;
	now[STAT_CTLP_TIMED_OUT] = s->timed_out;
	now[STAT_CTLP_CURRENT] = s->current;
}

static void report(struct worker *w)
{
	const struct tftp_server_stats *t = tftp_server_stats(w->tftp);
	const struct net_pool_stats *p = net_pool_stats(w->pool);
	uint64_t now[STAT_COUNT] = {
		[STAT_TFTP_REQUESTS] = t->requests,
		[STAT_TFTP_COMPLETED] = t->completed,
		[STAT_TFTP_NOT_FOUND] = t->absent,
		[STAT_TFTP_REFUSED] = t->refused + t->failed,
		[STAT_TFTP_ABANDONED] = t->abandoned,
		[STAT_TFTP_RETRANSMITTED] = t->retransmitted,
		[STAT_TFTP_OCTETS] = t->octets,
		[STAT_TFTP_CURRENT] = t->current,
		[STAT_CONNECTIONS] = p->current,
		[STAT_CONNECTIONS_REFUSED] = p->refused_address + p->refused_full,
		[STAT_CONNECTIONS_EVICTED] = p->evicted,
	};

	report_http(now, STAT_HTTP_REQUESTS, w->endpoints[LISTEN_HTTP].http);
	report_https(now, w->endpoints[LISTEN_HTTPS].http, false);
	report_https(now, w->endpoints[LISTEN_LEGACY_HTTPS].http, true);
	report_tvs(now, w->endpoints[LISTEN_TVS].tvs, false);
	report_tvs(now, w->endpoints[LISTEN_LEGACY_TVS].tvs, true);
	report_capf(now, w->endpoints[LISTEN_CAPF].capf, false);
	report_capf(now, w->endpoints[LISTEN_LEGACY_CAPF].capf, true);
	report_ctl_provider(now, w->endpoints[LISTEN_CTL_PROVIDER].ctl_provider);
	for (int s = 0; s < LISTEN_COUNT; s++)
		now[STAT_ACCEPT_PAUSES] += endpoint_pauses(&w->endpoints[s]);
	board_report(w->node->board, w->index, now);
}

static void tell_contacts(struct worker *w)
{
	static struct log_limiter limiter = {.burst = 1};
	struct err e = ERR_INIT;

	if (w->director && contacts_send(w->contacts, w->director, &e) < 0)
		log_limited(&limiter, LOG_LEVEL_WARN, "the director was not told which devices were here: %s", e.text);
}

static void on_report(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	report(ctx);
	tell_contacts(ctx);
}

/* --- the end: finish what is being sent --- */

/* Sockets and channels are a successor's from here on; closing the link tells the supervisor so. */
static void let_go(struct worker *w)
{
	tell_contacts(w);
	for (int s = 0; s < LISTEN_COUNT; s++)
		endpoint_let_go(&w->endpoints[s]);
	ipc_channel_free(w->director);
	w->director = NULL;
	close(w->node->keeper_worker[w->index][1]);
	close(w->node->link);
	w->node->link = -1;
}

static void on_drain(evutil_socket_t fd, short what, void *ctx)
{
	struct worker *w = ctx;
	uint64_t since = clock_mono_ms(&clock_system) - w->draining_ms;
	bool empty = tftp_server_drain(w->tftp);

	(void)fd;
	(void)what;
	for (int s = 0; s < LISTEN_COUNT; s++)
		empty = endpoint_drain(&w->endpoints[s]) && empty;
	if (w->director && (empty || w->n_asking == 0 || since >= WORKER_LET_GO_MS))
		let_go(w);
	if (empty || since >= WORKER_DRAIN_MS)
		event_base_loopbreak(w->base);
}

static void on_term(evutil_socket_t fd, short what, void *ctx)
{
	static const struct timeval often = {0, WORKER_DRAIN_LOOK_MS * 1000};
	struct worker *w = ctx;

	if (w->draining_ms)
		return;
	w->draining_ms = clock_mono_ms(&clock_system);
	for (int s = 0; s < LISTEN_COUNT; s++)
		endpoint_leave(&w->endpoints[s]);
	event_add(w->drain, &often);
	on_drain(fd, what, w);
}

static void on_director_closed(void *ctx, struct ipc_channel *ch, const struct err *why)
{
	(void)ch;
	(void)why;
	event_base_loopbreak(((struct worker *)ctx)->base); /* the supervisor has gone */
}

/* --- the beginning --- */

static void on_seen(void *ctx, const char *file_name, const struct sockaddr *peer, bool old_tls)
{
	struct worker *w = ctx;

	contacts_note_file(w->contacts, file_name, peer, old_tls);
}

static void set_site(struct worker *w)
{
	w->site = (struct endpoint_site){
		.base = w->base,
		.pool = w->pool,
		.files = content_for_http(w->content),
		.contacts = w->contacts,
		.director = &w->director,
		.asking = &w->n_asking,
	};
}

static int open_listener(struct worker *w, const struct listener *l, struct err *e)
{
	if (l->service == LISTEN_TFTP)
		return tftp_server_listen(w->tftp, l->fd[w->index], e);
	return endpoint_open(&w->endpoints[l->service], &w->site, l->service, l->fd[w->index], e);
}

/* With the rights that we came with: sockets, folders. */
static int open_all(struct worker *w, struct err *e)
{
	struct content_signer signer = {request_signature, w};
	struct tftp_content tftp;
	int rc;

	if ((rc = file_open_dir(w->node->data_dir, "published", &w->published, e)) < 0 ||
	    (rc = node_open_provisioning(w->node, &w->provisioning, e)) < 0 ||
	    (rc = content_new(w->published, w->provisioning, &signer, &w->content, e)) < 0 ||
	    (rc = contacts_new(&w->contacts, e)) < 0)
		return rc;
	content_set_seen(w->content, on_seen, w);
	set_site(w);
	tftp = content_for_tftp(w->content);
	if ((rc = tftp_server_new(w->base, &clock_system, &tftp, NULL, &w->tftp, e)) < 0)
		return rc;
	for (size_t i = 0; i < w->node->listeners->n && rc == 0; i++)
		rc = open_listener(w, &w->node->listeners->l[i], e);
	return rc;
}

static int new_pool(struct worker *w, struct err *e)
{
	unsigned fds = sandbox_descriptors();
	unsigned most = fds > 2 * WORKER_SPARE_FDS ? fds - WORKER_SPARE_FDS : fds / 2;

	most = most < WORKER_MAX_CONNS ? most : WORKER_MAX_CONNS;
	return net_pool_new(most, most < WORKER_MAX_PER_ADDRESS ? most : WORKER_MAX_PER_ADDRESS, &w->pool, e);
}

static int new_events(struct worker *w, struct err *e)
{
	static const struct timeval often = {WORKER_REPORT_MS / 1000, (WORKER_REPORT_MS % 1000) * 1000};

	w->term = evsignal_new(w->base, SIGTERM, on_term, w);
	w->drain = event_new(w->base, -1, EV_PERSIST, on_drain, w);
	w->report = event_new(w->base, -1, EV_PERSIST, on_report, w);
	if (!w->term || !w->drain || !w->report || event_add(w->term, NULL) < 0 || event_add(w->report, &often) < 0)
		return err_set(e, ERR_NOMEM, "no memory for the loop");
	return 0;
}

/* For the one private key that workers have: nobody looks into this process, and its numbers are never paged out. */
static int protect_keys(struct err *e)
{
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_sys(e, ERR_IO, "PR_SET_DUMPABLE");
	if (CRYPTO_secure_malloc_init(SECURE_HEAP, SECURE_HEAP_UNIT) == 2)
		log_warn("the TVS key may be paged out: memory cannot be locked (raise the limit 'max locked memory')");
	return 0;
}

static int begin(struct worker *w, struct err *e)
{
	struct ipc_handlers h = {.message = on_message, .closed = on_director_closed, .ctx = w};
	struct ipc_msg hello = {.type = IPC_HELLO};
	uint32_t services;
	int rc;

	/* What the director says comes before what clients ask: its answer to a command is out when all have heard of it. */
	w->base = event_base_new();
	if (!w->base || event_base_priority_init(w->base, 2) < 0)
		return err_set(e, ERR_NOMEM, "no memory for the loop");
	if ((rc = new_pool(w, e)) < 0 || (rc = open_all(w, e)) < 0 || (rc = new_events(w, e)) < 0 ||
	    (rc = child_drop(w->node, CHILD_WORKER, e)) < 0)
		return rc;
	close(w->node->data_dir);
	board_keep_worker(w->node->board, w->index);
	OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG | OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL);
	if ((rc = protect_keys(e)) < 0)
		return rc;
	if ((rc = sandbox_worker(w->published, w->provisioning, e)) < 0 ||
	    (rc = keystore_keeper_open(w->node->keeper_worker[w->index][1], &w->keys, e)) < 0 ||
	    (rc = ipc_channel_new(w->base, w->node->director_worker[w->index][1], &h, &w->director, e)) < 0)
		return rc;
	load_tvs_index(w);
	/* What our predecessor served is served on, also while the director is away. */
	if (board_services(w->node->board, w->index, &services)) {
		set_services(w, services);
		now_ready(w);
	} else {
		tftp_server_set_serving(w->tftp, false);
	}
	return ipc_channel_send(w->director, &hello, e);
}

static void end(struct worker *w)
{
	for (int s = 0; s < LISTEN_COUNT; s++)
		endpoint_close(&w->endpoints[s]);
	contacts_free(w->contacts);
	tvs_map_clear(&w->tvs_index);
	tftp_server_free(w->tftp);
	content_free(w->content);
	ipc_channel_free(w->director);
	net_pool_free(w->pool);
	keystore_free(w->keys);
	if (w->term)
		event_free(w->term);
	if (w->drain)
		event_free(w->drain);
	if (w->report)
		event_free(w->report);
	if (w->base)
		event_base_free(w->base);
}

int worker_main(struct node *node, unsigned index)
{
	struct worker w = {.node = node, .index = index, .published = -1, .provisioning = -1};
	struct err e = ERR_INIT;
	int rc = begin(&w, &e);

	if (rc == 0) {
		event_base_dispatch(w.base);
		report(&w);
	} else {
		log_error("%s", e.text);
	}
	end(&w);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
