#include "cluster/token_ctl.h"

#include "cluster/cert_plan.h"
#include "cluster/doctor.h"
#include "cluster/list_check.h"
#include "cluster/monitor.h"
#include "cluster/node.h"
#include "cluster/node_fixture.h"
#include "cluster/param.h"
#include "cluster/token_ctl_wire.h"
#include "format/vectors.h"
#include "pki/template.h"
#include "store/audit.h"

/* The seeds' cluster, and their tokens: three keys in files, which stand for those behind PKCS#11. */
static struct node node;
static struct err e;
static struct cert *tokens[3];
static EVP_PKEY *keys[3];

static int setup(void **state)
{
	static const char *const names[] = { "etoken1", "etoken2", "sast2048" };

	(void)state;
	err_clear(&e);
	node_init(&node, "10.0");
	/* The seeds' tokens ended in 2024. */
	assert_ok(param_set(node.cluster, "test", PARAM_TVS_EXPIRED, "True", NULL, &e), &e);
	for (size_t i = 0; i < 3; i++) {
		tokens[i] = golden_cert(names[i]);
		keys[i] = golden_key(names[i]);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		cert_unref(tokens[i]);
		EVP_PKEY_free(keys[i]);
	}
	node_remove(&node);
	return 0;
}

static void add_subscriber(struct notes *notes)
{
	char dir[] = "/tmp/ringfence-keys-XXXXXX", key[KEY_NAME_MAX];
	struct template_node sub = { .name = "cucm-1051-a-sub1",
				     .subject = { .ou = "TAC", .o = "Cisco", .l = "Krakow", .st = "Malopolska", .c = "PL" } };
	struct cert_template t;
	struct keystore *ks;
	struct cert *cm;

	assert_non_null(mkdtemp(dir));
	assert_ok(keystore_file_open(dir, &ks, &e), &e);
	assert_ok(template_get("CallManager", "10.0", 1024, &t, &e), &e);
	assert_ok(template_issue(ks, &t, &sub, &node.clock, &random_system, key, &cm, &e), &e);
	keystore_free(ks);
	assert_ok(folder_remove(AT_FDCWD, dir, &e), &e);
	assert_ok(cluster_node_add(node.cluster, "test", sub.name, "10.48.47.156", NULL, &e), &e);
	assert_ok(cluster_node_certificate(node.cluster, "test", sub.name, "CallManager", cm, notes, &e), &e);
	cert_unref(cm);
}

/* What a client made: the tokens by number, which of them signs, how many stand before the servers. */
struct made {
	bool mixed;
	size_t n, order[4], n_first, signer;
	uint32_t made_at; /* 0: a second after what was made before */
	uint8_t *data;
	size_t len;
	uint8_t twin[KEY_SIG_MAX];
	size_t twin_len;
	struct token_ctl t;
};

static void make(struct made *m)
{
	static struct composition comp;
	struct compose_tokens t = { .n = m->n, .n_first = m->n_first, .signer = m->signer };
	struct list_signer signer = evp_signer(keys[m->order[m->signer]]);
	struct trust_list *l;
	struct gathered *g;

	for (size_t i = 0; i < m->n; i++)
		t.certs[i] = tokens[m->order[i]];
	assert_ok(gather(node.cluster, &g, &e), &e);
	g->in.type = LIST_CTL;
	g->in.mixed = m->mixed;
	g->in.tokens = &t;
	g->in.timestamp = m->made_at ? m->made_at : (uint32_t)++node.now;
	assert_ok(compose(&g->in, &comp, &e), &e);
	assert_ok(list_build(&comp.spec, &signer, &m->data, &m->len, &e), &e);
	m->t.ctl = (struct view){ m->data, m->len };
	m->t.generation = node_generation(&node);
	if (g->in.digest != DIGEST_SHA1) {
		uint8_t *twin;
		size_t len;

		comp.spec.digest = DIGEST_SHA1;
		assert_ok(list_build(&comp.spec, &signer, &twin, &len, &e), &e);
		assert_ok(list_parse((struct view){ twin, len }, LIST_CTL, &l, &e), &e);
		m->twin_len = l->header.signature.len;
		memcpy(m->twin, l->header.signature.p, m->twin_len);
		m->t.sha1_signature = (struct view){ m->twin, m->twin_len };
		list_free(l);
		free(twin);
	}
	gathered_free(g);
}

