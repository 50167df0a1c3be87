#pragma once

/*
 * A publisher with CAPF, and phones that visit it: the client machine, the server machine and the decisions in one
 * process.
 */
#include <fcntl.h>

#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "cluster/capf_internal.h"
#include "cluster/param.h"
#include "cluster/phones.h"
#include "node_fixture.h"
#include "pki/key_pem.h"
#include "pki/lsc.h"
#include "proto/capf_client.h"
#include "proto/capf_proof.h"
#include "store/audit.h"
#include "store/certificate.h"
#include "store/enrolment.h"

#define PHONE "SEP001122334455"
#define OTHER_PHONE "SEP00112233445F"
#define PEER "10.1.1.7"

struct site {
	struct node n;
	struct capf *a;
	uint64_t conn;              /* of the last visit */
	uint32_t session;
	EVP_PKEY *rsa1024, *rsa2048, *p256, *p384;
};

static inline EVP_PKEY *new_key(enum key_type type, unsigned bits)
{
	struct err e = ERR_INIT;
	EVP_PKEY *key = NULL;

	assert_ok(key_generate((struct key_spec){ type, bits }, &key, &e), &e);
	return key;
}

static inline int site_make(void **state)
{
	struct site *s = calloc(1, sizeof(*s));
	struct err e = ERR_INIT;

	assert_non_null(s);
	node_init(&s->n, "12.0");
	assert_ok(capf_new(s->n.cluster, &s->a, &e), &e);
	s->session = 0x1020304;
	s->rsa1024 = new_key(KEY_RSA, 1024);
	s->rsa2048 = new_key(KEY_RSA, 2048);
	s->p256 = new_key(KEY_EC, 256);
	s->p384 = new_key(KEY_EC, 384);
	*state = s;
	return 0;
}

static inline int site_drop(void **state)
{
	struct site *s = *state;

	capf_free(s->a);
	node_remove(&s->n);
	EVP_PKEY_free(s->rsa1024);
	EVP_PKEY_free(s->rsa2048);
	EVP_PKEY_free(s->p256);
	EVP_PKEY_free(s->p384);
	free(s);
	return 0;
}

/* --- phones as the administrator has them --- */

static inline void set_phone(struct site *s, const char *name, enum phone_field field, const char *value)
{
	const struct phone_value v = { field, value };
	struct err e = ERR_INIT;

	assert_ok(phones_set(s->n.cluster, "test", name, &v, 1, NULL, &e), &e);
}

/* With an operation that is to be authenticated like this. */
static inline void add_phone(struct site *s, const char *name, enum device_operation op, enum device_auth auth)
{
	const struct phone_value v[] = {
		{ PHONE_AUTH, device_auth_names[auth] },
		{ PHONE_RSA_BITS, "1024" },
	};
	struct err e = ERR_INIT;

	assert_ok(phones_add(s->n.cluster, "test", name, v, 2, NULL, &e), &e);
	if (auth == DEVICE_AUTH_STRING)
		assert_ok(phones_string_set(s->n.cluster, "test", name, "4711", &e), &e);
	if (op != DEVICE_NO_OPERATION)
		set_phone(s, name, PHONE_OPERATION, device_operation_names[op]);
}

static inline struct store_device phone(struct site *s, const char *name)
{
	struct store_device d;
	struct err e = ERR_INIT;

	assert_ok(phones_get(s->n.cluster, name, &d, &e), &e);
	return d;
}

static inline void set_param(struct site *s, const char *name, const char *value)
{
	struct err e = ERR_INIT;

	assert_ok(param_set(s->n.cluster, "test", name, value, NULL, &e), &e);
}

static inline void assert_state(struct site *s, const char *name, enum device_operation op, const char *status)
{
	struct store_device d = phone(s, name);

	assert_string_equal(d.status, status);
	assert_int_equal(d.operation, op);
}

/* --- what the audit says --- */

struct audit_search {
	const char *what;
	unsigned n;
};

static inline int search_row(void *ctx, const struct store_audit *a)
{
	struct audit_search *s = ctx;

	s->n += strstr(a->outcome, s->what) || (a->after && strstr(a->after, s->what)) ||
		(a->object && strstr(a->object, s->what));
	return 0;
}

static inline unsigned audited(struct site *s, const char *what)
{
	struct audit_search search = { .what = what };
	struct err e = ERR_INIT;

	assert_ok(store_audit_list(s->n.store, 0, 0, search_row, &search, &e), &e);
	return search.n;
}

/* --- certificates --- */

