/*
 * Signing with a key on a token (SoftHSM), RSA-2048: through our keystore, as the keeper does it, against the bare loop of
 * C_SignInit and C_Sign over the same session of the same module, on a function list that dlsym gave.
 */
#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#define CRYPTOKI_GNU 1
#include <p11-kit/pkcs11.h>

#include "bench.h"
#include "pki/keystore_pkcs11.h"

#define MODULE "/usr/lib/softhsm/libsofthsm2.so"
#define PIN "1234"

struct bench {
	struct keystore *ks;
	char name[KEY_NAME_MAX];
	struct ck_function_list *f;
	ck_session_handle_t session;
	ck_object_handle_t key;
};

static void ours(void *arg)
{
	static const uint8_t hash[64] = {1};
	struct bench *b = arg;
	struct key_sign req = {.scheme = KEY_SCHEME_PKCS1, .md_nid = NID_sha512, .input = {hash, 64}};
	uint8_t sig[KEY_SIG_MAX];
	struct err e = ERR_INIT;
	size_t len;

	bench_check(b->ks->ops->sign(b->ks, b->name, &req, sig, &len, &e), &e, "sign");
}

static void check(ck_rv_t rv, const char *what)
{
	if (rv == CKR_OK)
		return;
	fprintf(stderr, "%s: %#lx\n", what, rv);
	exit(1);
}

/* 83 octets: a DigestInfo with SHA-512. */
static void bare(void *arg)
{
	static uint8_t info[83] = {1};
	struct bench *b = arg;
	struct ck_mechanism m = {.mechanism = CKM_RSA_PKCS};
	uint8_t sig[KEY_SIG_MAX];
	unsigned long len = sizeof(sig);

	check(b->f->C_SignInit(b->session, &m, b->key), "C_SignInit");
	check(b->f->C_Sign(b->session, info, sizeof(info), sig, &len), "C_Sign");
}

/* The module is loaded already, and logged in: this is another session with it. */
static void yardstick_init(struct bench *b)
{
	void *so = dlopen(MODULE, RTLD_NOW);
	void *symbol = so ? dlsym(so, "C_GetFunctionList") : NULL;
	ck_object_class_t class = CKO_PRIVATE_KEY;
	struct ck_attribute t = {CKA_CLASS, &class, sizeof(class)};
	ck_rv_t (*get_list)(struct ck_function_list **list);
	ck_slot_id_t slots[8];
	unsigned long n = 8;

	memcpy(&get_list, &symbol, sizeof(symbol));
	check(symbol ? get_list(&b->f) : CKR_GENERAL_ERROR, MODULE);
	check(b->f->C_GetSlotList(1, slots, &n), "C_GetSlotList");
	check(b->f->C_OpenSession(slots[0], CKF_SERIAL_SESSION, NULL, NULL, &b->session), "C_OpenSession");
	check(b->f->C_FindObjectsInit(b->session, &t, 1), "C_FindObjectsInit");
	check(b->f->C_FindObjects(b->session, &b->key, 1, &n), "C_FindObjects");
	check(b->f->C_FindObjectsFinal(b->session), "C_FindObjectsFinal");
	check(n == 1 ? CKR_OK : CKR_GENERAL_ERROR, "the key");
}

static void token_init(const char *folder)
{
	char text[512], conf[128];

	snprintf(conf, sizeof(conf), "%s/conf", folder);
	FILE *f = fopen(conf, "w");
	if (!f)
		exit(1);
	fprintf(f, "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", folder);
	fclose(f);
	setenv("SOFTHSM2_CONF", conf, 1);
	snprintf(text, sizeof(text), "softhsm2-util --init-token --free --label bench --pin " PIN " --so-pin 12345678 >/dev/null");
	if (system(text) != 0)
		exit(1);
}

int main(void)
{
	char folder[] = "/tmp/bench-pkcs11-XXXXXX", text[128];
	const struct keystore_pkcs11_config cfg = {.uri = "pkcs11:token=bench?module-path=" MODULE, .pin = PIN};
	struct bench b = {0};
	EVP_PKEY *pub = NULL;
	struct err e = ERR_INIT;

	if (access(MODULE, R_OK) < 0) {
		printf("skipped: %s is not installed\n", MODULE);
		return 0;
	}
	if (!mkdtemp(folder))
		return 1;
	token_init(folder);
	bench_check(keystore_pkcs11_open(&cfg, &b.ks, &e), &e, folder);
	bench_check(b.ks->ops->generate(b.ks, "CallManager", (struct key_spec){KEY_RSA, 2048}, b.name, &pub, &e), &e, "generate");
	EVP_PKEY_free(pub);
	ours(&b);
	yardstick_init(&b);
	bench_machine();
	struct bench_rates r = bench_compare(ours, bare, &b);
	printf("RSA-2048 signature on a SoftHSM token\n"
	       "  through the keystore  %9.0f /s\n  bare C_Sign           %9.0f /s\n  cost, ours to bare    %9.3f (at most 1.1)\n",
	       r.a, r.b, r.b / r.a);
	keystore_free(b.ks);
	snprintf(text, sizeof(text), "rm -rf %s", folder);
	return system(text) != 0;
}
