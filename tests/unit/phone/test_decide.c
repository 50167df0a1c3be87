#include "phone/decide.h"

#include "phone/world.h"

#define NOW 1700000000
#define NONE ((struct view){0})

static int cleanup(void **state)
{
	(void)state;
	keep(NULL, 0);
	return 0;
}

static void is(const struct decision *d, enum verdict v, enum reason r, enum where w)
{
	if (d->verdict != v || d->reason != r || d->where != w)
		fail_msg("verdict %d, %s in '%s' (%s)", d->verdict, reason_name(d->reason), where_name(d->where), d->detail);
}

static struct decision decide(struct phone *p, enum list_type type, struct view file)
{
	struct decision d;

	phone_decide_list(p, type, file, &d);
	return d;
}

#define EXPECT_LIST(p, type, file, v, r, w)                                                                            \
	do {                                                                                                           \
		struct decision expect_d = decide(p, type, file);                                                      \
		is(&expect_d, v, r, w);                                                                                \
	} while (0)

/* behaviour.md 4.2, row "neither" */
static void nothing_installed_takes_everything(void **state)
{
	struct phone p;
	struct decision d;

	(void)state;
	make_phone(&p, "7975", NONE, NONE);
	EXPECT_LIST(&p, LIST_CTL, ctl_of(callmanager_old), VERDICT_ACCEPT, REASON_NOTHING_INSTALLED, WHERE_NONE);
	EXPECT_LIST(&p, LIST_ITL, itl_of(callmanager_old, "tvs"), VERDICT_ACCEPT, REASON_NOTHING_INSTALLED, WHERE_NONE);
	phone_decide_file(&p, view_str("<device/>"), false, &d);
	is(&d, VERDICT_ACCEPT, REASON_UNSIGNED_OK, WHERE_NONE);
	assert_int_equal(d.payload, 0);
	phone_decide_file(&p, sign_file(stranger, DIGEST_SHA1, "x.sgn", "<device/>"), true, &d);
	is(&d, VERDICT_ACCEPT, REASON_UNSIGNED_OK, WHERE_NONE);
	assert_true(d.payload > 10);
	phone_clear(&p);
}

/* behaviour.md 4.2, row "neither, or ITL emptied by the rollback parameter" */
static void a_blank_itl_takes_everything(void **state)
{
	struct view blank = golden("tlv/itl-blank-guess.tlv");
	struct phone p;
	struct decision d;

	(void)state;
	make_phone(&p, "7975", NONE, blank);
	assert_true(phone_is_open(&p));
	assert_false(phone_wants_signed(&p));
	EXPECT_LIST(&p, LIST_ITL, itl_of(callmanager_old, "tvs"), VERDICT_ACCEPT, REASON_NOTHING_INSTALLED, WHERE_NONE);
	EXPECT_LIST(&p, LIST_CTL, ctl_of(callmanager_new), VERDICT_ACCEPT, REASON_NOTHING_INSTALLED, WHERE_NONE);
	phone_decide_file(&p, view_str("<device/>"), false, &d);
	is(&d, VERDICT_ACCEPT, REASON_UNSIGNED_OK, WHERE_NONE);
	/* with a CTL that names servers it is not open: the parameter does not empty the CTL */
	install_list(&p, LIST_CTL, ctl_of(callmanager_old));
	assert_false(phone_is_open(&p));
	EXPECT_LIST(&p, LIST_CTL, ctl_of(callmanager_new), VERDICT_REFUSE, REASON_NO_TVS_RECORD, WHERE_NONE);
	EXPECT_LIST(&p, LIST_ITL, itl_of(callmanager_new, "tvs"), VERDICT_REFUSE, REASON_NOT_CTL_TFTP, WHERE_NONE);
	phone_clear(&p);
	golden_free(blank);
}

