#include "phone/boot.h"

#include "base/text.h"

#include "phone/world.h"

#define NONE ((struct view){0})
#define DEVICE "SEP001122334455"
#define XML(directory) "<device><fullConfig>true</fullConfig>" directory                                               \
	"<TVS><members><member priority=\"0\"><port>2445</port><address>192.0.2.10</address></member>"                \
	"<member priority=\"1\"><address>192.0.2.11</address></member></members></TVS></device>"
#define DIRECTORY "<secureDirectoryURL>https://192.0.2.20:8443/ccmcip/xmldirectory.jsp</secureDirectoryURL>"
#define OVER_HTTP "<secureDirectoryURL>http://192.0.2.20:8080/ccmcip/xmldirectory.jsp</secureDirectoryURL>"
#define LOG_MAX 32768

/* ---- a site: files, TVS servers, a directory ---- */

struct site {
	struct {
		const char *name;
		struct view file;
	} files[8];
	const char *tvs[2]; /* certificate that the server presents; NULL: does not answer */
	struct known known[4];
	size_t n_known;
	const char *web;
	bool page;         /* it answers over HTTP */
	const char *https; /* certificate on port 6971 */
	struct view plain; /* the configuration there */
};

static char console_text[LOG_MAX], messages[LOG_MAX], requests[LOG_MAX];
static size_t n_console, n_messages, n_requests;

static void line(void *ctx, const char *text)
{
	(void)ctx;
	n_console = text_append(console_text, sizeof console_text, n_console, "%s\n", text);
}

static void message(void *ctx, const char *text)
{
	(void)ctx;
	n_messages = text_append(messages, sizeof messages, n_messages, "%s\n", text);
}

static int64_t now_s = 1700000000;

static int64_t wall(void *ctx)
{
	(void)ctx;
	return now_s;
}

static uint64_t mono(void *ctx)
{
	(void)ctx;
	return 561;
}

static const struct clock fixed = {wall, mono, NULL};

static void request(const char *what)
{
	n_requests = text_append(requests, sizeof requests, n_requests, "%s ", what);
}

static void give_file(struct boot *b, const struct site *s)
{
	const struct boot_todo *t = boot_todo(b);
	struct err e = ERR_INIT;

	request(t->name);
	if (t->https && s->plain.p) {
		assert_ok(boot_got(b, s->plain, &e), &e);
		return;
	}
	for (size_t i = 0; i < 8 && s->files[i].name; i++)
		if (!strcmp(s->files[i].name, t->name)) {
			assert_true(s->files[i].file.len <= t->limit);
			assert_ok(boot_got(b, s->files[i].file, &e), &e);
			return;
		}
	boot_missing(b);
}

static void tvs_connect(struct boot *b, const struct site *s)
{
	const struct boot_todo *t = boot_todo(b);
	size_t i = !strcmp(t->host, "192.0.2.11");
	struct cert *c;

	assert_true(i || !strcmp(t->host, "192.0.2.10"));
	assert_int_equal(t->port, 2445);
	request(i ? "tvs2" : "tvs1");
	if (!s->tvs[i]) {
		boot_tvs_failed(b, "connection refused");
		return;
	}
	c = golden_cert(s->tvs[i]);
	boot_tvs_connected(b, c);
	cert_unref(c);
}

static void web_connect(struct boot *b, const struct site *s)
{
	struct cert *c;

	if (boot_todo(b)->port == 6971) {
		request("https");
		c = golden_cert(s->https);
		boot_connected(b, c);
		cert_unref(c);
		return;
	}
	assert_string_equal(boot_todo(b)->host, "192.0.2.20");
	assert_int_equal(boot_todo(b)->port, 8443);
	request("web");
	if (!s->web) {
		boot_not_connected(b, "no route");
		return;
	}
	c = golden_cert(s->web);
	boot_connected(b, c);
	cert_unref(c);
}

static void web_open(struct boot *b, const struct site *s)
{
	assert_string_equal(boot_todo(b)->host, "192.0.2.20");
	assert_int_equal(boot_todo(b)->port, 8080);
	request(boot_todo(b)->name);
	if (s->page)
		boot_opened(b);
	else
		boot_not_connected(b, "there is no such page");
}

