#include "pki/template.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "pki/request.h"

#define YEAR_DAYS 365
#define CN_MAX 64 /* characters, RFC 5280 ub-common-name */
#define EKU_ALL (CERT_EKU_SERVER | CERT_EKU_CLIENT | CERT_EKU_IPSEC)

/*
 * Key usages. behaviour.md 2.5: older requests ask for the four of KU_OLD; newer ones differ from unit to unit.
 * keyEncipherment stays with every RSA server, because phones with TLS 1.0 know only RSA key exchange.
 */
#define KU_OLD (KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT | KU_DATA_ENCIPHERMENT | KU_KEY_AGREEMENT)
#define KU_RSA (KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT | KU_DATA_ENCIPHERMENT)
#define KU_EC (KU_DIGITAL_SIGNATURE | KU_KEY_AGREEMENT)
#define KU_CAPF (KU_DIGITAL_SIGNATURE | KU_KEY_CERT_SIGN)

const char *const template_units[] = {
	"tomcat", "tomcat-ECDSA", "ipsec", "ITLRecovery", "CallManager-ECDSA", "CallManager", "CAPF", "TVS", NULL,
};

/* Trust list generations in order; a row of the table holds from its own on. */
static const char *const generations[] = {"8.0", "10.0", "10.5(2)", "11.5", "12.0"};
#define N_GENERATIONS (sizeof(generations) / sizeof(generations[0]))

/*
 * What changed when. Up to 10.5(2) a certificate has three extensions ("Extensions: 3 present", behaviour.md 1.5). Which
 * ones is inferred: keyUsage, extendedKeyUsage and subjectKeyIdentifier, none critical, with the key usages of 2.5, give
 * all four sizes that the seeds print (694, 696, 680 and 955 octets). Other sets of three give them too, but each has
 * something that nobody would expect there: a critical extendedKeyUsage, an authorityKeyIdentifier in a self-signed
 * certificate, or a subjectAltName in CAPF's and not in CallManager's.
 * From 11.5 servers have subjectAltName, and CAPF says that it is a CA, without which later releases refuse it (2.5).
 * From 12.0 ITLRecovery, which then signs the lists, lives 20 years (2.4 says 12.5).
 */
static const struct row {
	const char *unit;
	const char *since;
	enum key_type type;
	unsigned bits;
	enum template_cn cn;
	bool alt_names;
	bool ca;
	unsigned key_usage;
	unsigned ext_key_usage;
	unsigned years;
} rows[] = {
	{"CallManager", "8.0", KEY_RSA, 2048, TEMPLATE_CN_NODE, false, false, KU_OLD, EKU_ALL, 5},
	{"CallManager", "11.5", KEY_RSA, 2048, TEMPLATE_CN_NODE, true, false, KU_RSA, EKU_ALL, 5},
	{"CallManager-ECDSA", "8.0", KEY_EC, 384, TEMPLATE_CN_NODE_EC, true, false, KU_EC, EKU_ALL, 5},
	{"CAPF", "8.0", KEY_RSA, 2048, TEMPLATE_CN_CAPF, false, false, KU_CAPF, CERT_EKU_SERVER | CERT_EKU_CLIENT, 5},
	{"CAPF", "11.5", KEY_RSA, 2048, TEMPLATE_CN_CAPF, false, true, KU_CAPF, CERT_EKU_SERVER | CERT_EKU_CLIENT, 5},
	{"ITLRecovery", "8.0", KEY_RSA, 2048, TEMPLATE_CN_ITLRECOVERY, false, false, KU_OLD, EKU_ALL, 5},
	{"ITLRecovery", "12.0", KEY_RSA, 2048, TEMPLATE_CN_ITLRECOVERY, false, false, KU_RSA, EKU_ALL, 20},
	{"TVS", "8.0", KEY_RSA, 2048, TEMPLATE_CN_NODE, false, false, KU_OLD, EKU_ALL, 5},
	{"TVS", "11.5", KEY_RSA, 2048, TEMPLATE_CN_NODE, true, false, KU_RSA, EKU_ALL, 5},
	{"tomcat", "8.0", KEY_RSA, 2048, TEMPLATE_CN_NODE, false, false, KU_OLD, EKU_ALL, 5},
	{"tomcat", "11.5", KEY_RSA, 2048, TEMPLATE_CN_NODE, true, false, KU_RSA, EKU_ALL, 5},
	{"tomcat-ECDSA", "8.0", KEY_EC, 384, TEMPLATE_CN_NODE_EC, true, false, KU_EC, EKU_ALL, 5},
	{"ipsec", "8.0", KEY_RSA, 2048, TEMPLATE_CN_NODE, false, false, KU_OLD, EKU_ALL, 5},
	{"ipsec", "11.5", KEY_RSA, 2048, TEMPLATE_CN_NODE, true, false, KU_RSA, EKU_ALL, 5},
};