/* behaviour.md 4.2, row "ITL only" */
static void with_an_itl(void **state)
{
	struct phone p;
	struct decision d;

	(void)state;
	make_phone(&p, "7975", NONE, itl_of(callmanager_old, "tvs"));
	EXPECT_LIST(&p, LIST_CTL, ctl_of(callmanager_old), VERDICT_ACCEPT, REASON_SAST, WHERE_ITL);
	EXPECT_LIST(&p, LIST_ITL, itl_of(callmanager_old, "sub1024"), VERDICT_ACCEPT, REASON_SAST, WHERE_ITL);
	EXPECT_LIST(&p, LIST_CTL, ctl_of(callmanager_new), VERDICT_ASK_TVS, REASON_SIGNER_UNKNOWN, WHERE_NONE);
	EXPECT_LIST(&p, LIST_ITL, itl_of(callmanager_new, "tvs"), VERDICT_ASK_TVS, REASON_SIGNER_UNKNOWN, WHERE_NONE);

	phone_decide_file(&p, view_str("<device/>"), false, &d);
	is(&d, VERDICT_REFUSE, REASON_UNSIGNED, WHERE_NONE);
	phone_decide_file(&p, sign_file(callmanager_old, DIGEST_SHA1, "x.sgn", "<device/>"), true, &d);
	is(&d, VERDICT_ACCEPT, REASON_TFTP, WHERE_ITL);
	assert_int_equal(d.record, 1);
	phone_decide_file(&p, sign_file(callmanager_new, DIGEST_SHA1, "x.sgn", "<device/>"), true, &d);
	is(&d, VERDICT_ASK_TVS, REASON_SIGNER_UNKNOWN, WHERE_NONE);
	assert_int_equal(d.ask.type, TVS_QUERY_REQUEST);
	assert_string_equal((const char *)d.ask.issuer.p, "CN=cucm-1051-a-pub;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL");
	phone_clear(&p);
}

/* behaviour.md 4.2, row "CTL only" */
static void with_a_ctl(void **state)
{
	struct view with_recovery = LIST(LIST_CTL, recovery, {"sast2048", FUNCTION_SAST, RECORD_FULL},
					 {"pub2048", FUNCTION_SAST, RECORD_FULL}, {"pub2048", FUNCTION_CCM_TFTP, RECORD_FULL});
	struct phone p;
	struct decision d;

	(void)state;
	make_phone(&p, "7975", ctl_of(callmanager_old), NONE);
	EXPECT_LIST(&p, LIST_CTL, ctl_of(callmanager_old), VERDICT_ACCEPT, REASON_SAST, WHERE_CTL);
	EXPECT_LIST(&p, LIST_CTL, ctl_of(callmanager_new), VERDICT_REFUSE, REASON_NO_TVS_RECORD, WHERE_NONE);
	EXPECT_LIST(&p, LIST_ITL, itl_of(callmanager_old, "tvs"), VERDICT_ACCEPT, REASON_TFTP, WHERE_CTL);
	EXPECT_LIST(&p, LIST_ITL, itl_of(callmanager_new, "tvs"), VERDICT_REFUSE, REASON_NOT_CTL_TFTP, WHERE_NONE);
	phone_decide_file(&p, sign_file(callmanager_old, DIGEST_SHA1, "x.sgn", "<device/>"), true, &d);
	is(&d, VERDICT_ACCEPT, REASON_TFTP, WHERE_CTL);
	phone_clear(&p);

	/* 12.0: ITLRecovery is only a SAST of the CTL, and signs the ITL */
	make_phone(&p, "7975", with_recovery, NONE);
	EXPECT_LIST(&p, LIST_ITL, LIST(LIST_ITL, recovery, {"sast2048", FUNCTION_SAST, RECORD_FULL}), VERDICT_ACCEPT,
		    REASON_SAST, WHERE_CTL);
	phone_clear(&p);
}

