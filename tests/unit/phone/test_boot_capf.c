/* A boot with CAPF and encrypted configurations, against a CAPF server that does what each test says. */
#include "phone/boot.h"

#include "base/text.h"

#include "phone/world.h"
#include "proto/capf_server.h"

#define NONE ((struct view){0})
#define DEVICE "SEP001122334455"
#define HASH "6187e67cc9624a4ef0306449313f7de4" /* of device2048 */
#define OTHER_HASH "00000000000000000000000000000000"
#define CAPF(mode) "<capfAuthMode>" mode "</capfAuthMode><capfList>"                                                   \
	"<capf><phonePort>3804</phonePort><processNodeName>192.0.2.30</processNodeName></capf></capfList>"
#define TWO_CAPF "<capfAuthMode>2</capfAuthMode><capfList><capf><processNodeName>192.0.2.30</processNodeName></capf>"  \
	"<capf><processNodeName>192.0.2.31</processNodeName></capf></capfList>"
#define HASHED(hash) "<certHash>" hash "</certHash>"
#define PLAIN(inside) "<device><fullConfig>true</fullConfig>" inside "<TVS><members><member priority=\"0\">"           \
	"<address>192.0.2.12</address></member></members></TVS></device>"
#define STUB(inside) "<device><fullConfig>false</fullConfig>" inside "</device>"
#define ENCRYPTED(hash) STUB(CAPF("2") HASHED(hash) "<encrConfig>true</encrConfig>")

/* What CAPF does to the phone. */
enum operation { NOTHING, INSTALL, INSTALL_EC, FETCH, DELETE, DECLINE, UNKNOWN, ODD, LATER };

struct site {
	const char *config;          /* the plain text of .cnf.xml.sgn */
	const char *config_then;     /* and after CAPF, when not NULL */
	struct view full, full_then; /* .cnf.xml.enc.sgn */
	const char *capf;            /* certificate that the CAPF servers present; NULL: nobody answers */
	enum operation operation;
	unsigned silent;             /* connections that fail first */
	bool cut;                    /* the connection is lost after STORE */
	const char *tvs;
	struct known known[1];
};

/* One boot, and what was seen of it. */
struct run {
	struct boot *boot;
	unsigned capf_calls, waits, capf_done;
	char requests[600], messages[600];
	size_t n_requests, n_messages;
	char password[32];           /* that the phone said */
	uint8_t cert_type;           /* of the certificate that it showed; 0 none */
};

static struct run run;

static void message(void *ctx, const char *text)
{
	(void)ctx;
	run.n_messages = text_append(run.messages, sizeof run.messages, run.n_messages, "%s\n", text);
}

static void request(const char *what)
{
	run.n_requests = text_append(run.requests, sizeof run.requests, run.n_requests, "%s ", what);
}

static int64_t wall(void *ctx)
{
	(void)ctx;
	return 1700000000;
}

static uint64_t mono(void *ctx)
{
	(void)ctx;
	return 561;
}

static const struct clock fixed = {wall, mono, NULL};

static void give_file(struct boot *b, const struct site *s)
{
	const char *name = boot_todo(b)->name;
	const char *config = run.capf_done && s->config_then ? s->config_then : s->config;
	struct view full = run.capf_done && s->full_then.p ? s->full_then : s->full;
	struct err e = ERR_INIT;

	if (!strcmp(name, DEVICE ".cnf.xml.sgn")) {
		request("config");
		assert_ok(boot_got(b, sign_file(callmanager_old, DIGEST_SHA1, name, config), &e), &e);
	} else if (!strcmp(name, DEVICE ".cnf.xml.enc.sgn") && full.p) {
		request("full");
		assert_ok(boot_got(b, full, &e), &e);
	} else {
		boot_missing(b);
	}
}

/* ---- the CAPF server ---- */