static int offer(struct made *m, struct notes *notes)
{
	struct notes own = NOTES_INIT;
	bool stored = false;
	int rc = cluster_token_ctl(node.cluster, "test", &m->t, notes ? notes : &own, &stored, &e);

	notes_clear(&own);
	return rc ? rc : stored;
}

/* Refused with this class and these words, and nothing is published. */
static void refused(struct made *m, int rc, const char *words)
{
	uint64_t before = node_generation(&node);

	assert_int_equal(offer(m, NULL), rc);
	if (!strstr(e.text, words))
		fail_msg("\"%s\" is not in \"%s\"", words, e.text);
	assert_int_equal(node_generation(&node), before);
	err_clear(&e);
}

static void done(struct made *m)
{
	free(m->data);
	m->data = NULL;
}

static void published(size_t len, size_t records)
{
	struct trust_list *l = node_list(&node, LIST_CTL);

	assert_non_null(l);
	assert_int_equal(l->len, len);
	assert_int_equal(l->n_records, records);
	list_free(l);
}

/* Seed 000: two tokens on a cluster without a CTL, the second one signs; with the question that belongs to it. */
static void two_tokens(void)
{
	struct made m = { .mixed = true, .n = 2, .order = { 0, 1 }, .n_first = 1, .signer = 1,
			  .t = { .change = MODE_MIXED } };
	struct notes notes = NOTES_INIT;
	uint64_t before = node_generation(&node);

	make(&m);
	assert_int_equal(offer(&m, &notes), 0); /* not stored */
	assert_int_equal(notes.n, 1);
	assert_non_null(strstr(notes.text[0], "Phones do not know the next signer of the CTL"));
	notes_clear(&notes);
	assert_int_equal(node_generation(&node), before);
	m.t.accepted = true;
	assert_int_equal(offer(&m, NULL), 1);
	done(&m);
}

static bool says(const struct notes *notes, const char *part)
{
	for (size_t i = 0; i < notes->n; i++)
		if (strstr(notes->text[i], part))
			return true;
	return false;
}

static void stored_here_only(struct notes *notes)
{
	if (!says(notes, "Not reached: cucm-1051-a-sub1. Copy published/current/CTLFile.tlv"))
		fail_msg("%zu notes", notes->n);
	notes_clear(notes);
}

/* The message to the client: a node that nobody has asked has stored nothing. */
static void says_stored(const struct notes *notes)
{
	static struct ctlp_msg m;
	struct wr w;

	wr_init(&w, CTLP_FRAME_MAX);
	assert_ok(token_ctl_write_stored(node.cluster, notes, &w, &e), &e);
	assert_ok(ctlp_msg_read(wr_view_all(&w), &m, &e), &e);
	assert_int_equal(m.type, CTLP_STORED);
	assert_int_equal(m.n_nodes, 1);
	assert_true(view_eq(m.nodes[0].name, view_str("cucm-1051-a-pub")));
	assert_int_equal(m.n_texts, 1);
	wr_clear(&w);
}