/* behaviour.md 4.2, row "both" */
static void with_both(void **state)
{
	struct phone p;
	struct decision d;

	(void)state;
	make_phone(&p, "7975", ctl_of(callmanager_old), itl_of(callmanager_new, "tvs"));
	EXPECT_LIST(&p, LIST_CTL, ctl_of(callmanager_old), VERDICT_ACCEPT, REASON_SAST, WHERE_CTL);
	EXPECT_LIST(&p, LIST_CTL, ctl_of(callmanager_new), VERDICT_ACCEPT, REASON_SAST, WHERE_ITL);
	EXPECT_LIST(&p, LIST_ITL, itl_of(callmanager_old, "tvs"), VERDICT_ACCEPT, REASON_SAST, WHERE_CTL);
	EXPECT_LIST(&p, LIST_ITL, LIST(LIST_ITL, recovery, {"sast2048", FUNCTION_SAST, RECORD_FULL}), VERDICT_ASK_TVS,
		    REASON_SIGNER_UNKNOWN, WHERE_NONE);
	phone_decide_file(&p, sign_file(callmanager_old, DIGEST_SHA1, "x.sgn", ""), true, &d);
	is(&d, VERDICT_ACCEPT, REASON_TFTP, WHERE_CTL);
	phone_decide_file(&p, sign_file(callmanager_new, DIGEST_SHA1, "x.sgn", ""), true, &d);
	is(&d, VERDICT_ACCEPT, REASON_TFTP, WHERE_ITL);
	phone_decide_file(&p, sign_file(recovery, DIGEST_SHA1, "x.sgn", ""), true, &d);
	is(&d, VERDICT_ASK_TVS, REASON_SIGNER_UNKNOWN, WHERE_NONE);
	assert_int_equal(d.n_steps, 2);
	phone_clear(&p);
}

/* A list names its own signer; only that one of the installed lists counts. A phone's certificate signs nothing (U-4). */
static void a_list_that_trusts_itself_is_not_trusted(void **state)
{
	struct view own = LIST(LIST_ITL, stranger, {"capf2048", FUNCTION_SAST, RECORD_FULL},
			       {"capf2048", FUNCTION_CCM_TFTP, RECORD_FULL});
	struct phone p;

	(void)state;
	make_phone(&p, "7960", NONE, itl_of(callmanager_old, "tvs"));
	EXPECT_LIST(&p, LIST_ITL, own, VERDICT_REFUSE, REASON_NO_TVS_SUPPORT, WHERE_NONE);
	phone_clear(&p);
	make_phone(&p, "7975", NONE, itl_of(callmanager_old, "tvs"));
	EXPECT_LIST(&p, LIST_ITL, own, VERDICT_ASK_TVS, REASON_SIGNER_UNKNOWN, WHERE_NONE);
	phone_clear(&p);
}

static void damaged_lists(void **state)
{
	static const struct {
		const char *name;
		enum reason reason;
	} bad[] = {
		{"empty.tlv", REASON_MALFORMED}, {"short-header.tlv", REASON_MALFORMED},
		{"record-length-zero.tlv", REASON_MALFORMED}, {"hash-algorithm-9.tlv", REASON_MALFORMED},
		{"signature-bit-flipped.tlv", REASON_SIGNATURE}, {"payload-bit-flipped.tlv", REASON_SIGNATURE},
		{"truncated-after-record-2.tlv", REASON_SIGNATURE}, {"signer-is-not-sast.tlv", REASON_SIGNER_NOT_SAST},
		{"signer-unknown.tlv", REASON_SIGNER_NOT_SAST},
	};
	struct phone p;

	(void)state;
	make_phone(&p, "8861", NONE, NONE); /* not even a phone that takes everything takes these */
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char name[128];
		struct view file;

		snprintf(name, sizeof name, "bad/%s", bad[i].name);
		file = golden(name);
		EXPECT_LIST(&p, LIST_CTL, file, VERDICT_REFUSE, bad[i].reason, WHERE_NONE);
		assert_true(decide(&p, LIST_CTL, file).detail[0]);
		golden_free(file);
	}
	phone_clear(&p);
}

