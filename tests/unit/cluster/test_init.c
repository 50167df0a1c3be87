#include "cluster/init.h"

#include <sys/stat.h>

#include "cluster/node_fixture.h"
#include "store/service.h"

static struct err e;

static struct init_request good(void)
{
	static const struct node n;

	return node_request(&n, NULL);
}

static void refused(const struct init_request *req, const char *part)
{
	assert_err(init_check(req, &e), ERR_USAGE);
	if (!strstr(e.text, part))
		fail_msg("'%s' is not in: %s", part, e.text);
	err_clear(&e);
}

static void test_check(void **state)
{
	struct init_request r = good();

	(void)state;
	assert_ok(init_check(&r, &e), &e);
	r.subject.l = r.subject.st = r.subject.c = r.ip = NULL;
	assert_ok(init_check(&r, &e), &e);
	r.ip = "2001:db8::1";
	assert_ok(init_check(&r, &e), &e);
	r.ip = "300.1.1.1";
	refused(&r, "--ip");
	r = good();
	r.subject.o = NULL;
	refused(&r, "give --org and --unit");
	r = good();
	r.subject.ou = "";
	refused(&r, "--unit: 1 to 64");
	r.subject.ou = "12345678901234567890123456789012345678901234567890123456789012345";
	refused(&r, "has 65");
	r.subject.ou = "a\nb";
	refused(&r, "control characters");
	r = good();
	static const char *const countries[] = { "pl", "POL", "P", "", "1A" };
	for (size_t i = 0; i < sizeof(countries) / sizeof(countries[0]); i++) {
		r.subject.c = countries[i];
		refused(&r, "--country");
	}
	r = good();
	r.generation = "9.0";
	refused(&r, "8.0, 10.0, 10.5(2), 11.5 and 12.0");
	r = good();
	r.key_bits = 3072;
	refused(&r, "no code for signatures of 3072");
	r.key_bits = 777;
	assert_err(init_check(&r, &e), ERR_USAGE);
	err_clear(&e);
}

static void test_node_names(void **state)
{
	struct init_request r = good();
	static const char *const fine[] = { "a", "cucm-pub", "cucm.example.org", "10.1.2.3", "a_b" };
	static const char *const wrong[] = { "", "-a", "a-", "a b", "a/b", "..", "a\n", "\xc3\xa9", "a;b" };

	(void)state;
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		r.node = fine[i];
		assert_ok(init_check(&r, &e), &e);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		r.node = wrong[i];
		refused(&r, "--node");
	}
}

