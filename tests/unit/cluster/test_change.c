#include "cluster/authority.h"
#include "cluster/node.h"
#include "cluster/node_fixture.h"
#include "cluster/param.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/*
 * kill -9 and full disks: an operation is ended before each of its durable steps in turn, in a process of its own. What
 * is on disk afterwards must be the old generation whole or the new one whole, and the operation must be possible again.
 */
static struct node seed; /* what every trial starts from: closed */
static struct err e;

static void copy_tree(const char *from, const char *to)
{
	pid_t pid = fork();

	if (pid == 0) {
		execlp("cp", "cp", "-a", from, to, (char *)NULL);
		_exit(127);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void node_copy(struct node *n)
{
	node_folder(n);
	assert_int_equal(rmdir(n->dir), 0);
	copy_tree(seed.dir, n->dir);
	n->now += 100;
}

/* --- the operations --- */

static int do_mixed(struct node *n, struct err *err)
{
	return cluster_set_mixed(n->cluster, "test", NULL, err);
}

static int do_update(struct node *n, struct err *err)
{
	return cluster_ctl_update(n->cluster, "test", NULL, err);
}

static int do_non_secure(struct node *n, struct err *err)
{
	return cluster_set_non_secure(n->cluster, "test", NULL, err);
}

static int do_delete(struct node *n, struct err *err)
{
	return cluster_ctl_delete(n->cluster, "test", NULL, err);
}

static int do_regen(struct node *n, struct err *err)
{
	return cluster_regen(n->cluster, "test", "CallManager", NULL, NULL, err);
}

static int do_param(struct node *n, struct err *err)
{
	return param_set(n->cluster, "test", PARAM_DIGEST, "SHA-512", NULL, err);
}

/* A certificate for the request that waits in the seed. */
static struct cert *signed_cert;

static int do_import(struct node *n, struct err *err)
{
	struct csr_import in = { .file = cert_der(signed_cert) };

	return cluster_import_own(n->cluster, "test", "CallManager", &in, NULL, err);
}

static int do_csr(struct node *n, struct err *err)
{
	struct csr_wish wish = { 0 };

	return cluster_csr_gen(n->cluster, "test", "CallManager", &wish, NULL, err);
}

typedef int operation(struct node *n, struct err *err);

/* --- one trial --- */

#define KILLED 42

struct kill_at {
	unsigned step; /* counted from 1 */
	unsigned seen;
};

static void kill_at(void *ctx, const char *step)
{
	struct kill_at *k = ctx;

	(void)step;
	if (++k->seen == k->step)
		_exit(KILLED);
}

/* True when the operation ended before step `step` came. */
static bool run_killed(struct node *n, operation *op, unsigned step)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct kill_at k = { .step = step };
		struct err err = ERR_INIT;

		if (node_try_open(n, &err))
			_exit(1);
		cluster_step_hook(n->cluster, kill_at, &k);
		_exit(op(n, &err) ? 2 : 0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == KILLED);
	return WEXITSTATUS(status) == 0;
}

static void assert_recorded(struct node *n, enum list_type type, const char *recorded)
{
	struct trust_list *l = node_list(n, type);
	char hex[65] = "";

	if (l)
		sha256_hex(l->data, l->len, hex);
	assert_string_equal(hex, recorded);
	list_free(l);
}

static int count_entry(void *ctx, const char *entry)
{
	unsigned *n = ctx;

	(void)entry;
	(*n)++;
	return 0;
}

/* The link, the folder and the store say the same, and nothing half-made lies about. */
static void assert_whole(struct node *n)
{
	struct store_generation g;
	char target[64] = "", name[GENERATION_NAME_MAX], path[128];
	unsigned entries = 0;
	bool found, mixed;

	assert_ok(store_generation_latest(n->store, &g, &found, &e), &e);
	assert_true(found);
	generation_name(g.number, name);
	snprintf(path, sizeof(path), "%s/published/current", n->dir);
	assert_true(readlink(path, target, sizeof(target) - 1) > 0);
	assert_string_equal(target, name);
	assert_recorded(n, LIST_CTL, g.ctl_sha256);
	assert_recorded(n, LIST_ITL, g.itl_sha256);
	/* generations, "current" and "signed" */
	assert_ok(folder_each(n->cluster->published_fd, ".", count_entry, &entries, &e), &e);
	assert_int_equal(entries, g.number + 2);
	assert_ok(cluster_is_mixed(n->cluster, &mixed, &e), &e);
	struct trust_list *ctl = node_list(n, LIST_CTL);
	if (ctl) /* mixed: PUB has its certificate in CCM+TFTP */
		assert_int_equal(ctl->records[2].raw.len > 40, mixed);
	list_free(ctl);
}

/* certs/ shows the certificate that is in force, which is the one the ITL names, and whose key is there. */
static void assert_certs_agree(struct node *n)
{
	struct cert *own, *file;
	char path[128], key[KEY_NAME_MAX];
	EVP_PKEY *pub;
	bool named = false;

	assert_ok(cluster_signer(n->cluster, &own, key, &e), &e);
	assert_ok(n->keys->ops->public_key(n->keys, key, &pub, &e), &e);
	EVP_PKEY_free(pub);
	snprintf(path, sizeof(path), "%s/certs/CallManager/CallManager.pem", n->dir);
	assert_ok(cert_load(AT_FDCWD, path, &file, &e), &e);
	assert_true(cert_same(own, file));
	struct trust_list *itl = node_list(n, LIST_ITL);
	for (size_t i = 0; i < itl->n_records; i++)
		named |= list_record_is_cert(&itl->records[i], own);
	assert_true(named);
	list_free(itl);
	cert_unref(own);
	cert_unref(file);
}

static void kill_everywhere(operation *op, unsigned min_steps)
{
	unsigned step = 1;

	for (bool ended = false; !ended; step++) {
		struct node n;

		assert_in_range(step, 1, 50);
		node_copy(&n);
		ended = run_killed(&n, op, step);
		node_open(&n);
		uint64_t before = 2, now = node_generation(&n);
		assert_true(now == before || now == before + 1);
		assert_whole(&n);
		assert_certs_agree(&n);
		if (now == before) {
			assert_ok(op(&n, &e), &e);
			assert_int_equal(node_generation(&n), before + 1);
			assert_whole(&n);
		}
		node_remove(&n);
	}
	assert_in_range(step, min_steps, 50);
}

static int setup_mixed(void **state)
{
	(void)state;
	err_clear(&e);
	node_init(&seed, NULL);
	assert_ok(cluster_set_mixed(seed.cluster, "test", NULL, &e), &e);
	node_close(&seed);
	return 0;
}

static int setup_second_generation(void **state)
{
	(void)state;
	err_clear(&e);
	node_init(&seed, NULL);
	assert_ok(param_set(seed.cluster, "test", PARAM_NAME_FORM, "C", NULL, &e), &e);
	node_close(&seed);
	return 0;
}

/* A request waits, and the authority has signed it. */
static int setup_request(void **state)
{
	struct authority ca;

	(void)state;
	err_clear(&e);
	node_init(&seed, NULL);
	assert_ok(cluster_set_mixed(seed.cluster, "test", NULL, &e), &e);
	authority_make(&ca);
	authority_upload(&ca, &seed, "CallManager");
	struct request *r = node_csr(&seed, "CallManager");
	signed_cert = authority_sign(NULL, "x", r, ca.sub, ca.sub_key, NODE_NOW - 10, AUTHORITY_END, false);
	request_free(r);
	authority_clear(&ca);
	node_close(&seed);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	node_remove(&seed);
	cert_unref(signed_cert);
	signed_cert = NULL;
	return 0;
}

/* folder, CTL, ITL, manifest, commit, link, certs: seven, and one run to the end. */
static void test_killed_in_mixed_mode(void **state)
{
	(void)state;
	kill_everywhere(do_mixed, 8);
}

static void test_killed_in_update(void **state)
{
	(void)state;
	kill_everywhere(do_update, 8);
}

static void test_killed_in_non_secure(void **state)
{
	(void)state;
	kill_everywhere(do_non_secure, 8);
}

static void test_killed_in_delete(void **state)
{
	(void)state;
	kill_everywhere(do_delete, 7);
}

/* Old or new, with the matching key, and the request waits as long as it is the old one: kill_everywhere does it again. */
static void test_killed_in_import(void **state)
{
	(void)state;
	kill_everywhere(do_import, 8);
}

/* The request that waits always has its key: what was signed of it can be imported, or another request be made. */
static void test_killed_in_csr(void **state)
{
	unsigned step = 1;

	(void)state;
	for (bool ended = false; !ended; step++) {
		struct csr_entry entry;
		char key[KEY_NAME_MAX];
		EVP_PKEY *pub = NULL;
		struct node n;

		assert_in_range(step, 1, 50);
		node_copy(&n);
		ended = run_killed(&n, do_csr, step);
		node_open(&n);
		assert_whole(&n);
		assert_certs_agree(&n);
		assert_ok(csr_find(n.cluster, "CallManager", &entry, &e), &e);
		assert_ok(key_name("CallManager", request_spki(entry.request), key, &e), &e);
		assert_ok(n.keys->ops->public_key(n.keys, key, &pub, &e), &e);
		EVP_PKEY_free(pub);
		if (request_is_for_key(entry.request, signed_cert))
			assert_ok(do_import(&n, &e), &e);
		else
			assert_ok(do_csr(&n, &e), &e);
		csr_entry_clear(&entry);
		node_remove(&n);
	}
	assert_in_range(step, 4, 50);
}

static void test_killed_in_regen(void **state)
{
	(void)state;
	kill_everywhere(do_regen, 9);
}

static void test_killed_in_param(void **state)
{
	(void)state;
	kill_everywhere(do_param, 8);
}

/* --- init --- */

static bool init_killed(struct node *n, unsigned step)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct init_request req = node_request(n, NULL);
		struct kill_at k = { .step = step };
		struct init_env env = { .clock = &n->clock, .random = &random_system, .step = kill_at, .ctx = &k };
		struct err err = ERR_INIT;

		if (init_folders(&req, &err))
			_exit(1);
		_exit(init_node(&req, &env, &err) ? 2 : 0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == KILLED);
	return WEXITSTATUS(status) == 0;
}