static void what_the_model_cannot_do(void **state)
{
	struct view sha512 = make_list(LIST_ITL, callmanager_new, DIGEST_SHA512,
				       (const struct entry[]){{"pub2048", FUNCTION_SAST, RECORD_FULL}, {0}});
	struct view large = {calloc(1, 65537), 65537};
	struct phone p;
	struct decision d;

	(void)state;
	make_phone(&p, "7975", NONE, NONE);
	EXPECT_LIST(&p, LIST_ITL, sha512, VERDICT_REFUSE, REASON_DIGEST_UNSUPPORTED, WHERE_NONE);
	assert_false(decide(&p, LIST_ITL, sha512).assumed);
	EXPECT_LIST(&p, LIST_ITL, large, VERDICT_REFUSE, REASON_TOO_LARGE, WHERE_NONE);
	install_list(&p, LIST_ITL, itl_of(callmanager_old, "tvs"));
	phone_decide_file(&p, sign_file(callmanager_old, DIGEST_SHA512, "x.sgn", ""), true, &d);
	is(&d, VERDICT_REFUSE, REASON_DIGEST_UNSUPPORTED, WHERE_NONE);
	phone_clear(&p);
	make_phone(&p, "8861", NONE, NONE);
	EXPECT_LIST(&p, LIST_ITL, sha512, VERDICT_ACCEPT, REASON_NOTHING_INSTALLED, WHERE_NONE);
	phone_clear(&p);
	make_phone(&p, "nobody knows", NONE, itl_of(callmanager_old, "tvs"));
	assert_true(decide(&p, LIST_ITL, sha512).assumed);
	EXPECT_LIST(&p, LIST_ITL, itl_of(callmanager_new, "tvs"), VERDICT_REFUSE, REASON_NO_TVS_SUPPORT, WHERE_NONE);
	assert_true(decide(&p, LIST_ITL, itl_of(callmanager_new, "tvs")).assumed);
	phone_clear(&p);
	free((void *)(uintptr_t)large.p);
}

/* list_build refuses to write three SAST records, so the trait is lowered instead. */
static void too_many_sast_records(void **state)
{
	struct traits one = *model("7975");
	struct phone p;

	(void)state;
	one.max_sast = 1;
	phone_init(&p, "SEP001122334455", "7975", &one);
	EXPECT_LIST(&p, LIST_CTL, LIST(LIST_CTL, recovery, {"sast2048", FUNCTION_SAST, RECORD_FULL},
				       {"pub2048", FUNCTION_SAST, RECORD_FULL}),
		    VERDICT_REFUSE, REASON_SAST_TOO_MANY, WHERE_NONE);
	phone_clear(&p);
}

static void damaged_files(void **state)
{
	struct view file = sign_file(callmanager_old, DIGEST_SHA1, "x.sgn", "<device/>");
	uint8_t *octets = (uint8_t *)(uintptr_t)file.p;
	struct phone p;
	struct decision d;

	(void)state;
	make_phone(&p, "7975", ctl_of(callmanager_old), itl_of(callmanager_old, "tvs"));
	octets[file.len - 1] ^= 1;
	phone_decide_file(&p, file, true, &d);
	is(&d, VERDICT_REFUSE, REASON_SIGNATURE, WHERE_CTL);
	octets[file.len - 1] ^= 1;
	phone_decide_file(&p, (struct view){file.p, 9}, true, &d);
	is(&d, VERDICT_REFUSE, REASON_MALFORMED, WHERE_NONE);
	phone_decide_file(&p, (struct view){file.p, file.len - 1}, true, &d);
	is(&d, VERDICT_REFUSE, REASON_SIGNATURE, WHERE_CTL);
	phone_decide_file(&p, (struct view){file.p, PHONE_CONFIG_MAX + 1}, true, &d);
	is(&d, VERDICT_REFUSE, REASON_TOO_LARGE, WHERE_NONE);
	phone_clear(&p);
}