static struct capf_decision operation(enum operation o)
{
	switch (o) {
	case INSTALL: return (struct capf_decision){.action = CAPF_DO_GENERATE, .key_type = CAPF_KEY_RSA, .key_bits = 2048};
	case INSTALL_EC:
		return (struct capf_decision){.action = CAPF_DO_GENERATE, .key_type = CAPF_KEY_EC, .curve = CAPF_CURVE_P384};
	case FETCH: return (struct capf_decision){.action = CAPF_DO_FETCH};
	case DELETE: return (struct capf_decision){.action = CAPF_DO_DELETE};
	case DECLINE: return (struct capf_decision){.action = CAPF_DO_END, .reason = CAPF_REASON_INVALID};
	case UNKNOWN: return (struct capf_decision){.action = CAPF_DO_END, .reason = CAPF_REASON_UNKNOWN_DEVICE};
	case ODD: return (struct capf_decision){.action = CAPF_DO_END, .reason = 200};
	case LATER: return (struct capf_decision){.action = CAPF_DO_RETRY, .retry_s = 300};
	case NOTHING: break;
	}
	return (struct capf_decision){.action = CAPF_DO_END, .reason = CAPF_REASON_NO_ACTION};
}

static struct capf_decision decide(const struct site *s, enum capf_question q, struct view frame, struct view lsc)
{
	struct capf_decision end = {.action = CAPF_DO_END, .reason = CAPF_REASON_SUCCESS};
	struct capf_msg m;
	struct err e = ERR_INIT;

	assert_ok(capf_msg_read(frame, &m, &e), &e);
	if (q == CAPF_ASK_AUTH) {
		snprintf(run.password, sizeof run.password, "%.*s", (int)m.password.len, (const char *)m.password.p);
		run.cert_type = m.certificate_type;
		return operation(s->operation);
	}
	if (q == CAPF_ASK_KEY && m.public_key.p)
		return (struct capf_decision){.action = CAPF_DO_STORE, .certificate = lsc};
	if (q == CAPF_ASK_FETCHED)
		end.reason = CAPF_REASON_NO_ACTION;
	else if (m.reason != CAPF_REASON_SUCCESS)
		end.reason = CAPF_REASON_INVALID;
	return end;
}

/* The server reads what the phone said; its answer is appended to out. */
static void serve(struct capf_conn *server, const struct site *s, struct wr *in, struct wr *out, struct view lsc)
{
	enum capf_question q;
	struct err e = ERR_INIT;
	size_t used;

	if (capf_conn_step(server, wr_view_all(in), 0, &used, &q, out, &e) == CAPF_WANT_DECISION) {
		struct capf_decision d = decide(s, q, wr_view_all(in), lsc);

		assert_int_not_equal(capf_conn_decide(server, &d, 0, out, &e), CAPF_WANT_READ);
	}
	wr_clear(in);
}

static void converse(struct boot *b, const struct site *s)
{
	struct cert *lsc = golden_cert("device2048");
	enum capf_client_want want;
	struct capf_client c;
	struct capf_conn server;
	struct err e = ERR_INIT;
	struct wr from, to;
	size_t used;

	wr_init(&from, CAPF_FRAME_MAX);
	wr_init(&to, CAPF_FRAME_MAX);
	capf_client_init(&c, boot_capf_identity(b));
	capf_conn_init(&server, 77, 0);
	serve(&server, s, &to, &from, NONE);
	for (;;) {
		want = capf_client_step(&c, wr_view_all(&from), &used, &to, &e);
		assert_int_not_equal(want, CAPF_CLIENT_FAIL);
		assert_int_not_equal(want, CAPF_CLIENT_READ);
		if (want == CAPF_CLIENT_END)
			break;
		if (want != CAPF_CLIENT_WRITE)
			assert_ok(boot_capf_obey(b, &c, want, &to, &e), &e);
		if (s->cut && want == CAPF_CLIENT_STORE)
			break;
		wr_clear(&from);
		serve(&server, s, &to, &from, cert_der(lsc));
	}
	run.capf_done++;
	boot_capf_ended(b, &c, want == CAPF_CLIENT_END ? NULL : "the line is cut");
	wr_clear(&from);
	wr_clear(&to);
	cert_unref(lsc);
}