/* Boot once; texts and requests of this boot stand in the globals. */
static struct boot *run(struct phone *p, const struct site *s)
{
	static struct console con;
	struct err e = ERR_INIT;
	struct boot *b;

	con = (struct console){.line = line, .message = message, .clock = &fixed};
	n_console = n_messages = n_requests = 0;
	console_text[0] = messages[0] = requests[0] = '\0';
	assert_ok(boot_new(p, &con, "14.48.44.80", &b, &e), &e);
	if (s->https)
		boot_set_https(b, 6971);
	for (int i = 0; boot_todo(b)->action != BOOT_END; i++) {
		assert_true(i < 50);
		switch (boot_todo(b)->action) {
		case BOOT_GET:
			give_file(b, s);
			break;
		case BOOT_TVS:
			tvs_connect(b, s);
			break;
		case BOOT_ASK:
			boot_tvs_answered(b, tvs_of(s->known, s->n_known, boot_todo(b)->frame));
			break;
		case BOOT_CONNECT:
			web_connect(b, s);
			break;
		case BOOT_OPEN:
			web_open(b, s);
			break;
		case BOOT_CAPF: /* test_boot_capf.c */
		case BOOT_END:
			break;
		}
	}
	return b;
}

#define EXPECT(p, s, want)                                                                                             \
	do {                                                                                                           \
		struct boot *expect_b = run(p, s);                                                                     \
		if (boot_outcome(expect_b) != (want))                                                                  \
			fail_msg("%s\n%s\n%s", boot_outcome_name(boot_outcome(expect_b)), messages, console_text);     \
		boot_free(expect_b);                                                                                   \
	} while (0)

static void says(const char *text)
{
	if (!strstr(console_text, text))
		fail_msg("the console does not say '%s':\n%s", text, console_text);
}

static bool has_list(const struct trust_list *l, struct view file)
{
	return l && view_eq((struct view){l->data, l->len}, file);
}

/* A non-secure site of release 8 to 9: this CallManager signs, this TVS runs. */
static struct site site_of(struct identity cm, const char *tvs)
{
	const uint32_t signer = TVS_ROLE(FUNCTION_SAST) | TVS_ROLE(FUNCTION_CCM_TFTP);
	struct site s = {
		.files = {
			{"ITL" DEVICE ".tlv", itl_of(cm, tvs)},
			{DEVICE ".cnf.xml.sgn", sign_file(cm, DIGEST_SHA1, DEVICE ".cnf.xml.sgn", XML(""))},
		},
		.tvs = {tvs},
		.known = {{cm.cert, signer}},
		.n_known = 1,
	};

	return s;
}

static void add_file(struct site *s, const char *name, struct view file)
{
	size_t i = 0;

	while (s->files[i].name && strcmp(s->files[i].name, name))
		i++;
	assert_true(i < 8);
	s->files[i].name = name;
	s->files[i].file = file;
}

static int cleanup(void **state)
{
	(void)state;
	now_s = 1700000000;
	keep(NULL, 0);
	return 0;
}

/* ---- behaviour.md 9 ---- */

/* 1: a new cluster, non-secure: no CTL is normal, the ITL is taken, from then on everything is signed */
static void scenario_1(void **state)
{
	struct site s = site_of(callmanager_old, "tvs");
	struct phone p;

	(void)state;
	make_phone(&p, "7975", NONE, NONE);
	EXPECT(&p, &s, BOOT_TOOK);
	assert_string_equal(requests, "CTLSEP001122334455.tlv CTLFile.tlv ITLSEP001122334455.tlv SEP001122334455.cnf.xml.sgn ");
	assert_string_equal(messages, "File Not Found <CTLFile.tlv>\nTrust List Updated\nSEP001122334455.cnf.xml.sgn\n");
	assert_null(p.ctl);
	assert_true(has_list(p.itl, s.files[0].file));
	assert_int_equal(p.n_tvs, 2);
	assert_string_equal(p.tvs[1].host, "192.0.2.11");
	EXPECT(&p, &s, BOOT_KEPT); /* and nothing is new the next time */
	assert_string_equal(messages, "File Not Found <CTLFile.tlv>\nSEP001122334455.cnf.xml.sgn\n");
	phone_clear(&p);
}