static void why_tvs_cannot_be_asked(void **state)
{
	struct view without_tvs = LIST(LIST_ITL, callmanager_old, {"pub1024", FUNCTION_SAST, RECORD_FULL},
				       {"pub1024", FUNCTION_CCM_TFTP, RECORD_FULL});
	struct phone p;

	(void)state;
	make_phone(&p, "7960", NONE, itl_of(callmanager_old, "tvs"));
	EXPECT_LIST(&p, LIST_CTL, ctl_of(callmanager_new), VERDICT_REFUSE, REASON_NO_TVS_SUPPORT, WHERE_NONE);
	phone_clear(&p);
	make_phone(&p, "7975", NONE, itl_of(callmanager_old, "tvs"));
	p.n_tvs = 0;
	EXPECT_LIST(&p, LIST_CTL, ctl_of(callmanager_new), VERDICT_REFUSE, REASON_NO_TVS_SERVER, WHERE_NONE);
	phone_clear(&p);
	make_phone(&p, "7975", NONE, without_tvs);
	EXPECT_LIST(&p, LIST_CTL, ctl_of(callmanager_new), VERDICT_REFUSE, REASON_NO_TVS_RECORD, WHERE_NONE);
	phone_clear(&p);
}

static void the_tvs_server_itself(void **state)
{
	struct cert *tvs = golden_cert("tvs"), *other = golden_cert("tftp2048"), *ec = golden_cert("ec384");
	struct phone p;
	struct decision d;

	(void)state;
	make_phone(&p, "7975", ctl_of(callmanager_old), itl_of(callmanager_old, "tvs"));
	phone_decide_tvs_server(&p, tvs, &d);
	is(&d, VERDICT_ACCEPT, REASON_RECORD_HASH, WHERE_ITL);
	assert_int_equal(d.record, 2);
	phone_decide_tvs_server(&p, other, &d);
	is(&d, VERDICT_REFUSE, REASON_TVS_MISMATCH, WHERE_NONE);
	assert_string_equal(reason_text(d.reason), "the TVS certificate does not match the ITL");
	phone_decide_tvs_server(&p, ec, &d);
	is(&d, VERDICT_REFUSE, REASON_EC_UNSUPPORTED, WHERE_NONE);
	phone_clear(&p);
	make_phone(&p, "7975", NONE, LIST(LIST_ITL, callmanager_old, {"pub1024", FUNCTION_SAST, RECORD_FULL},
					  {"tvs", FUNCTION_TVS, RECORD_FULL}));
	phone_decide_tvs_server(&p, tvs, &d);
	is(&d, VERDICT_ACCEPT, REASON_RECORD, WHERE_ITL);
	phone_clear(&p);
	make_phone(&p, "7975", ctl_of(callmanager_old), NONE);
	phone_decide_tvs_server(&p, tvs, &d);
	is(&d, VERDICT_REFUSE, REASON_NO_TVS_RECORD, WHERE_NONE);
	phone_clear(&p);
	cert_unref(tvs);
	cert_unref(other);
	cert_unref(ec);
}

static struct view ask(const struct decision *d, const struct known *known, size_t n)
{
	struct tvs_msg m = d->ask;
	struct err e = ERR_INIT;
	struct view answer;
	struct wr w;

	m.session = 1;
	wr_init(&w, TVS_FRAME_MAX);
	assert_ok(tvs_msg_write(&m, &w, &e), &e);
	answer = tvs_of(known, n, wr_view_all(&w));
	wr_clear(&w);
	return answer;
}

/* Decide about file, ask a TVS that knows `known`, decide again. */
static struct decision ask_about_list(struct phone *p, struct view file, struct known known)
{
	struct decision d = decide(p, LIST_ITL, file);
	struct err e = ERR_INIT;
	struct tvs_msg answer;

	is(&d, VERDICT_ASK_TVS, REASON_SIGNER_UNKNOWN, WHERE_NONE);
	assert_ok(tvs_msg_read(ask(&d, &known, known.cert != NULL), &answer, &e), &e);
	phone_decide_tvs_answer(p, file, &answer, NOW, &d);
	return d;
}