static void call_capf(struct boot *b, const struct site *s)
{
	struct cert *c;

	assert_int_equal(boot_todo(b)->port, 3804);
	request(!strcmp(boot_todo(b)->host, "192.0.2.30") ? "capf" : "capf2");
	run.waits += boot_todo(b)->wait;
	if (!s->capf || run.capf_calls++ < s->silent) {
		boot_capf_ended(b, NULL, "connection refused");
		return;
	}
	c = golden_cert(s->capf);
	if (boot_capf_connected(b, c))
		converse(b, s);
	cert_unref(c);
}

static void call_tvs(struct boot *b, const struct site *s)
{
	struct cert *c;

	request("tvs");
	if (!s->tvs) {
		boot_tvs_failed(b, "connection refused");
		return;
	}
	c = golden_cert(s->tvs);
	boot_tvs_connected(b, c);
	cert_unref(c);
}

/* Boot: what the phone types or makes itself is given here. */
static void boot(struct phone *p, const struct site *s, const char *string, EVP_PKEY *key)
{
	static struct console con;
	struct err e = ERR_INIT;

	boot_free(run.boot);
	run = (struct run){0};
	con = (struct console){.message = message, .clock = &fixed};
	assert_ok(boot_new(p, &con, "14.48.44.80", &run.boot, &e), &e);
	boot_set_capf(run.boot, string, key);
	for (int i = 0; boot_todo(run.boot)->action != BOOT_END; i++) {
		assert_true(i < 60);
		switch (boot_todo(run.boot)->action) {
		case BOOT_GET: give_file(run.boot, s); break;
		case BOOT_TVS: call_tvs(run.boot, s); break;
		case BOOT_ASK: boot_tvs_answered(run.boot, tvs_of(s->known, 1, boot_todo(run.boot)->frame)); break;
		case BOOT_CAPF: call_capf(run.boot, s); break;
		default: fail();
		}
	}
}

static void ends(enum boot_outcome outcome, enum boot_capf capf, enum boot_fate fate)
{
	if (boot_outcome(run.boot) != outcome || boot_capf(run.boot) != capf)
		fail_msg("%s, CAPF %s (%s)\n%s\n%s", boot_outcome_name(boot_outcome(run.boot)),
			 boot_capf_name(boot_capf(run.boot)), boot_part(run.boot, BOOT_ENROLMENT)->detail, run.requests,
			 run.messages);
	assert_int_equal(boot_part(run.boot, BOOT_ENROLMENT)->fate, fate);
}

static void configured(const char *plain)
{
	struct view v = boot_configuration(run.boot);

	assert_int_equal(v.len, strlen(plain));
	assert_memory_equal(v.p, plain, v.len);
}

static void begin(struct phone *p, const char *model_name)
{
	make_phone(p, model_name, NONE, itl_of(callmanager_old, "tvs"));
}

static int cleanup(void **state)
{
	(void)state;
	boot_free(run.boot);
	run = (struct run){0};
	keep(NULL, 0);
	return 0;
}

static struct view encrypted(const char *for_whom, const char *plain)
{
	return encrypt_file(callmanager_old, for_whom, DEVICE ".cnf.xml.enc.sgn", plain);
}

/* ---- when, and how (formats-and-protocols.md 7.9) ---- */