/* A manufacturer, in CAPF-trust as the operator uploads it. Its key is not among those named CAPF. */
struct manufacturer {
	struct cert *ca;
	char key[KEY_NAME_MAX];
};

static inline struct manufacturer make_manufacturer(struct site *s, const char *cn, bool upload)
{
	const struct cert_profile p = { .key_usage = KU_KEY_CERT_SIGN, .ca = true, .days = 7300, .digest = DIGEST_SHA256 };
	const struct subject subject = { .cn = cn, .o = "Manufacturer" };
	struct manufacturer m = { 0 };
	AUTO(auto_pkey) EVP_PKEY *pub = NULL;
	struct err e = ERR_INIT;

	assert_ok(s->n.keys->ops->generate(s->n.keys, "tomcat", (struct key_spec){ KEY_RSA, 1024 }, m.key, &pub, &e), &e);
	assert_ok(issue_self_signed(s->n.keys, m.key, &subject, &p, &s->n.clock, &random_system, &m.ca, &e), &e);
	if (upload)
		assert_ok(store_certificate_put_trust(s->n.store, STORE_TRUST_CAPF, m.ca,
						      &(struct store_certificate_info){ 0 },
						      STORE_PUT_UPLOAD, &e), &e);
	return m;
}

/* A certificate as a factory (or a CAPF) makes it, from now on for so many days. */
static inline struct cert *make_cert(struct site *s, const char *key_name, const struct cert *issuer, const char *device,
				     EVP_PKEY *key, unsigned days)
{
	struct lsc_template t = lsc_template_default;
	struct cert *c = NULL;
	struct err e = ERR_INIT;
	uint8_t *der = NULL;
	int len = i2d_PUBKEY(key, &der);

	t.days = days;
	assert_true(len > 0);
	assert_ok(lsc_issue(s->n.keys, key_name, issuer, device, (struct view){ der, (size_t)len }, &t, &s->n.clock,
			    &random_system, &c, &e), &e);
	OPENSSL_free(der);
	return c;
}

static inline struct cert *capf_cert(struct site *s, char key[KEY_NAME_MAX])
{
	struct cert *c = NULL;
	struct err e = ERR_INIT;

	assert_ok(cluster_own_cert(s->n.cluster, NULL, "CAPF", &c, &e), &e);
	assert_ok(key_name("CAPF", cert_spki(c), key, &e), &e);
	return c;
}

/* --- a visit --- */

struct visit {
	const char *device;         /* NULL: PHONE */
	const char *password;
	uint8_t version;            /* 0: 3 */
	const struct cert *cert;    /* to authenticate with */
	EVP_PKEY *cert_key;
	const struct cert *sudi;
	EVP_PKEY *sudi_key;
	EVP_PKEY *key, *ec_key;     /* what it makes when asked for RSA, EC; NULL: it fails */
	unsigned progress;          /* REQUEST_IN_PROGRESS before that */
	bool refuse;                /* answers STORE and DELETE with a failure */
	const struct cert *fetch;
	uint8_t fetch_type;
	const char *peer;           /* NULL: PEER */
	unsigned drop_before;       /* the connection breaks before its n-th message; 0: never */
	void (*tamper)(struct visit *v, struct site *s, struct wr *message); /* on the way to the server */

	bool dropped, ended, retry;
	uint8_t reason;             /* of END_SESSION */
	uint8_t key_type;           /* what it was asked for last */
	uint16_t key_bits;
	uint8_t curve;
	struct cert *lsc;           /* what it was given */
	enum capf_verdict verdict;  /* of the last decision */
	char text[400];
	struct capf_client client;
	struct capf_conn server;
	struct wr to_server, to_client;
	unsigned sent;
};

static inline void visit_clear(struct visit *v)
{
	cert_unref(v->lsc);
	v->lsc = NULL;
	wr_clear(&v->to_server);
	wr_clear(&v->to_client);
}