/* 2: to mixed mode: the first CTL is taken, the ITL stays */
static void scenario_2(void **state)
{
	struct site s = site_of(callmanager_old, "tvs");
	struct phone p;

	(void)state;
	make_phone(&p, "7975", NONE, NONE);
	EXPECT(&p, &s, BOOT_TOOK);
	add_file(&s, "CTL" DEVICE ".tlv", ctl_of(callmanager_old));
	EXPECT(&p, &s, BOOT_TOOK);
	assert_true(has_list(p.ctl, s.files[2].file));
	assert_true(has_list(p.itl, s.files[0].file));
	EXPECT(&p, &s, BOOT_KEPT);
	phone_clear(&p);
	make_phone(&p, "7975", NONE, NONE); /* a new phone in the mixed cluster gets both */
	EXPECT(&p, &s, BOOT_TOOK);
	assert_true(has_list(p.ctl, s.files[2].file));
	assert_true(has_list(p.itl, s.files[0].file));
	phone_clear(&p);
}

/* 6: CallManager regenerated: the phone asks the TVS that its ITL names, and takes list and configuration */
static void scenario_6(void **state)
{
	struct site s = site_of(callmanager_new, "tvs");
	struct phone p;
	struct boot *b;

	(void)state;
	make_phone(&p, "7975", NONE, itl_of(callmanager_old, "tvs"));
	b = run(&p, &s);
	assert_int_equal(boot_outcome(b), BOOT_TOOK);
	assert_true(boot_part(b, BOOT_ITL)->tvs_asked);
	assert_int_equal(boot_part(b, BOOT_ITL)->reason, REASON_TVS_CONFIRMED);
	assert_false(boot_part(b, BOOT_CONFIG)->tvs_asked); /* the new ITL knows its signer */
	assert_int_equal(boot_part(b, BOOT_CONFIG)->where, WHERE_ITL);
	boot_free(b);
	assert_true(has_list(p.itl, s.files[0].file));
	says("SECD: verifyCertWithHashFromTL: cert hash and hash in TL MATCH");
	says("SECD: tvs_cert_vfy: TVS cert verified with hash from TL, <192.0.2.10>");
	says("SECD: tvsFlushCertCache: Completed TVS Certificate cache flush request");
	phone_clear(&p);
}

/* 7: the publisher's CallManager regenerated in mixed mode: phones with Security By Default follow, others do not */
static void scenario_7(void **state)
{
	struct site s = site_of(callmanager_new, "tvs");
	struct phone p;

	(void)state;
	add_file(&s, "CTL" DEVICE ".tlv", ctl_of(callmanager_new));
	make_phone(&p, "7975", ctl_of(callmanager_old), itl_of(callmanager_old, "tvs"));
	EXPECT(&p, &s, BOOT_TOOK);
	assert_true(has_list(p.ctl, s.files[2].file));
	assert_true(has_list(p.itl, s.files[0].file));
	phone_clear(&p);

	make_phone(&p, "7960", ctl_of(callmanager_old), NONE);
	struct view old = ctl_of(callmanager_old);
	EXPECT(&p, &s, BOOT_STRANDED);
	assert_true(has_list(p.ctl, old));
	assert_null(p.itl);
	assert_null(strstr(requests, "ITL"));
	assert_string_equal(messages, "Trust List Update Failed\nVerification Failed\n");
	phone_clear(&p);
}

/* 8: CallManager and TVS together: the old ITL matches nothing. The chain "TVS certificate does not match the ITL". */
static void scenario_8(void **state)
{
	struct site s = site_of(callmanager_new, "tftp2048");
	struct view old = itl_of(callmanager_old, "tvs");
	struct phone p;
	struct boot *b;

	(void)state;
	make_phone(&p, "7975", NONE, old);
	b = run(&p, &s);
	assert_int_equal(boot_outcome(b), BOOT_STRANDED);
	assert_int_equal(boot_part(b, BOOT_ITL)->reason, REASON_TVS_MISMATCH);
	assert_int_equal(boot_part(b, BOOT_CONFIG)->reason, REASON_TVS_MISMATCH);
	boot_free(b);
	assert_true(has_list(p.itl, old));
	assert_string_equal(messages, "File Not Found <CTLFile.tlv>\nTrust List Update Failed\nVerification Failed\n");
	says("TVS cert not verified, <192.0.2.10>; the TVS certificate does not match the ITL");
	phone_erase(&p); /* the repair by hand */
	EXPECT(&p, &s, BOOT_TOOK);
	phone_clear(&p);
}