static void modes(void **state)
{
	struct site s = {.capf = "capfitl"};
	struct phone p;

	(void)state;
	begin(&p, "8861");
	s.config = PLAIN("");
	boot(&p, &s, "123456", NULL);
	ends(BOOT_KEPT, BOOT_CAPF_NOT_TRIED, FATE_NOT_TRIED);
	s.config = PLAIN(CAPF("0"));
	boot(&p, &s, "123456", NULL);
	ends(BOOT_KEPT, BOOT_CAPF_NOT_TRIED, FATE_NOT_TRIED);
	s.config = PLAIN(CAPF("1")); /* only when somebody types the string */
	boot(&p, &s, NULL, NULL);
	ends(BOOT_KEPT, BOOT_CAPF_NOT_TRIED, FATE_NOT_TRIED);
	boot(&p, &s, "123456", NULL);
	ends(BOOT_KEPT, BOOT_CAPF_NOTHING, FATE_SAME);
	assert_string_equal(run.password, "123456");
	assert_string_equal(run.requests, "config capf ");
	assert_int_equal(boot_part(run.boot, BOOT_ENROLMENT)->reason, REASON_RECORD_HASH);
	s.config = PLAIN(CAPF("2"));
	boot(&p, &s, "123456", NULL);
	ends(BOOT_KEPT, BOOT_CAPF_NOTHING, FATE_SAME);
	assert_string_equal(run.password, "");
	s.config = PLAIN(CAPF("3")); /* without a certificate: the server's to refuse */
	s.operation = DECLINE;
	boot(&p, &s, NULL, NULL);
	ends(BOOT_KEPT, BOOT_CAPF_DECLINED, FATE_DECLINED);
	assert_int_equal(run.cert_type, 0);
	s.operation = NOTHING;
	give_identity(&p.mic, callmanager_new);
	boot(&p, &s, NULL, NULL);
	assert_int_equal(run.cert_type, CAPF_CERT_MIC);
	give_identity(&p.lsc, phone_lsc);
	boot(&p, &s, NULL, NULL);
	assert_int_equal(run.cert_type, CAPF_CERT_LSC);
	s.config = PLAIN(CAPF("4"));
	boot(&p, &s, NULL, NULL);
	assert_int_equal(run.cert_type, CAPF_CERT_MIC);
	assert_string_equal(run.requests, "config capf ");
	s.config = PLAIN("<capfAuthMode>2</capfAuthMode>");
	boot(&p, &s, NULL, NULL);
	ends(BOOT_KEPT, BOOT_CAPF_FAILED, FATE_FAILED);
	phone_clear(&p);
}

static void cert_hash_out_of_step(void **state)
{
	struct site s = {.capf = "capfitl", .config = PLAIN(CAPF("0") HASHED(HASH))};
	struct phone p;

	(void)state;
	begin(&p, "8861");
	boot(&p, &s, NULL, NULL); /* it has none at all */
	ends(BOOT_KEPT, BOOT_CAPF_NOTHING, FATE_SAME);
	assert_string_equal(run.requests, "config capf config "); /* and once more, once */
	give_identity(&p.lsc, callmanager_new);
	boot(&p, &s, NULL, NULL);
	assert_string_equal(run.requests, "config capf config ");
	give_identity(&p.mic, phone_lsc); /* the server believes that it has only its MIC, which it does have */
	boot(&p, &s, NULL, NULL);
	assert_string_equal(run.requests, "config ");
	give_identity(&p.lsc, phone_lsc);
	boot(&p, &s, NULL, NULL);
	assert_string_equal(run.requests, "config ");
	s.config = PLAIN(CAPF("1") HASHED(OTHER_HASH));
	boot(&p, &s, NULL, NULL);
	ends(BOOT_KEPT, BOOT_CAPF_NO_STRING, FATE_FAILED);
	assert_string_equal(run.requests, "config ");
	assert_non_null(strstr(run.messages, "waits for an authentication string"));
	s.config = STUB(CAPF("1")); /* nothing but the way to CAPF, which is by hand */
	boot(&p, &s, NULL, NULL);
	ends(BOOT_STRANDED, BOOT_CAPF_NO_STRING, FATE_FAILED);
	assert_int_equal(boot_configuration(run.boot).len, 0);
	phone_clear(&p);
}