static size_t generation_index(const char *generation)
{
	size_t i = 0;

	while (i < N_GENERATIONS && strcmp(generations[i], generation) != 0)
		i++;
	return i;
}

static const struct row *find_row(const char *unit, const char *generation, struct err *e)
{
	size_t wanted = generation_index(generation);
	const struct row *best = NULL;

	if (wanted == N_GENERATIONS) {
		err_set(e, ERR_USAGE, "%.32s is no trust list generation: 8.0, 10.0, 10.5(2), 11.5 or 12.0",
			generation);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].unit, unit) == 0 && generation_index(rows[i].since) <= wanted)
			best = &rows[i]; /* rows of a unit stand in order */
	}
	if (!best)
		err_set(e, ERR_USAGE, "%.32s is no unit with a certificate of its own", unit);
	return best;
}

enum digest template_ec_digest(unsigned bits)
{
	return bits > 384 ? DIGEST_SHA512 : bits > 256 ? DIGEST_SHA384 : DIGEST_SHA256;
}

/* The seeds' RSA-1024 certificates are signed with SHA-1, the RSA-2048 one of the same release with SHA-256. */
static enum digest digest_for(const char *generation, struct key_spec key)
{
	bool old = generation_index(generation) < generation_index("11.5");

	if (key.type == KEY_EC)
		return template_ec_digest(key.bits);
	return old && key.type == KEY_RSA && key.bits == 1024 ? DIGEST_SHA1 : DIGEST_SHA256;
}

int template_get(const char *unit, const char *generation, unsigned key_bits, struct cert_template *t, struct err *e)
{
	const struct row *row = find_row(unit, generation, e);

	if (!row)
		return ERR_USAGE;
	if (key_bits && key_bits != 1024 && key_bits != 2048 && key_bits != 3072 && key_bits != 4096)
		return err_set(e, ERR_USAGE, "RSA keys have 1024, 2048, 3072 or 4096 bits");
	struct key_spec key = {.type = row->type, .bits = row->type == KEY_RSA && key_bits ? key_bits : row->bits};
	*t = (struct cert_template){
		.unit = row->unit,
		.key = key,
		.cn = row->cn,
		.alt_names = row->alt_names,
		.profile = {
			.key_usage = row->key_usage,
			.ext_key_usage = row->ext_key_usage,
			.ca = row->ca,
			.days = row->years * YEAR_DAYS,
			.digest = digest_for(generation, key),
		},
	};
	return 0;
}

static bool is_address(const char *node)
{
	struct in6_addr a;

	return inet_pton(AF_INET, node, &a) == 1 || inet_pton(AF_INET6, node, &a) == 1;
}

/* behaviour.md 2.5: cucm14-pub-EC.collabiz.ext */
static void ec_name(const char *node, char *cn, size_t size)
{
	size_t host = is_address(node) ? strlen(node) : strcspn(node, ".");

	snprintf(cn, size, "%.*s-EC%s", (int)host, node, node + host);
}

int template_common_name(const struct cert_template *t, const char *node, const struct random_source *rnd, char *cn,
			 size_t size, struct err *e)
{
	char text[512];
	uint8_t octets[4];
	int r;

	switch (t->cn) {
	case TEMPLATE_CN_NODE:
		snprintf(text, sizeof(text), "%s", node);
		break;
	case TEMPLATE_CN_NODE_EC:
		ec_name(node, text, sizeof(text));
		break;
	case TEMPLATE_CN_ITLRECOVERY:
		snprintf(text, sizeof(text), "ITLRECOVERY_%s", node);
		break;
	case TEMPLATE_CN_CAPF:
		r = random_fill(rnd, octets, sizeof(octets), e);
		if (r)
			return r;
		memcpy(text, "CAPF-", 5);
		text_hex(text + 5, sizeof(text) - 5, (struct view){octets, sizeof(octets)}, '\0', false);
		break;
	}
	if (strlen(text) > CN_MAX || strlen(text) >= size)
		return err_set(e, ERR_LIMIT,
			       "%s: the common name %.80s is longer than the %d characters a certificate holds; "
			       "use a shorter host name",
			       t->unit, text, CN_MAX);
	memcpy(cn, text, strlen(text) + 1);
	return 0;
}

/* As certificates have host names: in small letters. */
static int host_name(const char *name, char host[256], struct err *e)
{
	size_t len = strlen(name);

	if (len >= 256)
		return err_set(e, ERR_USAGE, "the host name is longer than 255 characters");
	for (size_t i = 0; i <= len; i++)
		host[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] - 'A' + 'a') : name[i];
	return 0;
}