static void tvs_answers_about_a_list(void **state)
{
	struct view file = itl_of(callmanager_new, "tvs");
	struct phone p;
	struct decision d;

	(void)state;
	make_phone(&p, "7975", NONE, itl_of(callmanager_old, "tvs"));
	d = ask_about_list(&p, file, (struct known){"pub2048", TVS_ROLE(FUNCTION_SAST) | TVS_ROLE(FUNCTION_CCM_TFTP)});
	is(&d, VERDICT_ACCEPT, REASON_TVS_CONFIRMED, WHERE_TVS);
	d = ask_about_list(&p, file, (struct known){"pub2048", TVS_ROLE(FUNCTION_CCM_TFTP)});
	is(&d, VERDICT_REFUSE, REASON_TVS_ROLE, WHERE_TVS);
	d = ask_about_list(&p, file, (struct known){0});
	is(&d, VERDICT_REFUSE, REASON_TVS_NO, WHERE_TVS);
	phone_clear(&p);
}

/* A server that says yes with another certificate, or to a forged file, convinces nobody. */
static void tvs_cannot_vouch_for_what_does_not_verify(void **state)
{
	struct view file = itl_of(callmanager_new, "tvs"), config;
	struct cert *other = golden_cert("sast2048"), *right = golden_cert("pub2048");
	struct tvs_msg answer = {.type = TVS_QUERY_RESPONSE, .has_status = true, .roles = ~0u};
	struct phone p;
	struct decision d;

	(void)state;
	make_phone(&p, "7975", NONE, itl_of(callmanager_old, "tvs"));
	answer.certificate = cert_der(other);
	d = decide(&p, LIST_ITL, file);
	phone_decide_tvs_answer(&p, file, &answer, NOW, &d);
	is(&d, VERDICT_REFUSE, REASON_TVS_WRONG_CERT, WHERE_TVS);
	answer.certificate = view_str("no certificate");
	d = decide(&p, LIST_ITL, file);
	phone_decide_tvs_answer(&p, file, &answer, NOW, &d);
	is(&d, VERDICT_REFUSE, REASON_TVS_WRONG_CERT, WHERE_TVS);
	answer.certificate = (struct view){0};
	d = decide(&p, LIST_ITL, file);
	phone_decide_tvs_answer(&p, file, &answer, NOW, &d);
	is(&d, VERDICT_REFUSE, REASON_TVS_WRONG_CERT, WHERE_TVS);

	config = sign_file(callmanager_new, DIGEST_SHA1, "x.sgn", "<device/>");
	((uint8_t *)(uintptr_t)config.p)[config.len - 1] ^= 1;
	answer.certificate = cert_der(right);
	phone_decide_file(&p, config, true, &d);
	phone_decide_tvs_answer(&p, config, &answer, NOW, &d);
	is(&d, VERDICT_REFUSE, REASON_SIGNATURE, WHERE_TVS);
	((uint8_t *)(uintptr_t)config.p)[config.len - 1] ^= 1;
	phone_decide_file(&p, config, true, &d);
	phone_decide_tvs_answer(&p, config, &answer, NOW, &d);
	is(&d, VERDICT_ACCEPT, REASON_TVS_CONFIRMED, WHERE_TVS);

	phone_decide_file(&p, config, true, &d);
	phone_decide_tvs_answer(&p, config, NULL, NOW, &d);
	is(&d, VERDICT_REFUSE, REASON_TVS_UNREACHABLE, WHERE_TVS);
	answer.type = TVS_VERIFY_RESPONSE;
	phone_decide_file(&p, config, true, &d);
	phone_decide_tvs_answer(&p, config, &answer, NOW, &d);
	is(&d, VERDICT_REFUSE, REASON_TVS_UNREACHABLE, WHERE_TVS);
	phone_clear(&p);
	cert_unref(other);
	cert_unref(right);
}

