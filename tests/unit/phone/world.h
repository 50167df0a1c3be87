#pragma once

/* Trust lists and signed files of a small site, made from the golden certificates. Memory lives to the end of the test. */
#include "format/enc.h"
#include "format/vectors.h"
#include "phone/decide.h"
#include "proto/tvs_index.h"

#define KEPT_MAX 256

static inline struct view keep(uint8_t *data, size_t len)
{
	static uint8_t *kept[KEPT_MAX];
	static size_t n;

	if (!data) { /* the end of a test */
		while (n)
			free(kept[--n]);
		return (struct view){0};
	}
	assert_true(n < KEPT_MAX);
	kept[n++] = data;
	return (struct view){data, len};
}

/* A certificate and the key that belongs to it. */
struct identity {
	const char *cert, *key;
};

static const struct identity callmanager_old = {"pub1024", "pub1024"}, callmanager_new = {"pub2048", "pub2048"},
			     recovery = {"sast2048", "sast2048"}, tftp_only = {"tftp2048", "tftp2048"},
			     stranger = {"capf2048", "capf2048"}, phone_lsc = {"device2048", "device2048"},
			     token = {"etoken1", "etoken1"};

struct entry {
	const char *cert; /* NULL: an empty record */
	uint16_t function;
	enum record_style style;
};

#define ENTRIES_MAX 8

/* A list of these entries (the first without a function and certificate ends them), signed by s. */
static inline struct view make_list(enum list_type type, struct identity s, enum digest d, const struct entry *entries)
{
	struct record_spec records[ENTRIES_MAX] = {0};
	struct cert *certs[ENTRIES_MAX] = {0};
	struct cert *signer = golden_cert(s.cert);
	EVP_PKEY *key = golden_key(s.key);
	struct list_signer by = evp_signer(key);
	struct list_spec spec = {.type = type, .digest = d, .signer = signer, .timestamp = 1700000000, .records = records};
	struct err e = ERR_INIT;
	uint8_t *data;
	size_t len, n = 0;

	for (; entries[n].cert || entries[n].style == RECORD_EMPTY; n++) {
		certs[n] = entries[n].cert ? golden_cert(entries[n].cert) : NULL;
		records[n] = (struct record_spec){.style = entries[n].style, .function = entries[n].function,
						  .cert = certs[n], .dns_name = type == LIST_CTL ? "node" : NULL,
						  .has_ip = type == LIST_CTL, .hash = DIGEST_SHA1};
		if (entries[n].style == RECORD_EMPTY)
			records[n].dns_name = "node";
	}
	spec.n_records = n;
	spec.signer_token = !strncmp(s.cert, "etoken", 6);
	assert_ok(list_build(&spec, &by, &data, &len, &e), &e);
	for (size_t i = 0; i < n; i++)
		cert_unref(certs[i]);
	cert_unref(signer);
	EVP_PKEY_free(key);
	return keep(data, len);
}

#define LIST(type, signer, ...) make_list(type, signer, DIGEST_SHA1, (const struct entry[]){__VA_ARGS__, {0}})

/* The ITL of releases 8.0 to 9.x. */
static inline struct view itl_of(struct identity cm, const char *tvs)
{
	return LIST(LIST_ITL, cm, {cm.cert, FUNCTION_SAST, RECORD_FULL}, {cm.cert, FUNCTION_CCM_TFTP, RECORD_FULL},
		    {tvs, FUNCTION_TVS, RECORD_HASH_ONLY}, {"capfitl", FUNCTION_CAPF, RECORD_HASH_ONLY});
}

/* The tokenless CTL of 10.0. */
static inline struct view ctl_of(struct identity cm)
{
	return LIST(LIST_CTL, cm, {cm.cert, FUNCTION_SAST, RECORD_FULL}, {cm.cert, FUNCTION_CCM_TFTP, RECORD_FULL},
		    {"capf1024", FUNCTION_CAPF, RECORD_FULL});
}