static int count_key(void *ctx, const char *name)
{
	return count_entry(ctx, name);
}

static void test_killed_in_init(void **state)
{
	unsigned step = 1;

	(void)state;
	for (bool ended = false; !ended; step++) {
		struct node n;
		unsigned keys = 0;
		bool is_node;

		assert_in_range(step, 1, 50);
		node_folder(&n);
		ended = init_killed(&n, step);
		assert_ok(init_is_node(n.dir, NULL, &is_node, &e), &e);
		struct init_request req = node_request(&n, NULL);
		struct init_env env = { .clock = &n.clock, .random = &random_system };
		if (is_node) {
			assert_err(init_folders(&req, &e), ERR_USAGE);
			assert_non_null(strstr(e.text, "holds a node already"));
			err_clear(&e);
		} else {
			assert_ok(init_folders(&req, &e), &e);
			assert_ok(init_node(&req, &env, &e), &e);
		}
		node_open(&n);
		assert_int_equal(node_generation(&n), 1);
		assert_whole(&n);
		assert_certs_agree(&n);
		assert_false(node_has(&n, INIT_UNFINISHED));
		assert_ok(n.keys->ops->list(n.keys, count_key, &keys, &e), &e);
		assert_int_equal(keys, 8);
		node_remove(&n);
	}
	/* eight keys, folder, ITL, manifest, commit, link, certs */
	assert_in_range(step, 15, 50);
}

