#include "cluster/phone_config.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cluster/cluster_internal.h"
#include "cluster/mode.h"
#include "cluster/param.h"
#include "cluster/phone_group.h"
#include "format/enc.h"
#include "phone/traits.h"
#include "store/devicecert.h"

/* Parameters, and the elements that they become. Source: formats-and-protocols.md 9. */
static const struct {
	const char *param, *element;
} urls[PHONE_CONFIG_URLS] = {
	{ PARAM_URL_AUTHENTICATION, "secureAuthenticationURL" },
	{ PARAM_URL_DIRECTORY, "secureDirectoryURL" },
	{ PARAM_URL_IDLE, "secureIdleURL" },
	{ PARAM_URL_INFORMATION, "secureInformationURL" },
	{ PARAM_URL_MESSAGES, "secureMessagesURL" },
	{ PARAM_URL_SERVICES, "secureServicesURL" },
};

/* --- models --- */

static const struct traits_table *models(void)
{
	static struct traits_table *table;

	/* What was built in was parsed by the tests. */
	if (!table && traits_parse(traits_builtin(), "models.conf", &table, NULL))
		return NULL;
	return table;
}

enum digest phone_model_digest(const char *model, enum digest wanted)
{
	const struct traits_table *t = models();

	return wanted == DIGEST_SHA512 && (!t || !traits_sha512(traits_find(t, model))) ? DIGEST_SHA1 : wanted;
}

uint32_t phone_model_max_sast(const char *model)
{
	const struct traits_table *t = models();

	return t ? traits_max_sast(traits_find(t, model)) : LIST_MAX_SAST;
}

const char *phone_family_max_sast(size_t i, uint32_t *max)
{
	const struct traits_table *t = models();
	const struct traits *row = t ? traits_at(t, i) : NULL;

	if (row)
		*max = traits_max_sast(row);
	return row ? row->family : NULL;
}

struct counting {
	int (*cb)(void *ctx, const char *model, uint64_t n);
	void *ctx;
};

static int count_model(void *ctx, const char *model, uint64_t n)
{
	const struct counting *k = ctx;

	return phone_model_digest(model, DIGEST_SHA512) == DIGEST_SHA512 ? 0 : k->cb(k->ctx, model, n);
}

int phones_sha1(struct cluster *c, int (*cb)(void *ctx, const char *model, uint64_t n), void *ctx, struct err *e)
{
	struct counting k = { cb, ctx };

	return store_device_models(c->store, count_model, &k, e);
}

/* --- servers --- */

static const char *address_of(const struct store_node *n)
{
	return n->address[0] ? n->address : n->name;
}

const char *phone_config_tvs_address(const struct store_node *n)
{
	const char *address = address_of(n);

	if (strlen(address) <= CONFXML_TVS_ADDRESS_MAX)
		return address;
	return n->address6[0] ? n->address6 : NULL;
}

int phone_config_note_address(const struct store_node *n, struct notes *notes, struct err *e)
{
	if (phone_config_tvs_address(n))
		return 0;
	return notes_add(notes, e, "%s has no address, and its name is longer than the %d characters that phones take: completed "
			 "configurations leave its TVS out until it has one.", n->name, CONFXML_TVS_ADDRESS_MAX);
}

int phone_config_note_addresses(struct cluster *c, struct notes *notes, struct err *e)
{
	AUTO(auto_free) struct store_node *nodes = NULL;
	size_t n = 0;
	int rc = store_node_list(c->store, &nodes, &n, e);

	for (size_t i = 0; !rc && i < n; i++)
		rc = phone_config_note_address(&nodes[i], notes, e);
	return rc;
}

/* Its CallManager group; without one the group Default; without that the cluster's nodes. One whose nodes have all been
 * taken from the cluster is none. */
static int find_group(struct cluster *c, const char *name, struct store_group *g, bool *found, struct err *e)
{
	int rc = store_group_get(c->store, name[0] ? name : PHONE_GROUP_DEFAULT, g, found, e);

	if (!rc && name[0] && !(*found && g->n))
		rc = store_group_get(c->store, PHONE_GROUP_DEFAULT, g, found, e);
	*found = !rc && *found && g->n;
	return rc;
}