/* ---- operations ---- */

static void operations(void **state)
{
	EVP_PKEY *key = golden_key("device2048");
	struct site s = {.capf = "capfitl", .config = PLAIN(CAPF("2")), .operation = INSTALL};
	struct phone p;

	(void)state;
	begin(&p, "8861");
	boot(&p, &s, NULL, key);
	ends(BOOT_KEPT, BOOT_CAPF_INSTALLED, FATE_TAKEN);
	assert_true(phone_has_cert(&p, HASH));
	assert_string_equal(run.requests, "config capf config ");
	assert_non_null(strstr(run.messages, "LSC: Upgrade Success\n"));
	s.operation = FETCH;
	boot(&p, &s, NULL, key);
	ends(BOOT_KEPT, BOOT_CAPF_FETCHED, FATE_TAKEN);
	assert_string_equal(run.requests, "config capf ");
	s.operation = DELETE;
	boot(&p, &s, NULL, key);
	ends(BOOT_KEPT, BOOT_CAPF_DELETED, FATE_TAKEN);
	assert_null(p.lsc.cert);
	assert_string_equal(run.requests, "config capf config ");
	boot(&p, &s, NULL, key); /* nothing to delete */
	ends(BOOT_KEPT, BOOT_CAPF_DECLINED, FATE_DECLINED);
	assert_non_null(strstr(boot_part(run.boot, BOOT_ENROLMENT)->detail, "it has none"));
	s.operation = FETCH;
	boot(&p, &s, NULL, key);
	ends(BOOT_KEPT, BOOT_CAPF_DECLINED, FATE_DECLINED);
	phone_clear(&p);
	begin(&p, "7975");
	s.operation = INSTALL_EC; /* a model without EC */
	boot(&p, &s, NULL, key);
	ends(BOOT_KEPT, BOOT_CAPF_DECLINED, FATE_DECLINED);
	assert_null(p.lsc.cert);
	assert_null(p.lsc_next);
	phone_clear(&p);
	EVP_PKEY_free(key);
}

static void refusals_of_the_server(void **state)
{
	static const struct {
		enum operation o;
		const char *words;
	} rows[] = {{DECLINE, "neither string nor certificate"}, {UNKNOWN, "does not know this device"}, {ODD, "reason 200"}};
	struct site s = {.capf = "capfitl", .config = PLAIN(CAPF("2"))};
	struct phone p;

	(void)state;
	begin(&p, "8861");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		s.operation = rows[i].o;
		boot(&p, &s, NULL, NULL);
		ends(BOOT_KEPT, BOOT_CAPF_DECLINED, FATE_DECLINED);
		assert_non_null(strstr(boot_part(run.boot, BOOT_ENROLMENT)->detail, rows[i].words));
		assert_string_equal(run.requests, "config capf "); /* no second try: it was an answer */
		configured(PLAIN(CAPF("2")));
	}
	s.operation = LATER;
	p.lsc_next = golden_key("device2048"); /* an offline CA has it */
	boot(&p, &s, NULL, NULL);
	ends(BOOT_KEPT, BOOT_CAPF_LATER, FATE_FAILED);
	assert_string_equal(boot_part(run.boot, BOOT_ENROLMENT)->detail, "in 300 seconds");
	assert_non_null(p.lsc_next);
	s.operation = NOTHING;
	boot(&p, &s, NULL, NULL);
	assert_null(p.lsc_next);
	phone_clear(&p);
}

/* ---- which server ---- */