static int issue(struct keystore *ks, const char *key, const struct cert_template *t, const struct template_node *node,
		 const struct clock *clock, const struct random_source *rnd, struct cert **c, struct err *e)
{
	char cn[CN_MAX + 1];
	char host[256];
	const char *dns[] = {NULL, NULL, NULL};
	size_t n = 0;
	struct subject subject = node->subject;
	struct cert_profile profile = t->profile;
	int r = template_common_name(t, node->name, rnd, cn, sizeof(cn), e);

	if (!r)
		r = host_name(node->name, host, e);
	if (r)
		return r;
	subject.cn = cn;
	if ((t->alt_names || node->alternate) && !is_address(host))
		dns[n++] = host;
	dns[n] = node->alternate;
	profile.dns = dns;
	profile.ip = t->alt_names ? node->ip : NULL;
	return issue_self_signed(ks, key, &subject, &profile, clock, rnd, c, e);
}

static int new_key(struct keystore *ks, const struct cert_template *t, char name[KEY_NAME_MAX], struct err *e)
{
	EVP_PKEY *pub = NULL;
	int r = ks->ops->generate(ks, t->unit, t->key, name, &pub, e);

	if (!r)
		EVP_PKEY_free(pub);
	return r;
}

/* made: what became of that which the new key is for; when that failed the key goes again. Out: key, its name. */
static int keep_key(struct keystore *ks, int made, const char name[KEY_NAME_MAX], char key[KEY_NAME_MAX])
{
	if (made) {
		int unused = ks->ops->remove(ks, name, NULL); /* e tells what went wrong first */
		(void)unused;
		return made;
	}
	memcpy(key, name, KEY_NAME_MAX);
	return 0;
}

int template_issue(struct keystore *ks, const struct cert_template *t, const struct template_node *node,
		   const struct clock *clock, const struct random_source *rnd, char key[KEY_NAME_MAX], struct cert **c,
		   struct err *e)
{
	char name[KEY_NAME_MAX];
	int r = new_key(ks, t, name, e);

	return r ? r : keep_key(ks, issue(ks, name, t, node, clock, rnd, c, e), name, key);
}

/* --- requests --- */

#define REQUEST_DNS_MAX 100 /* names in one request: more than a cluster has nodes */

/* <host>-ms.<domain>. Source: behaviour.md 2.5. */
static int multi_server_name(char *cn, size_t size, struct err *e)
{
	char text[CN_MAX + 8];
	size_t host = is_address(cn) ? strlen(cn) : strcspn(cn, ".");

	snprintf(text, sizeof(text), "%.*s-ms%s", (int)host, cn, cn + host);
	if (strlen(text) >= size)
		return err_set(e, ERR_LIMIT, "the common name %s is longer than the %d characters a certificate holds", text, CN_MAX);
	memcpy(cn, text, strlen(text) + 1);
	return 0;
}

static bool has_name(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (text_same(names[i], name))
			return true;
	return false;
}

/* The node's own name and those that were added, each once. */
static int all_names(const struct cert_template *t, const char *host, const char *alternate,
		     const struct template_request *more, const char *dns[REQUEST_DNS_MAX + 1], struct err *e)
{
	size_t n = 0;

	if ((t->alt_names || more->dns || alternate) && !is_address(host))
		dns[n++] = host;
	if (alternate)
		dns[n++] = alternate;
	for (const char *const *name = more->dns; name && *name; name++) {
		if (has_name(dns, n, *name))
			continue;
		if (n == REQUEST_DNS_MAX)
			return err_set(e, ERR_LIMIT, "a request has at most %d names", REQUEST_DNS_MAX);
		dns[n++] = *name;
	}
	dns[n] = NULL;
	return 0;
}

static int request(struct keystore *ks, const char *key, const struct cert_template *t, const struct template_node *node,
		   const struct template_request *more, const struct random_source *rnd, char **pem, struct err *e)
{
	char cn[CN_MAX + 1], host[256];
	const char *dns[REQUEST_DNS_MAX + 1];
	struct subject subject = node->subject;
	struct cert_profile profile = t->profile;
	int r = template_common_name(t, node->name, rnd, cn, sizeof(cn), e);

	if (!r && more->multi_server)
		r = multi_server_name(cn, sizeof(cn), e);
	if (!r)
		r = host_name(node->name, host, e);
	if (!r)
		r = all_names(t, host, node->alternate, more, dns, e);
	if (r)
		return r;
	subject.cn = cn;
	profile.dns = dns;
	profile.ip = t->alt_names ? node->ip : NULL;
	return request_make(ks, key, &subject, &profile, pem, e);
}

int template_request(struct keystore *ks, const struct cert_template *t, const struct template_node *node,
		     const struct template_request *more, const struct random_source *rnd, char key[KEY_NAME_MAX],
		     char **pem, struct err *e)
{
	char name[KEY_NAME_MAX];
	int r = new_key(ks, t, name, e);

	return r ? r : keep_key(ks, request(ks, name, t, node, more, rnd, pem, e), name, key);
}
