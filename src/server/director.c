#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "cluster/param.h"
#include "cluster/publish.h"
#include "cluster/recovery.h"
#include "format/sgn.h"
#include "server/callcontrol.h"
#include "server/capf.h"
#include "server/child.h"
#include "server/contacts.h"
#include "server/control.h"
#include "server/ctl_provider.h"
#include "server/monitor.h"
#include "server/resets.h"
#include "server/sandbox.h"
#include "server/signer.h"
#include "server/tvs.h"
#include "store/service.h"

/*
 * TLS servers of the workers, and whose certificate each shows. Source: formats-and-protocols.md 6, 8.4
 *
 * legacy-https cannot show that of https: phones of its kind take no EC key. CallManager's RSA certificate is in their
 * lists, but its key signs files and lists, and whoever listens there has the keeper decrypt what strangers send. A
 * certificate of its own that the lists carry as TFTP would be no better: with an RSA key that function signs files, too
 * (2.2). What such phones fetch by HTTPS are services, for which they want an APP-SERVER: tomcat is that, TVS vouches for
 * it, and its key does handshakes and nothing else.
 */
static const struct {
	enum listen_service service;
	const char *unit;
} identities[] = {
	{LISTEN_HTTPS, "CallManager-ECDSA"},
	{LISTEN_TVS, "TVS"},
	{LISTEN_LEGACY_TVS, "TVS"},
	{LISTEN_CAPF, "CAPF"},
	{LISTEN_LEGACY_CAPF, "CAPF"},
	{LISTEN_CTL_PROVIDER, "tomcat"},
	{LISTEN_LEGACY_HTTPS, "tomcat"},
};
#define N_IDENTITIES (sizeof(identities) / sizeof(identities[0]))

#define PHONES_LOOK_S 1   /* between two looks whether phones have changed without a command, or made themselves known */
#define PHONES_REST 9     /* times as long as publishing their index took is rested before the next */

struct director {
	struct node *node;
	struct event_base *base;
	int provisioning;
	struct keystore *keys;
	struct store *store;
	struct cluster *cluster;
	struct phones_publisher *phones;
	uint64_t phones_rest_ms; /* until then no look at the phones without a command */
	struct event *phones_look;
	struct signer *signer;
	struct tvs_director *tvs;
	struct capf_director *capf;
	struct ctl_provider_director *ctl_provider;
	struct contacts *contacts; /* of all workers, until the next look */
	struct monitor *monitor;
	struct admin_host host;
	struct control *control;
	struct event *term;
	struct ipc_channel *link;
	struct ipc_channel *workers[LISTENERS_MAX_WORKERS];
	struct ipc_channel *caller, *runner;
	struct resets *resets;
	struct callcontrol *callcontrol;

	/* What the workers were told. */
	uint64_t epoch;
	uint32_t services;
	struct cert *identity[N_IDENTITIES];
};

/* --- what workers are told --- */

static void tell(struct director *d, unsigned worker, uint16_t type, struct view body)
{
	struct ipc_msg m = {.type = type, .body = body};
	struct err e = ERR_INIT;

	if (d->workers[worker] && ipc_channel_send(d->workers[worker], &m, &e) < 0)
		log_error("worker %u: %s", worker, e.text);
}

static void tell_epoch(struct director *d, unsigned worker)
{
	struct wr w;

	wr_init(&w, 8);
	wr_u64(&w, d->epoch);
	tell(d, worker, IPC_EPOCH, wr_view_all(&w));
	wr_clear(&w);
}

static void tell_services(struct director *d, unsigned worker, uint32_t services)
{
	struct wr w;

	wr_init(&w, 4);
	wr_u32(&w, services);
	tell(d, worker, IPC_SERVICES, wr_view_all(&w));
	wr_clear(&w);
}

static void tell_identity(struct director *d, unsigned worker, size_t i)
{
	char key[KEY_NAME_MAX];
	struct err e = ERR_INIT;
	struct wr w;

	if (!d->identity[i])
		return;
	if (key_name(identities[i].unit, cert_spki(d->identity[i]), key, &e) < 0) {
		log_error("%s: %s", identities[i].unit, e.text);
		return;
	}
	wr_init(&w, IPC_BODY_MAX);
	wr_u8(&w, (uint8_t)identities[i].service);
	ipc_put_str(&w, key);
	wr_open16(&w);
	wr_view(&w, cert_der(d->identity[i]));
	wr_close(&w);
	tell(d, worker, IPC_IDENTITY, wr_view_all(&w));
	wr_clear(&w);
}