/* 11: TVS alone: the signer is known, nobody is asked */
static void scenario_11(void **state)
{
	struct site s = site_of(callmanager_old, "tftp2048");
	struct phone p;
	struct boot *b;

	(void)state;
	make_phone(&p, "7975", NONE, itl_of(callmanager_old, "tvs"));
	b = run(&p, &s);
	assert_int_equal(boot_outcome(b), BOOT_TOOK);
	assert_false(boot_part(b, BOOT_ITL)->tvs_asked);
	boot_free(b);
	assert_true(has_list(p.itl, s.files[0].file));
	phone_clear(&p);
}

/* 21: back to non-secure, and the CTL file removed: phones keep the CTL they have */
static void scenario_21(void **state)
{
	struct site s = site_of(callmanager_old, "tvs");
	struct view ctl = ctl_of(callmanager_old);
	struct phone p;

	(void)state;
	make_phone(&p, "7975", ctl, itl_of(callmanager_old, "tvs"));
	EXPECT(&p, &s, BOOT_KEPT);
	assert_true(has_list(p.ctl, ctl));
	phone_clear(&p);
}

/* 46: the phone was off while CallManager, and later TVS, were replaced one by one: locked out until the ITL is deleted */
static void scenario_46(void **state)
{
	struct site first = site_of(callmanager_new, "tvs"), second = site_of(callmanager_new, "tftp2048");
	struct phone there, away;

	(void)state;
	make_phone(&there, "7975", NONE, itl_of(callmanager_old, "tvs"));
	make_phone(&away, "7975", NONE, itl_of(callmanager_old, "tvs"));
	EXPECT(&there, &first, BOOT_TOOK);
	EXPECT(&there, &second, BOOT_TOOK);
	EXPECT(&away, &second, BOOT_STRANDED);
	phone_erase(&away);
	EXPECT(&away, &second, BOOT_TOOK);
	phone_clear(&there);
	phone_clear(&away);
}

/* ---- TVS servers and the directory ---- */

static void the_next_server_is_tried_when_one_does_not_answer(void **state)
{
	struct site s = site_of(callmanager_new, "tvs");
	struct phone p;

	(void)state;
	s.tvs[0] = NULL;
	s.tvs[1] = "tvs";
	make_phone(&p, "7975", NONE, itl_of(callmanager_old, "tvs"));
	snprintf(p.tvs[1].host, sizeof p.tvs[1].host, "192.0.2.11");
	p.tvs[1].port = TVS_PORT;
	p.n_tvs = 2;
	EXPECT(&p, &s, BOOT_TOOK);
	assert_non_null(strstr(requests, "tvs1 tvs2 "));
	phone_clear(&p);

	s.tvs[1] = NULL;
	make_phone(&p, "7975", NONE, itl_of(callmanager_old, "tvs"));
	EXPECT(&p, &s, BOOT_STRANDED);
	says("connection refused");
	phone_clear(&p);
}