static void test_seeds(void **state)
{
	struct made m = { .n = 2, .order = { 0, 1 }, .n_first = 2, .signer = 0, .t = { .change = MODE_NON_SECURE } };
	struct notes notes = NOTES_INIT;
	bool mixed, has;

	(void)state;
	add_subscriber(NULL);
	two_tokens();
	published(5728, 5);
	assert_ok(cluster_is_mixed(node.cluster, &mixed, &e), &e);
	assert_true(mixed);
	assert_ok(cluster_ctl_has_tokens(node.cluster, &has, &e), &e);
	assert_true(has);
	/* Seed 004. Phones know the signer, but secure profiles will not register. */
	make(&m);
	assert_int_equal(offer(&m, &notes), 0);
	assert_int_equal(notes.n, 1);
	assert_non_null(strstr(notes.text[0], "secure registration"));
	notes_clear(&notes);
	m.t.accepted = true;
	assert_int_equal(offer(&m, &notes), 1);
	says_stored(&notes);
	stored_here_only(&notes);
	published(3746, 5);
	assert_ok(cluster_is_mixed(node.cluster, &mixed, &e), &e);
	assert_false(mixed);
	done(&m);
	assert_ok(cluster_set_mixed(node.cluster, "test", &notes, &e), &e);
	stored_here_only(&notes);
}

static void test_who_may_sign(void **state)
{
	struct made stranger = { .mixed = true, .n = 3, .order = { 0, 1, 2 }, .n_first = 2, .signer = 2,
				 .t = { .change = MODE_UPDATE, .accepted = true } };
	struct made alone = { .mixed = true, .n = 1, .order = { 0 }, .n_first = 1,
			      .t = { .change = MODE_MIXED, .accepted = true } };
	struct made spare = stranger;

	(void)state;
	make(&alone);
	refused(&alone, ERR_USAGE, "needs 2 security tokens");
	done(&alone);
	two_tokens();
	make(&stranger);
	refused(&stranger, ERR_AUTH, "does not exist in the CTL File\nPlease remove any");
	done(&stranger);
	/* Scenario 24: either of the two adds a spare one, and that one may sign from then on. */
	spare.signer = 0;
	make(&spare);
	assert_int_equal(offer(&spare, NULL), 1);
	done(&spare);
	spare.n_first = 3;
	spare.signer = 2;
	make(&spare);
	assert_int_equal(offer(&spare, NULL), 1);
	done(&spare);
}

/* Scenarios 3 and 4: `utils ctl` takes the tokens away, and no token comes back before the file is deleted. */
static void test_tokenless_and_back(void **state)
{
	struct made m = { .mixed = true, .n = 2, .order = { 0, 1 }, .n_first = 1, .signer = 1,
			  .t = { .change = MODE_UPDATE, .accepted = true } };
	struct notes notes = NOTES_INIT;
	bool has;

	(void)state;
	two_tokens();
	assert_ok(cluster_mode_warnings(node.cluster, MODE_UPDATE, &notes, &e), &e);
	assert_int_equal(notes.n, 1); /* CallManager is SAST in their ITL */
	assert_non_null(strstr(notes.text[0], "signed by a hardware token"));
	notes_clear(&notes);
	assert_ok(cluster_ctl_update(node.cluster, "test", NULL, &e), &e);
	assert_ok(cluster_ctl_has_tokens(node.cluster, &has, &e), &e);
	assert_false(has);
	make(&m);
	refused(&m, ERR_AUTH, "does not exist in the CTL File");
	done(&m);
	assert_ok(cluster_ctl_delete(node.cluster, "test", NULL, &e), &e);
	make(&m);
	assert_int_equal(offer(&m, NULL), 1);
	done(&m);
	assert_ok(cluster_ctl_has_tokens(node.cluster, &has, &e), &e);
	assert_true(has);
	assert_ok(cluster_set_non_secure(node.cluster, "test", NULL, &e), &e); /* scenario 22 */
}

static size_t count_sast(void)
{
	struct trust_list *l = node_list(&node, LIST_CTL);
	size_t n = 0;

	for (size_t i = 0; i < l->n_records; i++)
		n += l->records[i].function == FUNCTION_SAST;
	list_free(l);
	return n;
}

static void trust(const struct cert *c)
{
	struct store_certificate_info info = { 0 };

	assert_ok(store_certificate_put_trust(node.store, STORE_TRUST_PHONE_SAST, c, &info, STORE_PUT_UPLOAD, &e), &e);
}

