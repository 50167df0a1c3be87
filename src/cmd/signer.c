#include "cmd/offline.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/secret.h"

/* What the passphrase callback knows, and what became of it. */
struct asking {
	const char *path;
	const char *remedy; /* when there is no key */
	bool no_terminal;
	bool asked;
};

static int ask_passphrase(char *buf, int size, int writing, void *ctx)
{
	struct asking *a = ctx;
	char prompt[256];

	(void)writing;
	a->asked = true;
	if (access("/dev/tty", R_OK | W_OK) < 0 || !isatty(STDIN_FILENO)) {
		a->no_terminal = true;
		return -1;
	}
	snprintf(prompt, sizeof(prompt), "Passphrase of the key in %.200s: ", a->path);
	if (EVP_read_pw_string(buf, size, prompt, 0) != 0)
		return -1;
	return (int)strnlen(buf, (size_t)size);
}

static int key_missing(const struct asking *a, struct err *e)
{
	ERR_clear_error();
	if (a->no_terminal)
		return err_set(e, ERR_USAGE, "%s: the key is protected by a passphrase, and there is no terminal to ask for it; decrypt a copy with 'openssl pkey'",
			       a->path);
	if (a->asked)
		return err_set(e, ERR_USAGE, "%s: the passphrase does not open the key", a->path);
	return err_set(e, ERR_USAGE, "%s: there is no private key in it%s", a->path, a->remedy);
}

static int read_key(const char *path, const char *remedy, struct view pem, EVP_PKEY **key, struct err *e)
{
	struct asking a = {.path = path, .remedy = remedy};
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.len);

	EVP_PKEY *got = bio ? PEM_read_bio_PrivateKey(bio, NULL, ask_passphrase, &a) : NULL;
	BIO_free(bio);
	if (!got)
		return key_missing(&a, e);
	*key = got;
	return 0;
}

static int read_cert(const char *path, struct view pem, struct cert **c, struct err *e)
{
	struct err why = ERR_INIT;

	if (cert_from_pem(pem, c, &why))
		return err_set(e, ERR_USAGE, "%s: there is no certificate in it (%s); a signer is a PEM file with the key and its certificate",
			       path, why.text);
	return 0;
}

int pem_signer_load(const char *path, struct pem_signer *s, struct err *e)
{
	struct pem_signer got = {0};
	struct view pem = {0};
	int err = offline_read(path, &pem, e);

	if (err)
		return err;
	err = read_key(path, "; a signer is a PEM file with the key and its certificate", pem, &got.key, e);
	if (!err)
		err = read_cert(path, pem, &got.cert, e);
	if (!err && X509_check_private_key(cert_x509(got.cert), got.key) != 1)
		err = err_set(e, ERR_USAGE, "%s: the key does not belong to the first certificate in the file", path);
	secret_wipe((void *)(uintptr_t)pem.p, pem.len);
	offline_free(pem);
	if (err) {
		ERR_clear_error();
		pem_signer_clear(&got);
		return err;
	}
	*s = got;
	return 0;
}

int pem_key_load(const char *path, EVP_PKEY **key, struct err *e)
{
	struct view pem = {0};
	int err = offline_read(path, &pem, e);

	if (err)
		return err;
	err = read_key(path, "; it is a PEM file", pem, key, e);
	secret_wipe((void *)(uintptr_t)pem.p, pem.len);
	offline_free(pem);
	return err;
}

void pem_signer_clear(struct pem_signer *s)
{
	EVP_PKEY_free(s->key);
	cert_unref(s->cert);
	*s = (struct pem_signer){0};
}

static int sign(void *ctx, enum digest d, const uint8_t *hash, uint8_t *sig, size_t *len, struct err *e)
{
	const struct pem_signer *s = ctx;
	AUTO(auto_pkey_ctx) EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(s->key, NULL);
	size_t n = KEY_SIG_MAX;

	if (!c || EVP_PKEY_sign_init(c) <= 0 || EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) <= 0 ||
	    EVP_PKEY_CTX_set_signature_md(c, digest_evp(d)) <= 0 || EVP_PKEY_sign(c, sig, &n, hash, digest_len(d)) <= 0)
		return err_openssl(e, ERR_CRYPTO, "the key cannot sign");
	*len = n;
	return 0;
}

struct list_signer pem_signer_of(struct pem_signer *s)
{
	return (struct list_signer){sign, s};
}