/* Seed 003: the Directories button, its certificate through TVS, and 86,400 seconds without asking again. */
static void the_directory_through_tvs_and_cache(void **state)
{
	struct site s = site_of(callmanager_old, "tvs");
	struct phone p;
	struct boot *b;

	(void)state;
	add_file(&s, DEVICE ".cnf.xml.sgn",
		 sign_file(callmanager_old, DIGEST_SHA1, DEVICE ".cnf.xml.sgn", XML(DIRECTORY)));
	s.known[s.n_known++] = (struct known){"tftp2048", TVS_ROLE(FUNCTION_APP_SERVER)};
	s.web = "tftp2048";
	make_phone(&p, "7975", NONE, NONE);
	b = run(&p, &s);
	assert_int_equal(boot_outcome(b), BOOT_TOOK);
	assert_int_equal(boot_part(b, BOOT_DIRECTORY)->fate, FATE_TAKEN);
	assert_int_equal(boot_part(b, BOOT_DIRECTORY)->reason, REASON_TVS_CONFIRMED);
	boot_free(b);
	says("SECD: clpSetupSsl: Trying to connect to IPV4, IP: 192.0.2.20, Port : 8443");
	says("SECD: findByCertAndRoleInTL: Searching TL from CTL file");
	says("SECD: findByCertAndRoleInTL: Searching TL from ITL file");
	says("SECD: EROR:https_cert_vfy: HTTPS cert not in CTL, <192.0.2.20>");
	says("SECD: lookupAuthCertTvsCacheEntry: No matching entry found at cache");
	says("SECD: connectToTvsServer: Successfully started a TLS connection establishment to the TVS server: "
	     "IP:192.0.2.10, port:2445 (default); Waiting for it to get connected.");
	says("SECD: sendTvsClientReqToSrvr: Authenticate Certificate : request sent to TVS server - waiting for response");
	says("SECD: processTvsSrvrResponse: Authentication Response received, status : 0");
	says("SECD: saveCertToTvsCache: Saving certificate in TVS cache with default time-to-live value: 86400 seconds");
	says("SECD: Authenticated the HTTPS conn via TVS");

	now_s += 86399;
	EXPECT(&p, &s, BOOT_KEPT);
	assert_null(strstr(requests, "tvs1"));
	says("SECD: lookupAuthCertTvsCacheEntry: Found matching entry at cache");
	now_s += 1;
	EXPECT(&p, &s, BOOT_KEPT);
	assert_non_null(strstr(requests, "web tvs1"));

	s.web = "capf2048"; /* a server nobody knows */
	EXPECT(&p, &s, BOOT_REFUSED);
	assert_non_null(strstr(messages, "Host Not Found"));
	s.web = NULL;
	b = run(&p, &s);
	assert_int_equal(boot_part(b, BOOT_DIRECTORY)->fate, FATE_FAILED);
	boot_free(b);
	phone_clear(&p);
}

static void a_directory_over_http_is_not_checked(void **state)
{
	struct site s = site_of(callmanager_old, "tvs");
	struct phone p;
	struct boot *b;

	(void)state;
	add_file(&s, DEVICE ".cnf.xml.sgn", sign_file(callmanager_old, DIGEST_SHA1, DEVICE ".cnf.xml.sgn", XML(OVER_HTTP)));
	s.page = true;
	make_phone(&p, "7975", NONE, NONE);
	b = run(&p, &s);
	assert_int_equal(boot_outcome(b), BOOT_TOOK);
	assert_int_equal(boot_part(b, BOOT_DIRECTORY)->fate, FATE_TAKEN);
	assert_int_equal(boot_part(b, BOOT_DIRECTORY)->reason, REASON_HTTP);
	boot_free(b);
	assert_non_null(strstr(requests, " ccmcip/xmldirectory.jsp "));
	assert_null(strstr(requests, "tvs"));
	s.page = false;
	b = run(&p, &s);
	assert_int_equal(boot_part(b, BOOT_DIRECTORY)->fate, FATE_FAILED);
	boot_free(b);
	assert_non_null(strstr(messages, "Host Not Found"));
	phone_clear(&p);
}

/* ---- files ---- */

static void fallback_names(void **state)
{
	struct site s = {0};
	struct phone p;

	(void)state;
	make_phone(&p, "7975", NONE, NONE);
	EXPECT(&p, &s, BOOT_FAILED);
	assert_string_equal(requests, "CTLSEP001122334455.tlv CTLFile.tlv ITLSEP001122334455.tlv ITLFile.tlv "
				      "SEP001122334455.cnf.xml XMLDefault.cnf.xml ");
	assert_string_equal(messages, "File Not Found <CTLFile.tlv>\nNo Trust List Installed\nFile not found <Cfg File>\n");
	add_file(&s, "XMLDefault.cnf.xml", view_str("<Default></Default>"));
	EXPECT(&p, &s, BOOT_KEPT);
	phone_clear(&p);
}