/* The services come last: a worker that hears of them has what it needs to serve. */
static void tell_all(struct director *d, unsigned worker)
{
	tell_epoch(d, worker);
	tell(d, worker, IPC_TVS_INDEX, (struct view){0});
	for (size_t i = 0; i < N_IDENTITIES; i++)
		tell_identity(d, worker, i);
	tell_services(d, worker, d->services);
}

/* --- what there is to tell --- */

/* Two things switch a legacy listener on: an address for it, and the parameter that says what it does. */
static int legacy_allowed(struct director *d, bool *allowed, struct err *e)
{
	AUTO(auto_free) char *value = NULL;
	int rc = param_get(d->cluster, PARAM_LEGACY_TLS, &value, e);

	if (rc == 0)
		*allowed = strcmp(value, "True") == 0;
	return rc;
}

static int running_services(struct director *d, uint32_t *services, struct err *e)
{
	uint32_t got = 0;
	bool legacy = false;
	int failed = legacy_allowed(d, &legacy, e);

	if (failed < 0)
		return failed;

	for (int s = 0; s < LISTEN_COUNT; s++) {
		struct store_service svc;
		if (!listen_kinds[s].served)
			continue;
		int rc = store_service_get(d->store, d->node->cfg.node_name, listen_kinds[s].service, &svc, e);
		if (rc < 0)
			return rc;
		if (svc.activated && svc.started && (!listen_kinds[s].legacy || legacy))
			got |= LISTEN_BIT(s);
	}
	*services = got;
	return 0;
}

static void refresh_services(struct director *d)
{
	struct err e = ERR_INIT;
	uint32_t now;

	if (running_services(d, &now, &e) < 0) {
		log_error("services stay as they are: %s", e.text);
		return;
	}
	if (now == d->services)
		return;
	d->services = now;
	for (unsigned w = 0; w < d->node->n_workers; w++)
		tell_services(d, w, now);
}

static void refresh_identity(struct director *d, size_t i)
{
	struct cert *cert = NULL;
	struct err e = ERR_INIT;

	if (cluster_own_cert(d->cluster, NULL, identities[i].unit, &cert, &e) < 0) {
		log_error("%s: %s", identities[i].unit, e.text);
		return;
	}
	if (!cert || (d->identity[i] && cert_same(cert, d->identity[i]))) {
		cert_unref(cert);
		return;
	}
	cert_unref(d->identity[i]);
	d->identity[i] = cert;
	for (unsigned w = 0; w < d->node->n_workers; w++)
		tell_identity(d, w, i);
}

/* Workers look at the file itself: before this returns they hide what is to be hidden. */
static void refresh_phones(struct director *d)
{
	static struct log_limiter limiter = {.burst = 10};
	uint64_t start = clock_mono_ms(&clock_system);
	struct err e = ERR_INIT;
	bool changed;

	if (phones_publish(d->phones, &changed, &e) < 0)
		log_limited(&limiter, LOG_LEVEL_ERROR, "phones: %s", e.text);
	uint64_t end = clock_mono_ms(&clock_system);
	d->phones_rest_ms = end + PHONES_REST * (end - start);
}

static void store_contacts(struct director *d)
{
	static struct log_limiter limiter = {.burst = 1};
	struct err e = ERR_INIT;
	size_t created;

	if (contacts_store(d->contacts, d->cluster, clock_wall_s(&clock_system), &created, &e) < 0)
		log_limited(&limiter, LOG_LEVEL_ERROR, "which phones were here was not recorded: %s", e.text);
	else if (created)
		log_info("%zu phones were added at their first contact", created);
}

#define CALLMANAGER "Cisco CallManager"
#define CHANGE_NOTIFICATION "Cisco Certificate Change Notification"