static void add_tvs(struct phone_config *pc, const struct store_node *n, uint16_t port)
{
	const char *address = phone_config_tvs_address(n);
	size_t i = pc->trust.n_tvs;

	if (i == CONFXML_SERVERS_MAX || !address)
		return;
	snprintf(pc->tvs_host[i], sizeof(pc->tvs_host[i]), "%s", address);
	pc->trust.tvs[i] = (struct confxml_server){ pc->tvs_host[i], port };
	pc->trust.n_tvs++;
}

static int get_servers(struct cluster *c, const char *group, uint16_t tvs_port, struct phone_config *pc, struct err *e)
{
	AUTO(auto_free) struct store_node *nodes = NULL;
	struct store_group g;
	uint32_t capf_port;
	bool found;
	size_t n;
	int rc = store_node_list(c->store, &nodes, &n, e);

	if (!rc)
		rc = find_group(c, group, &g, &found, e);
	if (!rc)
		rc = param_get_number(c, PARAM_CAPF_PORT, &capf_port, e);
	if (rc)
		return rc;
	for (size_t k = 0; found && k < g.n; k++)
		for (size_t i = 0; i < n; i++)
			if (strcasecmp(nodes[i].name, g.members[k]) == 0)
				add_tvs(pc, &nodes[i], tvs_port);
	for (size_t i = 0; !found && i < n && pc->trust.n_tvs < STORE_GROUP_MAX; i++)
		add_tvs(pc, &nodes[i], tvs_port);
	for (size_t i = 0; i < n && !pc->trust.n_capf; i++) {
		if (nodes[i].role != STORE_NODE_PUBLISHER)
			continue;
		snprintf(pc->capf_host, sizeof(pc->capf_host), "%s", address_of(&nodes[i]));
		pc->trust.capf[0] = (struct confxml_server){ pc->capf_host, (uint16_t)capf_port };
		pc->trust.n_capf = 1;
	}
	return 0;
}

static int get_urls(struct cluster *c, struct phone_config *pc, struct err *e)
{
	for (size_t i = 0; i < PHONE_CONFIG_URLS; i++) {
		AUTO(auto_free) char *url = NULL;
		size_t n = pc->trust.n_urls;
		int rc = param_get(c, urls[i].param, &url, e);

		if (rc)
			return rc;
		if (!url[0])
			continue;
		snprintf(pc->url[n], sizeof(pc->url[n]), "%s", url);
		pc->urls[n] = (struct confxml_url){ urls[i].element, pc->url[n] };
		pc->trust.n_urls++;
	}
	pc->trust.urls = pc->urls;
	return 0;
}

/* --- the phone --- */

static int capf_mode(enum device_auth auth)
{
	static const int modes[] = {
		[DEVICE_AUTH_NULL] = 2, [DEVICE_AUTH_STRING] = 1, [DEVICE_AUTH_LSC] = 3, [DEVICE_AUTH_MIC] = 4,
	};

	return modes[auth];
}

static int transport_number(enum device_transport t)
{
	switch (t) {
	case DEVICE_TCP: return 1;
	case DEVICE_UDP: return 2;
	case DEVICE_TLS: return 3;
	case DEVICE_TCP_UDP: break;
	}
	return CONFXML_KEEP; /* the operator's file says which */
}

static int get_profile(struct cluster *c, const struct store_device *d, struct phone_config *pc, struct err *e)
{
	bool mixed;
	int rc = cluster_is_mixed(c, &mixed, e);

	if (rc)
		return rc;
	/* Without a CTL no phone can be secure: told to be, it would try four times and stay away (8.1). */
	pc->trust.security_mode = mixed ? (int)d->security - DEVICE_NON_SECURE + 1 : 1;
	if (mixed || d->transport != DEVICE_TLS)
		pc->trust.transport = transport_number(d->transport);
	pc->trust.encrypted = d->encrypt_config;
	/* A phone that cannot open its configuration can only be helped by CAPF. */
	bool to_capf = d->operation != DEVICE_NO_OPERATION || (pc->encrypted && !pc->cert);
	pc->trust.capf_auth_mode = to_capf ? capf_mode(device_auth_due(d)) : 0;
	return 0;
}