static void an_encrypted_configuration_is_verified(void **state)
{
	static const char stub[] = "<device><fullConfig>false</fullConfig><encrConfig>true</encrConfig></device>";
	struct site s = site_of(callmanager_old, "tvs");
	struct phone p;

	(void)state;
	add_file(&s, DEVICE ".cnf.xml.sgn", sign_file(callmanager_old, DIGEST_SHA1, DEVICE ".cnf.xml.sgn", stub));
	make_phone(&p, "7975", NONE, itl_of(callmanager_old, "tvs"));
	EXPECT(&p, &s, BOOT_STRANDED); /* the encrypted file is not there */
	assert_non_null(strstr(requests, DEVICE ".cnf.xml.enc.sgn "));
	assert_int_equal(p.n_tvs, 1); /* a stub says nothing of TVS servers */
	add_file(&s, DEVICE ".cnf.xml.enc.sgn",
		 sign_file(stranger, DIGEST_SHA1, DEVICE ".cnf.xml.enc.sgn", "ciphertext"));
	EXPECT(&p, &s, BOOT_STRANDED); /* and what cannot be decrypted: test_boot_capf.c */
	phone_clear(&p);
}

/* formats-and-protocols.md 8.4: port 6971 for models with EC, when the ITL has signer version 1.1 */
static void the_configuration_by_https(void **state)
{
	struct view itl = golden("tlv/itl-peer-sha512.tlv"); /* signer version 1.1; ec384 has the function TFTP */
	struct site s = {.files = {{"ITL" DEVICE ".tlv", itl},
				   {DEVICE ".cnf.xml.sgn", sign_file(tftp_only, DIGEST_SHA1, DEVICE ".cnf.xml.sgn", XML(""))}},
			 .https = "ec384", .plain = view_str(XML(""))};
	struct phone p;
	struct boot *b;

	(void)state;
	make_phone(&p, "8861", NONE, NONE);
	b = run(&p, &s);
	assert_int_equal(boot_outcome(b), BOOT_TOOK);
	assert_int_equal(boot_part(b, BOOT_CONFIG)->reason, REASON_RECORD);
	assert_int_equal(boot_configuration(b).len, strlen(XML("")));
	boot_free(b);
	assert_string_equal(requests, "CTLSEP001122334455.tlv CTLFile.tlv ITLSEP001122334455.tlv https "
				      "SEP001122334455.cnf.xml.sgn ");
	s.plain = NONE; /* not there: the signed one is fetched as ever */
	EXPECT(&p, &s, BOOT_KEPT);
	assert_non_null(strstr(requests, "https SEP001122334455.cnf.xml.sgn SEP001122334455.cnf.xml.sgn "));
	s.plain = view_str(XML(""));
	s.https = "capf2048"; /* a server that nothing knows gets no question */
	EXPECT(&p, &s, BOOT_KEPT);
	assert_non_null(strstr(requests, "https SEP001122334455.cnf.xml.sgn "));
	phone_clear(&p);
	make_phone(&p, "7975", NONE, itl_of(callmanager_old, "tvs")); /* no EC, no HTTPS */
	boot_free(run(&p, &s));
	assert_null(strstr(requests, "https"));
	phone_clear(&p);
	golden_free(itl);
}

static void a_configuration_that_is_no_xml(void **state)
{
	struct site s = site_of(callmanager_old, "tvs");
	struct phone p;

	(void)state;
	add_file(&s, DEVICE ".cnf.xml.sgn", sign_file(callmanager_old, DIGEST_SHA1, DEVICE ".cnf.xml.sgn", "<device>"));
	make_phone(&p, "7975", NONE, itl_of(callmanager_old, "tvs"));
	EXPECT(&p, &s, BOOT_STRANDED);
	phone_clear(&p);
}

static void a_server_that_does_not_answer(void **state)
{
	struct console con = {.clock = &fixed};
	struct err e = ERR_INIT;
	struct phone p;
	struct boot *b;

	(void)state;
	make_phone(&p, "7975", NONE, itl_of(callmanager_old, "tvs"));
	assert_ok(boot_new(&p, &con, "x", &b, &e), &e);
	while (boot_todo(b)->action == BOOT_GET)
		boot_failed(b, "time-out");
	assert_int_equal(boot_todo(b)->action, BOOT_END);
	assert_int_equal(boot_outcome(b), BOOT_FAILED);
	assert_string_equal(boot_part(b, BOOT_CONFIG)->detail, "time-out");
	boot_free(b);
	phone_clear(&p);
}