static void the_servers_certificate(void **state)
{
	struct site s = {.capf = "capf2048", .config = PLAIN(CAPF("2")), .tvs = "tvs",
			 .known = {{"capf2048", TVS_ROLE(FUNCTION_CAPF)}}};
	struct phone p;

	(void)state;
	begin(&p, "8861");
	boot(&p, &s, NULL, NULL);
	ends(BOOT_KEPT, BOOT_CAPF_NOTHING, FATE_SAME);
	assert_string_equal(run.requests, "config capf tvs capf ");
	assert_true(boot_part(run.boot, BOOT_ENROLMENT)->tvs_asked);
	assert_int_equal(boot_part(run.boot, BOOT_ENROLMENT)->reason, REASON_TVS_CONFIRMED);
	boot(&p, &s, NULL, NULL); /* the answer is remembered */
	assert_string_equal(run.requests, "config capf ");
	assert_int_equal(boot_part(run.boot, BOOT_ENROLMENT)->reason, REASON_CACHED);
	phone_cache_flush(&p);
	s.known[0].roles = TVS_ROLE(FUNCTION_APP_SERVER);
	boot(&p, &s, NULL, NULL);
	ends(BOOT_REFUSED, BOOT_CAPF_DISTRUSTED, FATE_REFUSED);
	assert_int_equal(boot_part(run.boot, BOOT_ENROLMENT)->reason, REASON_TVS_ROLE);
	assert_string_equal(run.requests, "config capf tvs ");
	configured(PLAIN(CAPF("2"))); /* nobody is stranded by that */
	s.tvs = NULL;
	phone_cache_flush(&p);
	boot(&p, &s, NULL, NULL);
	ends(BOOT_REFUSED, BOOT_CAPF_DISTRUSTED, FATE_REFUSED);
	s.config = PLAIN(TWO_CAPF);
	boot(&p, &s, NULL, NULL);
	ends(BOOT_REFUSED, BOOT_CAPF_DISTRUSTED, FATE_REFUSED);
	assert_string_equal(run.requests, "config capf tvs capf2 tvs ");
	phone_clear(&p);
}

static void nobody_answers(void **state)
{
	struct site s = {.config = PLAIN(TWO_CAPF)};
	struct phone p;

	(void)state;
	begin(&p, "8861");
	boot(&p, &s, NULL, NULL);
	ends(BOOT_KEPT, BOOT_CAPF_FAILED, FATE_FAILED);
	assert_string_equal(run.requests, "config capf capf2 capf capf2 capf capf2 ");
	assert_int_equal(run.waits, 2);
	assert_string_equal(boot_part(run.boot, BOOT_ENROLMENT)->detail, "connection refused");
	s.capf = "capfitl";
	s.silent = 3; /* the second server, on the second try */
	boot(&p, &s, NULL, NULL);
	ends(BOOT_KEPT, BOOT_CAPF_NOTHING, FATE_SAME);
	assert_string_equal(run.requests, "config capf capf2 capf capf2 ");
	phone_clear(&p);
}

/* What the phone has stored is its own, whatever becomes of the line; the server finds out by certHash. */
static void a_line_that_is_cut(void **state)
{
	EVP_PKEY *key = golden_key("device2048");
	struct site s = {.capf = "capfitl", .config = PLAIN(CAPF("2")), .operation = INSTALL, .cut = true};
	struct phone p;

	(void)state;
	begin(&p, "8861");
	boot(&p, &s, NULL, key);
	ends(BOOT_KEPT, BOOT_CAPF_FAILED, FATE_FAILED);
	assert_true(phone_has_cert(&p, HASH));
	assert_string_equal(run.requests, "config capf capf capf config ");
	phone_clear(&p);
	EVP_PKEY_free(key);
}

/* ---- encrypted configurations (formats-and-protocols.md 5.4) ---- */