static mode_t mode_of(const struct node *n, const char *name)
{
	struct stat st;
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", n->dir, name);
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static int key_mode(void *ctx, const char *name)
{
	char path[300];

	snprintf(path, sizeof(path), "keys/%s.key", name);
	assert_int_equal(mode_of(ctx, path), 0600);
	return 0;
}

/* Modes hold whatever the umask: workers that own nothing read published/, nobody else reads keys. */
static void test_modes(void **state)
{
	struct node n;
	mode_t before = umask(0);

	(void)state;
	for (int i = 0; i < 2; i++) {
		umask(i ? 077 : 0);
		node_init(&n, NULL);
		assert_int_equal(mode_of(&n, "keys"), 0700);
		assert_int_equal(mode_of(&n, "store.sqlite3"), 0600);
		assert_int_equal(mode_of(&n, "published"), 0755);
		assert_int_equal(mode_of(&n, "published/generation-000001"), 0755);
		assert_int_equal(mode_of(&n, "published/current/ITLFile.tlv"), 0644);
		assert_int_equal(mode_of(&n, "provisioning"), 0755);
		assert_int_equal(mode_of(&n, "certs/CallManager/CallManager.pem"), 0644);
		assert_int_equal(mode_of(&n, "backup"), 0700);
		assert_ok(n.keys->ops->list(n.keys, key_mode, &n, &e), &e);
		node_remove(&n);
	}
	umask(before);
}

static void test_finished_node(void **state)
{
	struct store_service svc;
	struct store_node row;
	struct node n;
	bool found, is_node = true;

	(void)state;
	assert_ok(init_is_node("/nonexistent/folder", NULL, &is_node, &e), &e);
	assert_false(is_node);
	node_init(&n, "10.5(2)");
	assert_ok(init_is_node(n.dir, NULL, &is_node, &e), &e);
	assert_true(is_node);
	assert_ok(store_node_get(n.store, "cucm-1051-a-pub", &row, &found, &e), &e);
	assert_true(found);
	assert_int_equal(row.role, STORE_NODE_PUBLISHER);
	assert_string_equal(row.address, "10.48.47.155");
	assert_ok(store_service_get(n.store, "cucm-1051-a-pub", "Cisco Tftp", &svc, &e), &e);
	assert_true(svc.activated);
	/* As on CUCM, the query that everybody knows finds the mode before it was ever set. */
	char *mode = NULL, *generation = NULL;
	assert_ok(store_param_get(n.store, (struct store_param_key){ .name = "ClusterSecurityMode" }, &mode, &e), &e);
	assert_string_equal(mode, "0");
	assert_ok(store_param_get(n.store, (struct store_param_key){ .name = "TrustListGeneration" }, &generation, &e), &e);
	assert_string_equal(generation, "10.5(2)");
	free(mode);
	free(generation);
	struct trust_list *l = node_list(&n, LIST_ITL);
	assert_int_equal(l->n_records, 5);
	list_free(l);
	struct init_request r = node_request(&n, NULL);
	assert_err(init_folders(&r, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "holds a node already"));
	err_clear(&e);
	node_remove(&n);
}

static void test_foreign_folder(void **state)
{
	struct node n;
	char path[128];

	(void)state;
	node_folder(&n);
	struct init_request r = node_request(&n, NULL);
	snprintf(path, sizeof(path), "%s/thesis.txt", n.dir);
	assert_ok(file_replace(AT_FDCWD, path, view_str("x"), 0644, &e), &e);
	assert_err(init_folders(&r, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "holds 'thesis.txt'"));
	err_clear(&e);
	assert_false(node_has(&n, "keys"));
	assert_ok(folder_remove(AT_FDCWD, n.dir, &e), &e);
}

static void refuse_to_try(const struct init_request *r, const char *adopted, const char *why)
{
	assert_err(init_try(r, adopted, &e), ERR_USAGE);
	if (!strstr(e.text, why))
		fail_msg("'%s' is not in '%s'", why, e.text);
	err_clear(&e);
}

/* What a dry run can know of the folder, without making it. */
static void test_try(void **state)
{
	struct node n;
	char path[200], site[100], inside[300], link[100];

	(void)state;
	node_folder(&n);
	struct init_request r = node_request(&n, NULL);
	assert_ok(init_try(&r, NULL, &e), &e);
	snprintf(site, sizeof(site), "%s/site", n.dir);
	snprintf(inside, sizeof(inside), "%s/a/b", site);
	snprintf(link, sizeof(link), "%s/link", n.dir);
	snprintf(path, sizeof(path), "%s/file", site);
	assert_int_equal(mkdir(site, 0755), 0);
	assert_int_equal(symlink("site", link), 0);
	assert_ok(file_replace(AT_FDCWD, path, view_str("x"), 0644, &e), &e);
	r.data_dir = inside;
	assert_ok(init_try(&r, NULL, &e), &e);
	refuse_to_try(&r, site, "the folder that is adopted");
	refuse_to_try(&r, link, "the folder that is adopted");
	snprintf(inside, sizeof(inside), "%s/a", link);
	refuse_to_try(&r, site, "the folder that is adopted");
	snprintf(inside, sizeof(inside), "%s-too", site);
	assert_ok(init_try(&r, site, &e), &e);
	assert_false(node_has(&n, "site-too"));
	snprintf(inside, sizeof(inside), "%s/node", path);
	refuse_to_try(&r, NULL, "file");
	r.data_dir = site;
	refuse_to_try(&r, NULL, "holds 'file'");
	assert_ok(folder_remove(AT_FDCWD, n.dir, &e), &e);
	node_init(&n, NULL);
	r.data_dir = n.dir;
	refuse_to_try(&r, NULL, "holds a node already");
	node_remove(&n);
}

/* The store is gone, the keys are not: they may be the only way to reach phones. */
static void test_keys_without_store_are_kept(void **state)
{
	struct node n;
	char path[128];

	(void)state;
	node_init(&n, NULL);
	node_close(&n);
	static const char *const files[] = { "store.sqlite3", "store.sqlite3-wal", "store.sqlite3-shm" };
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", n.dir, files[i]);
		unlink(path);
	}
	struct init_request r = node_request(&n, NULL);
	assert_err(init_folders(&r, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "holds 8 keys"));
	err_clear(&e);
	node_remove(&n);
}