/* Phones that are reset come back to the call control: it must have the certificate that they are to find there. */
static void refresh_callcontrol(struct director *d)
{
	struct store_service svc;
	struct err e = ERR_INIT;

	if (store_service_get(d->store, d->node->cfg.node_name, CALLMANAGER, &svc, &e) < 0)
		log_error("%s", e.text);
	else
		callcontrol_look(d->callcontrol, svc.activated && svc.started && !config_contradicts(&d->node->cfg));
	resets_hold(d->resets, !callcontrol_in_order(d->callcontrol));
	resets_look(d->resets);
}

static void on_callcontrol(void *ctx)
{
	struct director *d = ctx;

	resets_hold(d->resets, false);
	resets_look(d->resets);
}

static void on_phones_look(evutil_socket_t fd, short what, void *ctx)
{
	struct director *d = ctx;

	(void)fd;
	(void)what;
	store_contacts(d);
	if (phones_publish_due(d->phones) && clock_mono_ms(&clock_system) >= d->phones_rest_ms)
		refresh_phones(d);
}

static void on_capf_changed(void *ctx)
{
	refresh_phones(ctx);
}

static void on_capf_seen(void *ctx, const char *device, const char *peer, bool old_tls)
{
	contacts_note(((struct director *)ctx)->contacts, device, NULL, peer, old_tls);
}

static void on_tvs_index(void *ctx)
{
	struct director *d = ctx;

	for (unsigned w = 0; w < d->node->n_workers; w++)
		tell(d, w, IPC_TVS_INDEX, (struct view){0});
}

/* A command may have changed anything: look, and tell what is new. Looking is cheap. */
static void refresh(void *ctx)
{
	struct director *d = ctx;
	struct err e = ERR_INIT;
	uint64_t epoch;

	signer_refresh(d->signer);
	refresh_phones(d);
	refresh_services(d);
	for (size_t i = 0; i < N_IDENTITIES; i++)
		refresh_identity(d, i);
	tvs_director_refresh(d->tvs);
	monitor_refresh(d->monitor);
	refresh_callcontrol(d);
	if (publish_generation(d->cluster, &epoch, &e) < 0) {
		log_error("the generation in force: %s", e.text);
		return;
	}
	if (epoch == d->epoch)
		return;
	d->epoch = epoch;
	log_info("generation %llu is in force", (unsigned long long)epoch);
	for (unsigned w = 0; w < d->node->n_workers; w++)
		tell_epoch(d, w);
}

/* --- what workers ask --- */

static int sign_request(struct director *d, struct view body, struct wr *reply, struct err *e)
{
	char base[SGN_NAME_MAX + 1], file_name[SGN_NAME_MAX + 1], name[SIGNER_NAME_MAX];
	struct rd r;

	rd_init(&r, body.p, body.len);
	if (!ipc_get_str(&r, base, sizeof(base)) || !ipc_get_str(&r, file_name, sizeof(file_name)) || !rd_done(&r))
		return err_rule(e, "sign-request", -1, "a request for a signature is malformed");
	int rc = signer_sign(d->signer, base, file_name, name, e);
	if (rc == 0)
		ipc_put_str(reply, name);
	return rc;
}

static void on_sign(struct director *d, struct ipc_channel *ch, const struct ipc_msg *m)
{
	static struct log_limiter limiter = {.burst = 20};
	struct err e = ERR_INIT;
	struct wr w;

	wr_init(&w, IPC_BODY_MAX);
	int rc = sign_request(d, m->body, &w, &e);
	if (rc < 0 && e.sys_errno != ENOENT)
		log_limited(&limiter, LOG_LEVEL_WARN, "a file could not be signed: %s", e.text);
	if (rc < 0)
		ipc_failed_encode(&w, &e);
	struct ipc_msg reply = {.type = rc < 0 ? IPC_FAILED : IPC_REPLY, .id = m->id, .body = wr_view_all(&w)};
	e = ERR_INIT;
	if (ipc_channel_send(ch, &reply, &e) < 0)
		log_limited(&limiter, LOG_LEVEL_WARN, "an answer to a worker: %s", e.text);
	wr_clear(&w);
}