/* The phone obeys. False: it is over for the phone. */
static inline bool phone_acts(struct visit *v)
{
	struct err e = ERR_INIT;
	struct wr *out = &v->to_server;
	uint8_t *der = NULL;
	int len = 0;
	size_t used;
	enum capf_client_want want = capf_client_step(&v->client, wr_view_all(&v->to_client), &used, out, &e);

	switch (want) {
	case CAPF_CLIENT_WRITE: break;
	case CAPF_CLIENT_GENERATE:
		v->key_type = v->client.key_type;
		v->key_bits = v->client.key_bits;
		v->curve = v->client.curve;
		for (unsigned i = 0; i < v->progress; i++)
			assert_ok(capf_client_progress(&v->client, out, &e), &e);
		EVP_PKEY *key = v->key_type == CAPF_KEY_RSA ? v->key : v->ec_key;
		if (key)
			len = i2d_PUBKEY(key, &der);
		assert_ok(capf_client_key(&v->client, (struct view){ der, (size_t)len }, out, &e), &e);
		OPENSSL_free(der);
		break;
	case CAPF_CLIENT_STORE:
		cert_unref(v->lsc);
		assert_ok(cert_from_der(v->client.certificate, &v->lsc, &e), &e);
		assert_ok(capf_client_done(&v->client, !v->refuse, out, &e), &e);
		break;
	case CAPF_CLIENT_FETCH:
		assert_ok(capf_client_certificate(&v->client, v->fetch, v->fetch_type, out, &e), &e);
		break;
	case CAPF_CLIENT_DELETE: assert_ok(capf_client_done(&v->client, !v->refuse, out, &e), &e); break;
	case CAPF_CLIENT_END:
		v->ended = true;
		v->reason = v->client.reason;
		v->retry = v->client.retry;
		return false;
	case CAPF_CLIENT_READ: return false; /* the server closed without a word */
	case CAPF_CLIENT_FAIL: fail_msg("the phone: %s", e.text); break;
	}
	wr_clear(&v->to_client);
	return true;
}

static inline void director_decides(struct site *s, struct visit *v, enum capf_question question, struct view frame)
{
	struct capf_ask ask = { .conn = s->conn, .peer = v->peer ? v->peer : PEER, .session = v->server.session,
				.question = question, .frame = frame };
	struct capf_answer answer;
	struct err e = ERR_INIT;

	capf_decide(s->a, &ask, &answer);
	v->verdict = answer.verdict;
	snprintf(v->text, sizeof(v->text), "%s", answer.text);
	if (getenv("CAPF_TEST_SHOW"))
		print_message("%s\n", answer.text);
	enum capf_want want = capf_conn_decide(&v->server, &answer.decision, 0, &v->to_client, &e);
	assert_true(want == CAPF_WANT_WRITE || want == CAPF_WANT_CLOSE);
	assert_int_equal(e.code, 0);
	capf_answer_clear(&answer);
}

/* The server takes what the phone has sent, message by message. */
static inline void server_acts(struct site *s, struct visit *v)
{
	struct err e = ERR_INIT;
	enum capf_question question;
	size_t used, done = 0;

	for (;;) {
		struct view in = { v->to_server.p + done, v->to_server.len - done };
		if (!v->to_server.len)
			in = (struct view){ NULL, 0 };
		enum capf_want want = capf_conn_step(&v->server, in, 0, &used, &question, &v->to_client, &e);
		if (want == CAPF_WANT_DECISION)
			director_decides(s, v, question, (struct view){ in.p, used });
		done += used;
		if (want == CAPF_WANT_CLOSE || want == CAPF_WANT_WRITE || (want == CAPF_WANT_READ && !used))
			break;
	}
	wr_clear(&v->to_server);
}

static inline void visit(struct site *s, struct visit *v)
{
	const struct capf_identity me = {
		.device = v->device ? v->device : PHONE,
		.password = v->password,
		.version = v->version ? v->version : 3,
		.cert = v->cert,
		.cert_type = CAPF_CERT_LSC,
		.key = v->cert_key,
		.sudi = v->sudi,
		.sudi_key = v->sudi_key,
	};

	s->conn++;
	v->sent = 0;
	v->ended = v->dropped = v->retry = false;
	wr_init(&v->to_server, CAPF_FRAME_MAX);
	wr_init(&v->to_client, CAPF_FRAME_MAX);
	capf_client_init(&v->client, &me);
	capf_conn_init(&v->server, s->session++, 0);
	server_acts(s, v);
	while (phone_acts(v)) {
		if (++v->sent == v->drop_before) {
			v->dropped = true;
			break;
		}
		if (v->tamper)
			v->tamper(v, s, &v->to_server);
		server_acts(s, v);
	}
	capf_gone(s->a, s->conn, CAPF_END_CLOSED);
	wr_clear(&v->to_server);
	wr_clear(&v->to_client);
}

/* A whole enrolment of a phone that has an operation pending, by null string; its new LSC. */
static inline struct cert *enrol(struct site *s, const char *name, EVP_PKEY *key)
{
	struct visit v = { .device = name, .key = key };

	visit(s, &v);
	assert_int_equal(v.verdict, CAPF_SUCCEEDED);
	assert_non_null(v.lsc);
	return v.lsc;
}