/* --- a disk that takes no more --- */

static void run_limited(struct node *n, operation *op, rlim_t octets, int *result)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct rlimit limit = { octets, octets };
		struct err err = ERR_INIT;

		signal(SIGXFSZ, SIG_IGN);
		if (node_try_open(n, &err) || setrlimit(RLIMIT_FSIZE, &limit) < 0)
			_exit(1);
		_exit(op(n, &err) ? 2 : 0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	*result = WEXITSTATUS(status);
	assert_true(*result == 0 || *result == 2);
}

static void test_writes_fail(void **state)
{
	/* nothing at all; less than a list; a list but no room in the store; enough for some files of certs/ only */
	static const rlim_t limits[] = { 0, 600, 4096, 10000, 40000, 200000, 1000000 };
	static operation *const ops[] = { do_mixed, do_non_secure, do_delete, do_regen, do_param };
	unsigned refused = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		for (size_t k = 0; k < sizeof(ops) / sizeof(ops[0]); k++) {
			struct node n;
			int result;

			node_copy(&n);
			run_limited(&n, ops[k], limits[i], &result);
			node_open(&n);
			assert_int_equal(node_generation(&n), result == 0 ? 3 : 2);
			assert_whole(&n);
			assert_certs_agree(&n);
			refused += result != 0;
			node_remove(&n);
		}
	}
	assert_in_range(refused, 5, 34);
}