/* formats-and-protocols.md 6.9: CTL, ITL, cache, TVS; and the cache for 86,400 s (seed 003) */
static void servers(void **state)
{
	const uint32_t https = TVS_ROLE(FUNCTION_APP_SERVER);
	struct cert *web = golden_cert("tftp2048"), *cm = golden_cert("pub1024");
	struct known known = {"tftp2048", TVS_ROLE(FUNCTION_APP_SERVER)};
	struct tvs_msg answer;
	struct err e = ERR_INIT;
	struct phone p;
	struct decision d;

	(void)state;
	make_phone(&p, "7975", NONE, itl_of(callmanager_old, "tvs"));
	phone_decide_server(&p, cm, TVS_ROLE(FUNCTION_CCM) | TVS_ROLE(FUNCTION_CCM_TFTP), NOW, &d);
	is(&d, VERDICT_ACCEPT, REASON_RECORD, WHERE_ITL);
	phone_decide_server(&p, cm, https, NOW, &d); /* listed, but not for this */
	is(&d, VERDICT_ASK_TVS, REASON_SERVER_UNKNOWN, WHERE_NONE);
	phone_decide_server(&p, web, https, NOW, &d);
	is(&d, VERDICT_ASK_TVS, REASON_SERVER_UNKNOWN, WHERE_NONE);
	assert_int_equal(d.ask.type, TVS_VERIFY_REQUEST);
	assert_int_equal(d.n_steps, 3);
	assert_ok(tvs_msg_read(ask(&d, &known, 1), &answer, &e), &e);
	phone_decide_tvs_answer(&p, cert_der(web), &answer, NOW, &d);
	is(&d, VERDICT_ACCEPT, REASON_TVS_CONFIRMED, WHERE_TVS);
	phone_decide_server(&p, web, https, NOW + 86399, &d);
	is(&d, VERDICT_ACCEPT, REASON_CACHED, WHERE_CACHE);
	phone_decide_server(&p, web, TVS_ROLE(FUNCTION_CAPF), NOW, &d); /* cached, but not for this */
	is(&d, VERDICT_ASK_TVS, REASON_SERVER_UNKNOWN, WHERE_NONE);
	phone_decide_server(&p, web, https, NOW + 86400, &d);
	is(&d, VERDICT_ASK_TVS, REASON_SERVER_UNKNOWN, WHERE_NONE);

	phone_decide_tvs_answer(&p, cert_der(web), &answer, NOW, &d);
	install_list(&p, LIST_ITL, itl_of(callmanager_old, "tvs")); /* a new list flushes the cache */
	phone_decide_server(&p, web, https, NOW, &d);
	is(&d, VERDICT_ASK_TVS, REASON_SERVER_UNKNOWN, WHERE_NONE);
	known.roles = TVS_ROLE(FUNCTION_CCM);
	assert_ok(tvs_msg_read(ask(&d, &known, 1), &answer, &e), &e);
	phone_decide_tvs_answer(&p, cert_der(web), &answer, NOW, &d);
	is(&d, VERDICT_REFUSE, REASON_TVS_ROLE, WHERE_TVS);
	assert_int_equal(p.n_cache, 0);
	phone_clear(&p);
	make_phone(&p, "7975", NONE, NONE); /* without lists there is nobody to ask, and HTTPS services stop (8.3) */
	phone_decide_server(&p, web, https, NOW, &d);
	is(&d, VERDICT_REFUSE, REASON_NO_TVS_RECORD, WHERE_NONE);
	phone_clear(&p);
	cert_unref(web);
	cert_unref(cm);
}