static void on_contacts(struct director *d, struct view body)
{
	static struct log_limiter limiter = {.burst = 1};
	struct err e = ERR_INIT;

	if (contacts_receive(d->contacts, body, &e) < 0)
		log_limited(&limiter, LOG_LEVEL_WARN, "%s", e.text);
}

static unsigned worker_of(const struct director *d, const struct ipc_channel *ch)
{
	unsigned w = 0;

	while (d->workers[w] != ch)
		w++;
	return w;
}

static void on_worker_message(void *ctx, struct ipc_channel *ch, const struct ipc_msg *m)
{
	struct director *d = ctx;
	unsigned worker = worker_of(d, ch);

	switch (m->type) {
	case IPC_HELLO: tell_all(d, worker); return;
	case IPC_SIGN: on_sign(d, ch, m); return;
	case IPC_CAPF_ASK: capf_director_ask(d->capf, worker, ch, m); return;
	case IPC_CAPF_GONE: capf_director_gone(d->capf, worker, m); return;
	case IPC_CAPF_REFUSED: capf_director_refused(d->capf, worker, m); return;
	case IPC_CONTACTS: on_contacts(d, m->body); return;
	case IPC_CTL_PROVIDER: ctl_provider_director_ask(d->ctl_provider, ch, m); return;
	default: return;
	}
}

static void on_worker_restarted(void *ctx, struct ipc_channel *ch)
{
	struct director *d = ctx;

	capf_director_worker_lost(d->capf, worker_of(d, ch));
}

/* --- what commands use --- */

static const char *service_absent(void *ctx, const char *service)
{
	const struct director *d = ctx;

	if (strcmp(service, CALLMANAGER) == 0 && config_contradicts(&d->node->cfg))
		return CONFIG_KEY_ON_TOKEN "; " CONFIG_KEY_REMEDY;
	if (strcmp(service, CALLMANAGER) == 0)
		return d->node->cfg.callcontrol.adapter ? NULL : "no adapter in [callcontrol] of " CONFIG_FILE;
	for (int s = 0; s < LISTEN_COUNT; s++)
		if (listen_kinds[s].served && strcmp(listen_kinds[s].service, service) == 0)
			return NULL;
	if (strcmp(service, MONITOR_SERVICE_NAME) == 0)
		return NULL;
	if (strcmp(service, CHANGE_NOTIFICATION) == 0)
		return "not needed: each change of a certificate is in force on this node at once";
	return "this release does not have it";
}

static const char *service_trouble(void *ctx, const char *service)
{
	return strcmp(service, CALLMANAGER) == 0 ? callcontrol_trouble(((struct director *)ctx)->callcontrol) : NULL;
}

static int service_apply(void *ctx, const char *service, enum admin_service_action action, struct err *e)
{
	struct director *d = ctx;
	uint32_t its = 0;

	if (strcmp(service, MONITOR_SERVICE_NAME) == 0)
		return action == ADMIN_SERVICE_STOP ? 0 : monitor_service(d->monitor, e);
	for (int s = 0; s < LISTEN_COUNT; s++)
		if (strcmp(listen_kinds[s].service, service) == 0)
			its |= LISTEN_BIT(s);
	/* A restart ends what is under way, as it does with CUCM's. */
	for (unsigned w = 0; action == ADMIN_SERVICE_RESTART && w < d->node->n_workers; w++)
		tell_services(d, w, d->services & ~its);
	if (action == ADMIN_SERVICE_RESTART)
		d->services &= ~its;
	refresh_services(d);
	if (strcmp(service, CALLMANAGER) == 0 && action == ADMIN_SERVICE_RESTART)
		callcontrol_again(d->callcontrol); /* when the command has ended */
	return 0;
}

static int mail_test(void *ctx, char **to, struct err *e)
{
	return monitor_test(((struct director *)ctx)->monitor, to, e);
}

static size_t processes(void *ctx, struct admin_process *p, size_t max)
{
	struct board *b = ((struct director *)ctx)->node->board;
	size_t n = 0;

	for (unsigned i = 0; i < board_n_processes(b) && n < max; i++, n++) {
		const struct board_process *from = board_process(b, i);
		p[n] = (struct admin_process){.pid = atomic_load(&from->pid),
					      .started_s = atomic_load(&from->started_s),
					      .restarts = atomic_load(&from->restarts)};
		snprintf(p[n].name, sizeof(p[n].name), "%.15s", from->name);
	}
	return n;
}