/*
 * Tokens are in Phone-SAST-trust so that TVS vouches for them (scenario 4), whatever they are called; another cluster's
 * signer is there to be a record. Neither is in a CTL that a token signs, and `utils ctl` takes only the signer.
 */
static void test_in_phone_sast_trust(void **state)
{
	struct made m = { .mixed = true, .n = 3, .order = { 0, 1, 2 }, .n_first = 2, .signer = 0,
			  .t = { .change = MODE_UPDATE, .accepted = true } };
	struct cert *foreign = golden_cert("tftp2048");
	struct notes notes = NOTES_INIT;

	(void)state;
	trust(tokens[0]);
	trust(tokens[2]); /* its common name is not that of a token */
	trust(foreign);
	two_tokens();
	make(&m);
	m.t.accepted = false;
	assert_int_equal(offer(&m, &notes), 0);
	assert_non_null(strstr(notes.text[0], "The CTL will have 3 SAST records. Some phones are only known to work with 2: "));
	notes_clear(&notes);
	m.t.accepted = true;
	assert_int_equal(offer(&m, NULL), 1);
	assert_int_equal(count_sast(), 3);
	assert_ok(cluster_mode_warnings(node.cluster, MODE_UPDATE, &notes, &e), &e);
	assert_non_null(strstr(notes.text[0], "SAST-ADN0054f509"));
	assert_non_null(strstr(notes.text[0], "becomes no record of the CTL: a hardware token."));
	assert_non_null(strstr(notes.text[1], "SAST.pem becomes no record of the CTL: a hardware token."));
	assert_non_null(strstr(notes.text[2], "as SAST: Asterisk.pem."));
	notes_clear(&notes);
	/* Also when the CTL in force has forgotten them. */
	for (int i = 0; i < 2; i++) {
		assert_ok(cluster_ctl_update(node.cluster, "test", NULL, &e), &e);
		assert_int_equal(count_sast(), 2); /* CallManager and the foreign one */
	}
	cert_unref(foreign);
	done(&m);
}

static void test_changed_meanwhile(void **state)
{
	struct made m = { .mixed = true, .n = 2, .order = { 0, 1 }, .n_first = 1, .signer = 1,
			  .t = { .change = MODE_MIXED, .accepted = true } };

	(void)state;
	make(&m);
	assert_ok(param_set(node.cluster, "test", PARAM_ADVANCED, "True", NULL, &e), &e);
	refused(&m, ERR_AGAIN, "published anew");
	/* The number alone is not believed. */
	m.t.generation = node_generation(&node);
	refused(&m, ERR_USAGE, "does not hold what this cluster's nodes");
	done(&m);
	make(&m);
	m.t.change = MODE_UPDATE;
	refused(&m, ERR_USAGE, "not in mixed mode");
	m.t.change = MODE_NON_SECURE;
	refused(&m, ERR_USAGE, "does not hold");
	m.data[m.len - 1] ^= 1;
	m.t.change = MODE_MIXED;
	refused(&m, ERR_CRYPTO, "");
	done(&m);
}