static void the_cache_forgets_the_one_that_expires_first(void **state)
{
	struct cert *a = golden_cert("tvs"), *b = golden_cert("tftp2048");
	struct phone p;

	(void)state;
	make_phone(&p, "7975", NONE, NONE);
	phone_cache_put(&p, a, 1, 10, NOW);
	for (unsigned i = 1; i < PHONE_CACHE_MAX; i++) {
		p.cache[i] = p.cache[0];
		p.cache[i].sha256[0] ^= (uint8_t)i;
		p.cache[i].expires_s += i;
	}
	p.n_cache = PHONE_CACHE_MAX;
	phone_cache_put(&p, b, 1, 0, NOW); /* a TTL of nothing is kept for nothing */
	assert_null(phone_cache_get(&p, b, NOW));
	phone_cache_put(&p, b, 2, 5, NOW);
	assert_int_equal(p.n_cache, PHONE_CACHE_MAX);
	assert_null(phone_cache_get(&p, a, NOW));
	assert_int_equal(phone_cache_get(&p, b, NOW)->roles, 2);
	phone_cache_put(&p, b, 4, UINT32_MAX, NOW);
	assert_int_equal(phone_cache_get(&p, b, NOW)->expires_s, NOW + TVS_TTL_MAX);
	phone_clear(&p);
	cert_unref(a);
	cert_unref(b);
}

/* A CTL after non-secure-mode: no CCM+TFTP certificate. The phone takes unsigned files, and keeps its SAST. */
static void the_ctl_of_non_secure_mode(void **state)
{
	struct view ctl = LIST(LIST_CTL, callmanager_old, {"pub1024", FUNCTION_SAST, RECORD_FULL},
			       {NULL, FUNCTION_CCM_TFTP, RECORD_EMPTY}, {"capf1024", FUNCTION_CAPF, RECORD_FULL});
	struct phone p;
	struct decision d;

	(void)state;
	make_phone(&p, "7975", ctl, NONE);
	assert_false(phone_wants_signed(&p));
	assert_false(phone_is_open(&p));
	phone_decide_file(&p, view_str("<device/>"), false, &d);
	is(&d, VERDICT_ACCEPT, REASON_UNSIGNED_OK, WHERE_NONE);
	EXPECT_LIST(&p, LIST_CTL, ctl_of(callmanager_old), VERDICT_ACCEPT, REASON_SAST, WHERE_CTL);
	EXPECT_LIST(&p, LIST_CTL, ctl_of(callmanager_new), VERDICT_REFUSE, REASON_NO_TVS_RECORD, WHERE_NONE);
	phone_clear(&p);
}

static void every_reason_has_its_words(void **state)
{
	(void)state;
	for (int r = 0; r < REASON_COUNT; r++) {
		assert_non_null(reason_name(r));
		assert_true(strlen(reason_text(r)) > 10);
		for (int q = 0; q < r; q++)
			assert_string_not_equal(reason_name(r), reason_name(q));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(nothing_installed_takes_everything, cleanup),
		cmocka_unit_test_teardown(a_blank_itl_takes_everything, cleanup),
		cmocka_unit_test_teardown(with_an_itl, cleanup),
		cmocka_unit_test_teardown(with_a_ctl, cleanup),
		cmocka_unit_test_teardown(with_both, cleanup),
		cmocka_unit_test_teardown(a_list_that_trusts_itself_is_not_trusted, cleanup),
		cmocka_unit_test_teardown(damaged_lists, cleanup),
		cmocka_unit_test_teardown(what_the_model_cannot_do, cleanup),
		cmocka_unit_test_teardown(too_many_sast_records, cleanup),
		cmocka_unit_test_teardown(damaged_files, cleanup),
		cmocka_unit_test_teardown(why_tvs_cannot_be_asked, cleanup),
		cmocka_unit_test_teardown(the_tvs_server_itself, cleanup),
		cmocka_unit_test_teardown(tvs_answers_about_a_list, cleanup),
		cmocka_unit_test_teardown(tvs_cannot_vouch_for_what_does_not_verify, cleanup),
		cmocka_unit_test_teardown(servers, cleanup),
		cmocka_unit_test_teardown(the_cache_forgets_the_one_that_expires_first, cleanup),
		cmocka_unit_test_teardown(the_ctl_of_non_secure_mode, cleanup),
		cmocka_unit_test_teardown(every_reason_has_its_words, cleanup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