static size_t put_counter(struct admin_counter *c, size_t n, size_t max, const char *name, uint64_t value)
{
	if (n >= max)
		return n;
	c[n].value = value;
	snprintf(c[n].name, sizeof(c[n].name), "%s", name);
	return n + 1;
}

static size_t counters(void *ctx, struct admin_counter *c, size_t max)
{
	struct director *d = ctx;
	const struct signer_stats *s = signer_stats(d->signer);
	const struct capf_director_stats *capf = capf_director_stats(d->capf);
	const struct ctl_provider_stats *ctl = ctl_provider_director_stats(d->ctl_provider);
	uint64_t sum[STAT_COUNT];
	size_t n = 0;

	board_sum(d->node->board, sum);
	for (int i = 0; i < STAT_COUNT; i++)
		n = put_counter(c, n, max, worker_stat_names[i], sum[i]);
	n = put_counter(c, n, max, "tvs certificates", tvs_director_certificates(d->tvs));
	n = put_counter(c, n, max, "capf operations done", capf->succeeded);
	n = put_counter(c, n, max, "capf sessions with nothing to do", capf->nothing);
	n = put_counter(c, n, max, "capf sessions refused", capf->refused);
	n = put_counter(c, n, max, "capf sessions failed here", capf->failed);
	n = put_counter(c, n, max, "capf sessions now", capf_director_sessions(d->capf));
	n = put_counter(c, n, max, "ctl-provider logins", ctl->logins);
	n = put_counter(c, n, max, "ctl-provider requests refused", ctl->refused);
	n = put_counter(c, n, max, "ctl-provider lists stored", ctl->stored);
	n = put_counter(c, n, max, "files signed", s->signed_files);
	n = put_counter(c, n, max, "files encrypted", s->encrypted);
	n = put_counter(c, n, max, "files signed before and found", s->from_cache);
	n = put_counter(c, n, max, "files that could not be signed", s->failed);
	return put_counter(c, n, max, "octets of signed files kept", s->cache_octets);
}

static int reset_start(void *ctx, const char *who, enum sip_action action, const struct phones_filter *f, struct err *e)
{
	return resets_start(((struct director *)ctx)->resets, who, action, f, e);
}

static const struct phone_reset_job *reset_job(void *ctx)
{
	return resets_job(((struct director *)ctx)->resets);
}

static bool reset_stop(void *ctx)
{
	return resets_stop(((struct director *)ctx)->resets);
}

/* --- beginning and end --- */

static void on_term(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(((struct director *)ctx)->base);
}

static void on_link_closed(void *ctx, struct ipc_channel *ch, const struct err *why)
{
	(void)ch;
	(void)why;
	event_base_loopbreak(((struct director *)ctx)->base);
}

static void on_link_message(void *ctx, struct ipc_channel *ch, const struct ipc_msg *m)
{
	(void)ctx;
	(void)ch;
	(void)m;
}

int node_open_provisioning(const struct node *node, int *fd, struct err *e)
{
	int rc = file_open_dir(node->data_dir, node->cfg.provisioning, fd, e);

	if (rc < 0)
		err_prefix(e, "the folder of the phones' files ([paths] provisioning in " CONFIG_FILE ")");
	return rc;
}

/* The port that phones find TVS on: this node's; the nodes of a cluster are alike. */
static uint16_t tvs_port(const struct director *d)
{
	const struct listen_set *set = &d->node->cfg.listen[LISTEN_TVS];

	return set->n ? set->addrs[0].port : listen_kinds[LISTEN_TVS].port;
}

static int open_signer(struct director *d, struct err *e)
{
	struct signer_site site = {.cluster = d->cluster,
				   .clock = &clock_system,
				   .random = &random_system,
				   .provisioning_dir = d->provisioning,
				   .tvs_port = tvs_port(d)};
	int rc = phones_publisher_new(d->cluster, site.tvs_port, &d->phones, e);

	site.phones = d->phones;
	return rc < 0 ? rc : signer_new(&site, &d->signer, e);
}