/* What TFTP gave to everybody, stored again without a token. */
static void test_made_once(void **state)
{
	struct made first = { .mixed = true, .n = 2, .order = { 0, 1 }, .n_first = 1, .signer = 1,
			      .t = { .change = MODE_MIXED, .accepted = true } };
	struct made removed = { .mixed = true, .n = 2, .order = { 0, 2 }, .n_first = 1, .signer = 0,
				.t = { .change = MODE_UPDATE, .accepted = true } };
	struct made again = { .mixed = true, .n = 2, .order = { 0, 2 }, .n_first = 2, .signer = 0,
			      .t = { .change = MODE_UPDATE, .accepted = true } };
	uint32_t last, next;

	(void)state;
	make(&first);
	assert_int_equal(offer(&first, NULL), 1);
	first.t.generation = node_generation(&node);
	refused(&first, ERR_USAGE, "no CTL is taken a second time");
	make(&removed);
	assert_int_equal(offer(&removed, NULL), 1);
	/* The stolen one does not come back, whatever number is said to be in force. */
	first.t.generation = removed.t.generation = node_generation(&node);
	first.t.change = MODE_UPDATE;
	refused(&first, ERR_USAGE, "no CTL is taken a second time");
	assert_ok(cluster_ctl_delete(node.cluster, "test", NULL, &e), &e);
	first.t.generation = removed.t.generation = node_generation(&node);
	refused(&first, ERR_USAGE, "no CTL is taken a second time");
	refused(&removed, ERR_USAGE, "no CTL is taken a second time");
	/* Nor does a clock that was set back bring it, or keep the next one away. */
	last = (uint32_t)node.now;
	node.now -= 86400;
	assert_ok(token_ctl_time(node.cluster, &next, &e), &e);
	assert_int_equal(next, last + 1);
	again.made_at = next + TOKEN_CTL_FUTURE_S + 1;
	make(&again);
	refused(&again, ERR_USAGE, "301 seconds after the time of the node");
	done(&again);
	again.made_at = next;
	make(&again);
	assert_int_equal(offer(&again, NULL), 1);
	done(&again);
	done(&first);
	done(&removed);
}

/* TVS keeps silent about what has expired: that it carries phones over would be the opposite of what happens. */
static void test_expired(void **state)
{
	struct made m = { .mixed = true, .n = 2, .order = { 0, 1 }, .n_first = 1, .signer = 1,
			  .t = { .change = MODE_MIXED } };
	struct notes notes = NOTES_INIT;

	(void)state;
	assert_ok(param_set(node.cluster, "test", PARAM_TVS_EXPIRED, "False", NULL, &e), &e);
	make(&m);
	refused(&m, ERR_AUTH, "SAST-ADN008580ef");
	done(&m);
	assert_ok(param_set(node.cluster, "test", PARAM_TVS_EXPIRED, "True", NULL, &e), &e);
	two_tokens();
	assert_ok(param_set(node.cluster, "test", PARAM_TVS_EXPIRED, "False", NULL, &e), &e);
	/* Phones that have the CTL know the signer; those without know nothing that could speak for it. */
	m.t.change = MODE_UPDATE;
	m.n_first = 2;
	make(&m);
	assert_int_equal(offer(&m, &notes), 0);
	assert_int_equal(notes.n, 3);
	assert_non_null(strstr(notes.text[0], "would be stranded: what they hold does not know its next signer, and TVS"));
	assert_non_null(strstr(notes.text[1], "SAST-ADN0054f509"));
	assert_non_null(strstr(notes.text[2], "SAST-ADN008580ef"));
	assert_non_null(strstr(notes.text[2], "has expired"));
	notes_clear(&notes);
	done(&m);
}

#define UPDATE "'ringfence ctl-client update CTLFile'"

/* Each of these says so, and none says what would throw the tokens out. */
static void hint(struct notes *notes)
{
	if (!says(notes, UPDATE) || says(notes, "'utils ctl"))
		fail_msg("%zu notes, the first: %s", notes->n, notes->n ? notes->text[0] : "");
	notes_clear(notes);
}

static void hints_of_doctor(void)
{
	struct doctor_input in = { .data_dir = node.dir, .clock = &node.clock, .cluster = node.cluster };
	struct doctor_report r = { 0 };
	int updates = 0, ended = 0;

	assert_ok(doctor_run(&in, &r, &e), &e);
	for (size_t i = 0; i < r.n; i++) {
		const struct doctor_finding *f = &r.findings[i];

		assert_null(strstr(f->remedy, "utils ctl"));
		updates += strcmp(f->check, "ctl") == 0 && strstr(f->remedy, UPDATE);
		ended += f->severity == DOCTOR_PROBLEM && strstr(f->what, "security token SAST") && strstr(f->what, "has expired");
	}
	assert_int_equal(updates, 1);
	assert_int_equal(ended, 3);
	doctor_report_clear(&r);
}