static void explain(const struct store_device *d, bool any, struct phone_config *pc)
{
	if (any)
		snprintf(pc->problem, sizeof(pc->problem),
			 "%s: TFTP Encrypted Config is on, but its certificates have EC keys, which cannot open an encrypted "
			 "configuration: set Key Order to RSA Only, and Certificate Operation to Install/Upgrade", d->name);
	else
		snprintf(pc->problem, sizeof(pc->problem),
			 "%s: TFTP Encrypted Config is on, but neither an LSC nor a MIC of it is known: it gets the short file, "
			 "which leads it to CAPF; set Certificate Operation to Install/Upgrade", d->name);
}

/* When both exist the LSC is used (behaviour.md 5.4), unless only the MIC's key can open a file. */
static int get_cert(struct cluster *c, const struct store_device *d, struct phone_config *pc, struct err *e)
{
	struct cert *of[2] = { NULL, NULL };
	int rc = store_devicecert_current(c->store, d->name, DEVICECERT_LSC, &of[0], e);

	if (!rc)
		rc = store_devicecert_current(c->store, d->name, DEVICECERT_MIC, &of[1], e);
	for (int i = 1; i >= 0 && !rc; i--)
		if (of[i])
			rc = confxml_cert_hash(of[i], pc->believed, e);
	for (int i = 0; i < 2 && !rc && d->encrypt_config && !pc->cert; i++)
		if (of[i] && cert_key_type(of[i]) == CERT_KEY_RSA)
			pc->cert = cert_ref(of[i]);
	if (!rc && pc->cert)
		rc = confxml_cert_hash(pc->cert, pc->cert_hash, e);
	if (!rc && d->encrypt_config && !pc->cert)
		explain(d, of[0] || of[1], pc);
	cert_unref(of[0]);
	cert_unref(of[1]);
	return rc;
}

static int get_device(struct cluster *c, const struct store_device *d, struct phone_config *pc, struct err *e)
{
	pc->known = true;
	pc->encrypted = d->encrypt_config;
	pc->digest = phone_model_digest(d->model, pc->digest);
	int rc = get_cert(c, d, pc, e);
	pc->trust.cert_hash = pc->cert ? pc->cert_hash : pc->believed;
	return rc ? rc : get_profile(c, d, pc, e);
}

static int get_params(struct cluster *c, struct phone_config *pc, struct err *e)
{
	AUTO(auto_free) char *digest = NULL;
	AUTO(auto_free) char *complete = NULL;
	int rc = param_get(c, PARAM_DIGEST, &digest, e);

	if (!rc)
		rc = param_get(c, PARAM_COMPLETE, &complete, e);
	if (rc)
		return rc;
	pc->digest = strcmp(digest, digest_name(DIGEST_SHA512)) == 0 ? DIGEST_SHA512 : DIGEST_SHA1;
	pc->complete = strcmp(complete, "True") == 0;
	return 0;
}

int phone_config_get(struct cluster *c, const char *device, uint16_t tvs_port, struct phone_config *pc, struct err *e)
{
	struct store_device d = { 0 };
	bool found = false;

	*pc = (struct phone_config){ .trust = confxml_trust_keep };
	int rc = store_device_get(c->store, device, &d, &found, e);
	if (!rc)
		rc = get_params(c, pc, e);
	if (!rc)
		rc = get_servers(c, d.group, tvs_port, pc, e);
	if (!rc)
		rc = get_urls(c, pc, e);
	if (!rc && found)
		rc = get_device(c, &d, pc, e);
	if (rc)
		phone_config_clear(pc);
	return rc;
}

void phone_config_try(const struct phone_config *pc, struct view file, bool *unusable, char *out, size_t size)
{
	struct err why = ERR_INIT;
	uint8_t *data = NULL;
	size_t len;

	*unusable = false;
	out[0] = '\0';
	if (pc->cert && file.len > ENC_PLAIN_MAX) {
		*unusable = true;
		snprintf(out, size, "The file cannot be encrypted: it has %zu octets, and phones take %d.", file.len,
			 ENC_PLAIN_MAX);
	} else if (pc->complete && confxml_trust(file, &pc->trust, &data, &len, &why)) {
		snprintf(out, size, "Nothing is put into the file: %s.", why.text);
	} else if (pc->encrypted && !pc->complete &&
		   confxml_stub(file, pc->cert ? pc->cert_hash : NULL, &data, &len, &why)) {
		snprintf(out, size, "The short file has only what Ringfence knows, because of the file: %s.",
			 why.text);
	}
	free(data);
}

void phone_config_clear(struct phone_config *pc)
{
	cert_unref(pc->cert);
	pc->cert = NULL;
}