/* The console of seed 003, line by line, for what happens there: both lists installed, all of it verified. */
static void the_console_of_seed_003(void **state)
{
	static const char *const lines[] = {
		": NOT ", "SECD: tlRequestFile: Request CTLSEP001122334455.tlv\n",
		"TFTP: [1]:Requesting CTLSEP001122334455.tlv from 14.48.44.80\n", "TFTP: [1]:Finished --> rcvd ",
		"TFTP: [2]:Requesting ITLSEP001122334455.tlv from 14.48.44.80\n",
		"SECD: validate_file_envelope: File sign verify SUCCESS; header length <3",
		("tftpClient: tftp request rcv'd from /usr/tmp/tftp, srcFile = SEP001122334455.cnf.xml, dstFile = "
		 "/usr/ram/SEP001122334455.cnf.xml max size = 550001\n"),
		"tftpClient: auth server - tftpList[0] = ::ffff:14.48.44.80\n", "tftpClient: look up server - 0\n",
		"SECD: lookupCTL: TFTP SRVR secure\n", "tftpClient: secVal = 0x9\n",
		"tftpClient: ::ffff:14.48.44.80 is a secure server\n", "tftpClient: retval = SRVR_SECURE\n",
		"tftpClient: Secure file requested\n",
		"tftpClient: authenticated file approved - add .sgn -- SEP001122334455.cnf.xml.sgn\n",
		"TFTP: [3]:Requesting SEP001122334455.cnf.xml.sgn from 14.48.44.80 with size limit of 550001\n",
		"TFTP: [3]:Finished --> rcvd ", "SECD: verifyFile: verify SUCCESS </usr/ram/SEP001122334455.cnf.xml>\n",
	};
	struct site s = site_of(callmanager_old, "tvs");
	struct phone p;
	const char *at;

	(void)state;
	add_file(&s, "CTL" DEVICE ".tlv", ctl_of(callmanager_old));
	make_phone(&p, "7975", ctl_of(callmanager_old), itl_of(callmanager_old, "tvs"));
	EXPECT(&p, &s, BOOT_KEPT);
	at = console_text;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		at = strstr(at, lines[i]);
		if (!at)
			fail_msg("line %zu is missing or out of order: %s\n%s", i, lines[i], console_text);
	}
	assert_non_null(strstr(console_text, ".561000 SECD"));
	phone_clear(&p);
}

static uint64_t late_ms;

static uint64_t mono_of_late(void *ctx)
{
	(void)ctx;
	return late_ms;
}

/* The two clocks do not turn their seconds together. */
static void console_time_does_not_go_back(void **state)
{
	const struct clock late = {wall, mono_of_late, NULL};
	struct console con = {.line = line, .clock = &late};

	(void)state;
	n_console = 0;
	late_ms = 41990;
	console_log(&con, "one");
	late_ms = 42010; /* 20 ms, and the wall clock says the same second */
	console_log(&con, "two");
	now_s++;
	console_log(&con, "three");
	now_s--;
	assert_string_equal(console_text, "1: NOT 22:13:20.990000 one\n2: NOT 22:13:21.010000 two\n3: NOT 22:13:21.010000 three\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(scenario_1, cleanup),
		cmocka_unit_test_teardown(scenario_2, cleanup),
		cmocka_unit_test_teardown(scenario_6, cleanup),
		cmocka_unit_test_teardown(scenario_7, cleanup),
		cmocka_unit_test_teardown(scenario_8, cleanup),
		cmocka_unit_test_teardown(scenario_11, cleanup),
		cmocka_unit_test_teardown(scenario_21, cleanup),
		cmocka_unit_test_teardown(scenario_46, cleanup),
		cmocka_unit_test_teardown(the_next_server_is_tried_when_one_does_not_answer, cleanup),
		cmocka_unit_test_teardown(the_directory_through_tvs_and_cache, cleanup),
		cmocka_unit_test_teardown(a_directory_over_http_is_not_checked, cleanup),
		cmocka_unit_test_teardown(fallback_names, cleanup),
		cmocka_unit_test_teardown(an_encrypted_configuration_is_verified, cleanup),
		cmocka_unit_test_teardown(the_configuration_by_https, cleanup),
		cmocka_unit_test_teardown(a_configuration_that_is_no_xml, cleanup),
		cmocka_unit_test_teardown(a_server_that_does_not_answer, cleanup),
		cmocka_unit_test_teardown(the_console_of_seed_003, cleanup),
		cmocka_unit_test(console_time_does_not_go_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