static void monitored(void)
{
	struct monitor_list l;
	int n = 0;

	assert_ok(monitor_look(node.cluster, &l, &e), &e);
	for (size_t i = 0; i < l.n; i++)
		n += strcmp(l.entries[i].unit, "CTLFile") == 0 && l.entries[i].state == MONITOR_EXPIRED;
	assert_int_equal(n, 3);
	monitor_list_clear(&l);
}

/* What is said to somebody who has tokens, of which three do not fit into each generation. */
static void test_hints(void **state)
{
	struct made spare = { .mixed = true, .n = 3, .order = { 0, 1, 2 }, .n_first = 2, .signer = 0,
			      .t = { .change = MODE_UPDATE, .accepted = true } };
	struct notes notes = NOTES_INIT;
	struct trust_list *ctl;
	const char *command;

	(void)state;
	assert_ok(cluster_ctl_command(node.cluster, &command, &e), &e);
	assert_string_equal(command, "utils ctl set-cluster non-secure-mode");
	two_tokens();
	make(&spare);
	assert_int_equal(offer(&spare, NULL), 1);
	done(&spare);
	assert_ok(cert_plan(node.cluster, "CallManager", false, &notes, &e), &e);
	hint(&notes);
	assert_ok(cluster_regen_warnings(node.cluster, "CallManager", &notes, &e), &e);
	hint(&notes);
	assert_ok(cluster_regen(node.cluster, "test", "CallManager", &notes, NULL, &e), &e);
	hint(&notes);
	ctl = node_list(&node, LIST_CTL);
	assert_ok(list_notes(node.cluster, ctl, LIST_CTL, &notes, &e), &e);
	list_free(ctl);
	hint(&notes);
	add_subscriber(&notes);
	hint(&notes);
	assert_ok(cluster_node_delete(node.cluster, "test", "cucm-1051-a-sub1", &notes, &e), &e);
	hint(&notes);
	hints_of_doctor();
	monitored();
	assert_ok(param_warnings(node.cluster, PARAM_GENERATION, "12.0", &notes, &e), &e);
	assert_true(says(&notes, "It has 3 security tokens, and in generation 12.0 a CTL has room for 2"));
	assert_true(says(&notes, "'ringfence ctl-client update CTLFile --remove-token SAST'"));
	notes_clear(&notes);
	assert_ok(param_warnings(node.cluster, PARAM_GENERATION, "10.5(2)", &notes, &e), &e);
	assert_false(says(&notes, "--remove-token"));
	notes_clear(&notes);
}

static void test_twin(void **state)
{
	struct made m = { .mixed = true, .n = 2, .order = { 0, 1 }, .n_first = 1, .signer = 0,
			  .t = { .change = MODE_MIXED, .accepted = true } };
	char path[160];

	(void)state;
	assert_ok(param_set(node.cluster, "test", PARAM_DIGEST, "SHA-512", NULL, &e), &e);
	make(&m);
	m.t.sha1_signature = (struct view){ 0 };
	refused(&m, ERR_USAGE, "twin with SHA-1 is missing");
	m.t.sha1_signature = (struct view){ m.twin, m.twin_len };
	m.twin[0] ^= 1;
	refused(&m, ERR_CRYPTO, "the CTL with SHA-1");
	m.twin[0] ^= 1;
	assert_int_equal(offer(&m, NULL), 1);
	snprintf(path, sizeof(path), "%s/published/current/" PUBLISH_CTL_SHA1, node.dir);
	assert_int_equal(access(path, R_OK), 0);
	done(&m);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_seeds),
		TEST(test_who_may_sign),
		TEST(test_tokenless_and_back),
		TEST(test_in_phone_sast_trust),
		TEST(test_changed_meanwhile),
		TEST(test_made_once),
		TEST(test_expired),
		TEST(test_hints),
		TEST(test_twin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