static int open_cluster(struct director *d, struct err *e)
{
	struct cluster_config cfg = {.data_dir = d->node->data,
				     .clock = &clock_system,
				     .random = &random_system,
				     .node = d->node->cfg.node_name,
				     .token = d->node->cfg.keystore.token[0]};
	struct capf_director_handler capf = {.changed = on_capf_changed, .seen = on_capf_seen, .ctx = d};
	bool changed;
	int rc;

	if ((rc = keystore_keeper_open(d->node->keeper_director[1], &d->keys, e)) < 0 ||
	    (rc = store_open(d->node->cfg.store_url, d->node->data, 0, &d->store, e)) < 0)
		return rc;
	cfg.store = d->store;
	cfg.keys = d->keys;
	if (d->node->cfg.callcontrol.adapter)
		cfg.call_control = (struct cluster_call_control){.folder = d->node->cfg.callcontrol.folder,
								 .reload = *d->node->cfg.callcontrol.reload};
	if ((rc = cluster_open(&cfg, &d->cluster, e)) < 0 ||
	    (rc = publish_refresh(d->cluster, "ringfence serve", "start", &changed, e)) < 0)
		return rc;
	if ((rc = tvs_director_new(d->base, d->cluster, &clock_system, on_tvs_index, d, &d->tvs, e)) < 0 ||
	    (rc = capf_director_new(d->base, d->store, d->cluster, &capf, &d->capf, e)) < 0 ||
	    (rc = contacts_new(&d->contacts, e)) < 0 ||
	    (rc = ctl_provider_director_new(d->cluster, &clock_system, refresh, d, &d->ctl_provider, e)) < 0)
		return rc;
	return open_signer(d, e);
}

static int open_callcontrol(struct director *d, struct err *e)
{
	const struct callcontrol_site site = {.base = d->base,
					      .cluster = d->cluster,
					      .store = d->store,
					      .runner = d->runner,
					      .cfg = &d->node->cfg.callcontrol,
					      .data_dir = d->node->data_dir,
					      .done = on_callcontrol,
					      .ctx = d};

	return callcontrol_new(&site, &d->callcontrol, e);
}

static int open_channels(struct director *d, struct err *e)
{
	struct ipc_handlers link = {.message = on_link_message, .closed = on_link_closed, .ctx = d};
	struct ipc_handlers worker = {.message = on_worker_message, .restarted = on_worker_restarted, .ctx = d};
	struct monitor_site monitor = {.base = d->base, .cluster = d->cluster, .store = d->store,
				       .node = d->node->cfg.node_name, .data_dir = d->node->data_dir,
				       .mailer = d->node->director_mailer[0]};
	struct ipc_handlers other = {.message = on_link_message, .ctx = d}; /* they only answer */
	int rc = ipc_channel_new(d->base, d->node->link, &link, &d->link, e);

	if (rc == 0)
		rc = ipc_channel_new(d->base, d->node->director_caller[0], &other, &d->caller, e);
	if (rc == 0)
		rc = ipc_channel_new(d->base, d->node->director_runner[0], &other, &d->runner, e);
	if (rc == 0)
		rc = resets_new(d->base, d->cluster, d->caller, d->runner, *d->node->cfg.callcontrol.reset, &d->resets, e);

	if (rc == 0)
		rc = open_callcontrol(d, e);
	for (unsigned w = 0; w < d->node->n_workers && rc == 0; w++)
		rc = ipc_channel_new(d->base, d->node->director_worker[w][0], &worker, &d->workers[w], e);
	return rc < 0 ? rc : monitor_new(&monitor, &d->monitor, e);
}

static int open_control(struct director *d, struct err *e)
{
	d->host = (struct admin_host){.store = d->store,
				      .cluster = d->cluster,
				      .capf = capf_director_capf(d->capf),
				      .clock = &clock_system,
				      .data_dir = d->node->data_dir,
				      .provisioning_dir = d->provisioning,
				      .owner = d->node->who.owner_uid,
				      .group = d->node->who.owner_gid,
				      .started_s = clock_wall_s(&clock_system),
				      .service_absent = service_absent,
				      .service_apply = service_apply,
				      .mail_test = mail_test,
				      .service_trouble = service_trouble,
				      .processes = processes,
				      .counters = counters,
				      .reset_start = reset_start,
				      .reset_job = reset_job,
				      .reset_stop = reset_stop,
				      .ctx = d};
	return control_new(d->base, &d->host, refresh, d, &d->control, e);
}