/* --- damage --- */

static void test_lost_generation_is_made_again(void **state)
{
	struct node n;
	char path[160];

	(void)state;
	node_copy(&n);
	snprintf(path, sizeof(path), "%s/published/generation-000002/CTLFile.tlv", n.dir);
	assert_int_equal(truncate(path, 100), 0);
	node_open(&n);
	assert_int_equal(node_generation(&n), 3);
	struct trust_list *ctl = node_list(&n, LIST_CTL);
	assert_non_null(ctl);
	list_free(ctl);
	node_remove(&n);
	node_copy(&n);
	snprintf(path, sizeof(path), "%s/published", n.dir);
	assert_ok(folder_remove(AT_FDCWD, path, &e), &e);
	assert_int_equal(mkdir(path, 0755), 0);
	node_open(&n);
	ctl = node_list(&n, LIST_CTL);
	assert_non_null(ctl);
	list_free(ctl);
	node_remove(&n);
}

static void test_only_one_process_publishes(void **state)
{
	struct node first, second;

	(void)state;
	node_copy(&first);
	node_open(&first);
	second = first;
	second.clock.ctx = &second;
	second.cluster = NULL;
	bool open = false;
	assert_ok(cluster_is_open(first.dir, &open, &e), &e);
	assert_true(open);
	assert_err(node_try_open(&second, &e), ERR_AGAIN);
	assert_non_null(strstr(e.text, "ringfence admin"));
	err_clear(&e);
	/* An observer reads, and changes nothing. */
	struct cluster_config cfg = { .data_dir = first.dir, .store = second.store, .keys = second.keys,
				      .clock = &second.clock, .random = &random_system, .node = "cucm-1051-a-pub", .observer = true };
	assert_ok(cluster_open(&cfg, &second.cluster, &e), &e);
	assert_int_equal(node_generation(&second), 2);
	assert_err(cluster_set_non_secure(second.cluster, "test", NULL, &e), ERR_AGAIN);
	err_clear(&e);
	node_close(&second);
	node_remove(&first);
}

#define TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_killed_in_mixed_mode, setup_second_generation),
		TEST(test_killed_in_update, setup_mixed),
		TEST(test_killed_in_non_secure, setup_mixed),
		TEST(test_killed_in_delete, setup_mixed),
		TEST(test_killed_in_regen, setup_mixed),
		TEST(test_killed_in_import, setup_request),
		TEST(test_killed_in_csr, setup_request),
		TEST(test_killed_in_param, setup_mixed),
		cmocka_unit_test(test_killed_in_init),
		TEST(test_writes_fail, setup_mixed),
		TEST(test_lost_generation_is_made_again, setup_mixed),
		TEST(test_only_one_process_publishes, setup_mixed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