static void decrypts(void **state)
{
	static const char plain[] = PLAIN("<sshPassword>x</sshPassword>");
	struct site s = {.capf = "capfitl", .config = ENCRYPTED(HASH), .full = encrypted("device2048", plain)};
	struct phone p;

	(void)state;
	begin(&p, "8861");
	give_identity(&p.lsc, phone_lsc);
	boot(&p, &s, NULL, NULL);
	ends(BOOT_KEPT, BOOT_CAPF_NOTHING, FATE_SAME); /* the stub's mode counts: the file says nothing */
	assert_string_equal(run.requests, "config full capf ");
	assert_int_equal(boot_part(run.boot, BOOT_FULL)->reason, REASON_DECRYPTED);
	assert_int_equal(boot_part(run.boot, BOOT_FULL)->where, WHERE_ITL);
	assert_string_equal(p.tvs[0].host, "192.0.2.12");
	configured(plain);
	assert_string_equal(run.messages, "File Not Found <CTLFile.tlv>\n" DEVICE ".cnf.xml.sgn\n" DEVICE ".cnf.xml.enc.sgn\n");
	give_identity(&p.lsc, callmanager_new); /* the LSC is another's, the MIC fits */
	give_identity(&p.mic, phone_lsc);
	boot(&p, &s, NULL, NULL);
	configured(plain);
	give_identity(&p.lsc, (struct identity){"ec384", "ec384"}); /* EC decrypts nothing */
	boot(&p, &s, NULL, NULL);
	configured(plain);
	phone_clear(&p);
}

static void enrols_and_decrypts(void **state)
{
	static const char plain[] = PLAIN("");
	EVP_PKEY *key = golden_key("device2048");
	struct site s = {.capf = "capfitl", .operation = INSTALL, .config = STUB(CAPF("2")), .config_then = ENCRYPTED(HASH),
			 .full_then = encrypted("device2048", plain)};
	struct phone p;

	(void)state;
	begin(&p, "8861"); /* no certificate is known: the short file leads to CAPF (behaviour.md 6) */
	boot(&p, &s, NULL, key);
	ends(BOOT_KEPT, BOOT_CAPF_INSTALLED, FATE_TAKEN);
	assert_string_equal(run.requests, "config capf config full ");
	configured(plain);
	phone_clear(&p);

	begin(&p, "8861"); /* the phone lost its LSC, and the server does not know */
	s.config = ENCRYPTED(OTHER_HASH);
	s.full = encrypted("pub2048", plain);
	boot(&p, &s, NULL, key);
	ends(BOOT_KEPT, BOOT_CAPF_INSTALLED, FATE_TAKEN);
	assert_string_equal(run.requests, "config full capf config full ");
	configured(plain);
	phone_clear(&p);
	EVP_PKEY_free(key);
}

static void what_cannot_be_decrypted(void **state)
{
	struct site s = {.capf = "capfitl", .config = ENCRYPTED(HASH), .full = encrypted("device2048", PLAIN(""))};
	struct phone p;

	(void)state;
	begin(&p, "8861");
	boot(&p, &s, NULL, NULL);
	ends(BOOT_STRANDED, BOOT_CAPF_NOTHING, FATE_SAME);
	assert_string_equal(run.requests, "config full capf config full "); /* once more, and no more */
	assert_int_equal(boot_part(run.boot, BOOT_FULL)->reason, REASON_NO_CERTIFICATE);
	assert_int_equal(boot_configuration(run.boot).len, 0); /* it keeps what it had */
	assert_string_equal(p.tvs[0].host, "192.0.2.10");
	give_identity(&p.lsc, callmanager_new);
	s.operation = DECLINE;
	boot(&p, &s, NULL, NULL);
	ends(BOOT_STRANDED, BOOT_CAPF_DECLINED, FATE_DECLINED);
	assert_int_equal(boot_part(run.boot, BOOT_FULL)->reason, REASON_NOT_DECRYPTED);
	assert_string_equal(run.requests, "config full capf ");
	s.full = sign_file(callmanager_old, DIGEST_SHA1, DEVICE ".cnf.xml.enc.sgn", "no ciphertext");
	boot(&p, &s, NULL, NULL);
	ends(BOOT_STRANDED, BOOT_CAPF_DECLINED, FATE_DECLINED);
	s.full = encrypt_file(stranger, "device2048", DEVICE ".cnf.xml.enc.sgn", PLAIN("")); /* the signature comes first */
	give_identity(&p.lsc, phone_lsc);
	boot(&p, &s, NULL, NULL);
	assert_int_equal(boot_outcome(run.boot), BOOT_STRANDED);
	assert_int_not_equal(boot_part(run.boot, BOOT_FULL)->reason, REASON_NOT_DECRYPTED);
	assert_int_equal(boot_configuration(run.boot).len, 0);
	s.full = encrypted("device2048", "<device>");
	boot(&p, &s, NULL, NULL);
	assert_int_equal(boot_outcome(run.boot), BOOT_STRANDED);
	assert_int_equal(boot_part(run.boot, BOOT_FULL)->reason, REASON_MALFORMED);
	phone_clear(&p);
}