static void remind_of_recovery(struct director *d)
{
	struct recovery_state state;
	struct err e = ERR_INIT;

	if (recovery_state(d->cluster, &state, &e) < 0)
		log_warn("recovery: %s", e.text);
	else if (state.text[0])
		log_warn("%s", state.text);
}

/* Half of what switches a legacy listener on is a mistake that shows only as phones that are refused. */
static void remind_of_legacy(struct director *d)
{
	bool allowed = false;
	struct err e = ERR_INIT;

	if (legacy_allowed(d, &allowed, &e) == 0 && allowed)
		return;
	for (int s = 0; s < LISTEN_COUNT; s++)
		if (listen_kinds[s].legacy && listen_kinds[s].served && d->node->cfg.listen[s].n)
			log_warn("%s has an address in " CONFIG_FILE " but does not answer: set the parameter '%s' to True if "
				 "phones need TLS 1.0", listen_kinds[s].key, PARAM_LEGACY_TLS);
}

static int begin(struct director *d, struct err *e)
{
	static const struct timeval look = {PHONES_LOOK_S, 0};
	struct ipc_msg ready = {.type = IPC_READY};
	int rc;

	if ((rc = child_drop(d->node, CHILD_DIRECTOR, e)) < 0 ||
	    (rc = node_open_provisioning(d->node, &d->provisioning, e)) < 0)
		return rc;
	OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
	d->base = event_base_new();
	d->term = d->base ? evsignal_new(d->base, SIGTERM, on_term, d) : NULL;
	d->phones_look = d->base ? event_new(d->base, -1, EV_PERSIST, on_phones_look, d) : NULL;
	if (!d->term || !d->phones_look || event_add(d->term, NULL) < 0 || event_add(d->phones_look, &look) < 0)
		return err_set(e, ERR_NOMEM, "no memory for the loop");
	if ((rc = sandbox_director(e)) < 0 || (rc = open_cluster(d, e)) < 0 || (rc = open_channels(d, e)) < 0)
		return rc;
	refresh(d);
	if ((rc = open_control(d, e)) < 0)
		return rc;
	/* Workers that waited for us have asked already; those that served on under our predecessor have not. */
	for (unsigned w = 0; w < d->node->n_workers; w++)
		tell_all(d, w);
	remind_of_recovery(d);
	remind_of_legacy(d);
	if (config_contradicts(&d->node->cfg))
		log_error("Cisco CallManager cannot run: " CONFIG_KEY_ON_TOKEN "; " CONFIG_KEY_REMEDY);
	return ipc_channel_send(d->link, &ready, e);
}

static void end(struct director *d)
{
	control_free(d->control);
	ipc_channel_free(d->caller);
	ipc_channel_free(d->runner);
	resets_free(d->resets);
	callcontrol_free(d->callcontrol);
	for (unsigned w = 0; w < d->node->n_workers; w++)
		ipc_channel_free(d->workers[w]);
	ipc_channel_free(d->link);
	signer_free(d->signer);
	phones_publisher_free(d->phones);
	for (size_t i = 0; i < N_IDENTITIES; i++)
		cert_unref(d->identity[i]);
	monitor_free(d->monitor);
	tvs_director_free(d->tvs);
	capf_director_free(d->capf);
	ctl_provider_director_free(d->ctl_provider);
	contacts_free(d->contacts);
	cluster_free(d->cluster);
	store_close(d->store);
	keystore_free(d->keys);
	if (d->phones_look)
		event_free(d->phones_look);
	if (d->term)
		event_free(d->term);
	if (d->base)
		event_base_free(d->base);
}

int director_main(struct node *node, unsigned index)
{
	struct director d = {.node = node, .provisioning = -1};
	struct err e = ERR_INIT;
	int rc = begin(&d, &e);

	(void)index;
	if (rc == 0)
		event_base_dispatch(d.base);
	else
		log_error("%s", e.text);
	end(&d);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