static void test_deep_folder_and_progress(void **state)
{
	struct node n;
	char dir[128];

	(void)state;
	node_folder(&n);
	snprintf(dir, sizeof(dir), "%s/a/b/node", n.dir);
	struct init_request r = node_request(&n, NULL);
	r.data_dir = dir;
	assert_ok(init_folders(&r, &e), &e);
	assert_true(node_has(&n, "a/b/node/.init-unfinished"));
	/* Twice is as once. */
	assert_ok(init_folders(&r, &e), &e);
	assert_ok(folder_remove(AT_FDCWD, n.dir, &e), &e);
}

static void test_ipv6_only(void **state)
{
	struct node n;
	struct store_node row;
	bool found;

	(void)state;
	node_folder(&n);
	struct init_request r = node_request(&n, NULL);
	struct init_env env = { .clock = &n.clock, .random = &random_system };
	r.ip = "2001:db8::1";
	assert_ok(init_folders(&r, &e), &e);
	assert_ok(init_node(&r, &env, &e), &e);
	node_open(&n);
	assert_ok(store_node_get(n.store, "cucm-1051-a-pub", &row, &found, &e), &e);
	assert_string_equal(row.address, "");
	assert_string_equal(row.address6, "2001:db8::1");
	assert_ok(cluster_set_mixed(n.cluster, "test", NULL, &e), &e);
	list_free(node_list(&n, LIST_CTL));
	assert_ok(cluster_regen(n.cluster, "test", "CallManager", NULL, NULL, &e), &e);
	node_remove(&n);
}

/* What init made of an unfinished node is taken back; the operator's files and a finished node stay. */
static void test_undo(void **state)
{
	struct node n;
	bool is_node;
	char path[128];

	(void)state;
	node_folder(&n);
	struct init_request r = node_request(&n, NULL);
	assert_ok(init_folders(&r, &e), &e);
	init_undo(n.dir, true);
	assert_int_equal(access(n.dir, F_OK), -1);
	assert_ok(init_folders(&r, &e), &e);
	snprintf(path, sizeof(path), "%s/provisioning/ring.xml", n.dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	init_undo(n.dir, true);
	assert_int_equal(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "%s/keys", n.dir);
	assert_int_equal(access(path, F_OK), -1);
	node_remove(&n);

	node_init(&n, NULL);
	init_undo(n.dir, true);
	assert_ok(init_is_node(n.dir, NULL, &is_node, &e), &e);
	assert_true(is_node);
	node_remove(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_node_names),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_finished_node),
		cmocka_unit_test(test_foreign_folder),
		cmocka_unit_test(test_try),
		cmocka_unit_test(test_keys_without_store_are_kept),
		cmocka_unit_test(test_deep_folder_and_progress),
		cmocka_unit_test(test_ipv6_only),
		cmocka_unit_test(test_undo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