static void what_nobody_serves(void **state)
{
	struct site s = {.capf = "capfitl", .config = ENCRYPTED(HASH)};
	struct console con = {.clock = &fixed};
	struct err e = ERR_INIT;
	struct phone p;
	struct boot *b;

	(void)state;
	begin(&p, "8861");
	give_identity(&p.lsc, phone_lsc);
	boot(&p, &s, NULL, NULL); /* not there, and the short file is no configuration */
	assert_int_equal(boot_outcome(run.boot), BOOT_STRANDED);
	assert_int_equal(boot_part(run.boot, BOOT_FULL)->fate, FATE_MISSING);
	assert_int_equal(boot_configuration(run.boot).len, 0);

	assert_ok(boot_new(&p, &con, "x", &b, &e), &e);
	while (boot_todo(b)->action != BOOT_END)
		if (boot_todo(b)->action == BOOT_CAPF)
			boot_capf_ended(b, NULL, "away");
		else if (strstr(boot_todo(b)->name, ".enc."))
			boot_failed(b, "time-out");
		else if (strstr(boot_todo(b)->name, "cnf"))
			assert_ok(boot_got(b, sign_file(callmanager_old, DIGEST_SHA1, DEVICE ".cnf.xml.sgn", s.config), &e), &e);
		else
			boot_missing(b);
	assert_int_equal(boot_outcome(b), BOOT_FAILED);
	assert_int_equal(boot_configuration(b).len, 0);
	boot_free(b);
	phone_clear(&p);
}

/* behaviour.md 9, 44: firmware that is too old takes the short file for all there is */
static void firmware_too_old(void **state)
{
	struct site s = {.config = ENCRYPTED(HASH), .full = encrypted("device2048", PLAIN(""))};
	struct console con = {.clock = &fixed};
	struct err e = ERR_INIT;
	struct phone p;

	(void)state;
	begin(&p, "7975");
	assert_ok(boot_new(&p, &con, "x", &run.boot, &e), &e);
	boot_set_old(run.boot);
	while (boot_todo(run.boot)->action == BOOT_GET)
		give_file(run.boot, &s);
	ends(BOOT_KEPT, BOOT_CAPF_NOT_TRIED, FATE_NOT_TRIED);
	assert_string_equal(run.requests, "config ");
	configured(s.config);
	phone_clear(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(modes, cleanup),
		cmocka_unit_test_teardown(cert_hash_out_of_step, cleanup),
		cmocka_unit_test_teardown(operations, cleanup),
		cmocka_unit_test_teardown(refusals_of_the_server, cleanup),
		cmocka_unit_test_teardown(the_servers_certificate, cleanup),
		cmocka_unit_test_teardown(nobody_answers, cleanup),
		cmocka_unit_test_teardown(a_line_that_is_cut, cleanup),
		cmocka_unit_test_teardown(decrypts, cleanup),
		cmocka_unit_test_teardown(enrols_and_decrypts, cleanup),
		cmocka_unit_test_teardown(what_cannot_be_decrypted, cleanup),
		cmocka_unit_test_teardown(what_nobody_serves, cleanup),
		cmocka_unit_test_teardown(firmware_too_old, cleanup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