static inline struct view sign_file(struct identity s, enum digest d, const char *name, const char *payload)
{
	struct cert *signer = golden_cert(s.cert);
	EVP_PKEY *key = golden_key(s.key);
	struct list_signer by = evp_signer(key);
	struct sgn_spec spec = {.signer = signer, .digest = d, .timestamp = 1700000000, .file_name = name};
	struct err e = ERR_INIT;
	uint8_t *data;
	size_t len;

	assert_ok(sgn_build(&spec, &by, view_str(payload), &data, &len, &e), &e);
	cert_unref(signer);
	EVP_PKEY_free(key);
	return keep(data, len);
}

/* An encrypted configuration for the holder of this certificate. */
static inline struct view encrypt_file(struct identity s, const char *reader, const char *name, const char *plain)
{
	struct cert *signer = golden_cert(s.cert), *holder = golden_cert(reader);
	EVP_PKEY *key = golden_key(s.key);
	struct list_signer by = evp_signer(key);
	struct enc_spec spec = {.sgn = {.signer = signer, .digest = DIGEST_SHA1, .timestamp = 1700000000, .file_name = name},
				.device = holder};
	struct err e = ERR_INIT;
	uint8_t *data;
	size_t len;

	assert_ok(enc_build(&spec, &by, &random_system, view_str(plain), &data, &len, &e), &e);
	cert_unref(signer);
	cert_unref(holder);
	EVP_PKEY_free(key);
	return keep(data, len);
}

/* The phone has this certificate and its key. */
static inline void give_identity(struct phone_identity *to, struct identity id)
{
	struct cert *c = golden_cert(id.cert);
	EVP_PKEY *key = golden_key(id.key);

	phone_identity_set(to, c, key);
	cert_unref(c);
	EVP_PKEY_free(key);
}

static inline const struct traits *model(const char *name)
{
	static struct traits_table *t;
	struct err e = ERR_INIT;

	if (!t)
		assert_ok(traits_parse(traits_builtin(), "models.conf", &t, &e), &e);
	return traits_find(t, name);
}

static inline void install_list(struct phone *p, enum list_type type, struct view file)
{
	struct trust_list *l;
	struct err e = ERR_INIT;

	assert_ok(list_parse(file, type, &l, &e), &e);
	phone_install_take(p, type, l);
}

/* A phone of this model with these lists ({0}: none), and one TVS server in its configuration. */
static inline void make_phone(struct phone *p, const char *model_name, struct view ctl, struct view itl)
{
	phone_init(p, "SEP001122334455", model_name, model(model_name));
	if (ctl.p)
		install_list(p, LIST_CTL, ctl);
	if (itl.p)
		install_list(p, LIST_ITL, itl);
	snprintf(p->tvs[0].host, sizeof p->tvs[0].host, "192.0.2.10");
	p->tvs[0].port = TVS_PORT;
	p->n_tvs = 1;
}

/* What a TVS that knows these certificates answers to a frame; the answer lives to the end of the test. */
struct known {
	const char *cert;
	uint32_t roles;
};

static inline struct view tvs_of(const struct known *known, size_t n, struct view request)
{
	struct tvs_index_item items[8];
	struct cert *certs[8];
	struct tvs_counters counters = {0};
	struct tvs_conn conn;
	struct tvs_event ev;
	struct tvs_index ix;
	struct err e = ERR_INIT;
	uint8_t *data, *out;
	struct wr w;
	size_t len, used;

	for (size_t i = 0; i < n; i++) {
		certs[i] = golden_cert(known[i].cert);
		items[i] = (struct tvs_index_item){certs[i], known[i].roles, TVS_TTL_DEFAULT};
	}
	assert_ok(tvs_index_build(items, n, &data, &len, &e), &e);
	assert_ok(tvs_index_open((struct view){data, len}, &ix, &e), &e);
	struct tvs_lookup lookup = tvs_index_lookup(&ix);
	tvs_conn_init(&conn, &lookup, &counters, 0);
	wr_init(&w, TVS_FRAME_MAX);
	assert_int_equal(tvs_conn_step(&conn, request, 0, &used, &w, &ev, &e), TVS_WANT_WRITE);
	assert_ok(wr_finish(&w, &out, &len, &e), &e);
	free(data);
	for (size_t i = 0; i < n; i++)
		cert_unref(certs[i]);
	return keep(out, len);
}
