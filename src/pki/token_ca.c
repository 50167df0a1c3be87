#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/secret.h"
#include "pki/issue_internal.h"
#include "pki/key_pem.h"
#include "pki/token.h"

#define CA_DAYS (20 * 365)
#define KEY_FILE_MAX 16384 /* octets */

void token_ca_clear(struct token_ca *ca)
{
	cert_unref(ca->cert);
	EVP_PKEY_free(ca->key);
	*ca = (struct token_ca){0};
}

static int fill(X509 *x, const char *cn, EVP_PKEY *key, const struct clock *clock, const struct random_source *rnd,
		struct err *e)
{
	const struct subject subject = {.cn = cn ? cn : "Ringfence Token CA"};

	if (!X509_set_version(x, X509_VERSION_3) || !X509_set_pubkey(x, key))
		return issue_no_memory(e);
	int rc = issue_set_names(x, &subject, e);
	if (!rc)
		rc = issue_set_serial(x, rnd, e);
	if (!rc)
		rc = issue_set_validity(x, clock, CA_DAYS, e);
	if (!rc)
		rc = issue_add_ca(x, e);
	if (!rc)
		rc = issue_add_key_usage(x, KU_KEY_CERT_SIGN | KU_CRL_SIGN, true, e);
	return rc ? rc : issue_add_subject_key_id(x, e);
}

int token_ca_make(const char *cn, const struct clock *clock, const struct random_source *rnd, struct token_ca *ca,
		  struct err *e)
{
	const struct key_spec spec = {.type = KEY_RSA, .bits = 2048};
	AUTO(auto_x509) X509 *x = X509_new();
	AUTO(auto_pkey) EVP_PKEY *key = NULL;
	int rc = x ? key_generate(spec, &key, e) : issue_no_memory(e);

	if (!rc)
		rc = fill(x, cn, key, clock, rnd, e);
	if (!rc && !X509_sign(x, key, digest_evp(DIGEST_SHA256)))
		rc = err_openssl(e, ERR_CRYPTO, "the certificate of the token CA cannot be signed");
	if (!rc)
		rc = cert_from_x509(x, &ca->cert, e);
	if (rc)
		return rc;
	ca->key = key;
	key = NULL;
	return 0;
}

static int load_key(const char *file, EVP_PKEY **key, struct err *e)
{
	AUTO(auto_close) int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint8_t *pem = NULL;
	size_t len = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || fcntl(fd, F_SETFL, 0) < 0) /* a pipe is waited for */
		return err_sys(e, ERR_IO, "%s", file);
	if (st.st_mode & 077)
		return err_set(e, ERR_AUTH, "%s: others may read this private key (mode %04o): chmod 600 %s", file,
			       (unsigned)(st.st_mode & 07777), file);
	int rc = file_read_fd(fd, file, KEY_FILE_MAX, &pem, &len, e);
	if (rc)
		return rc;
	rc = key_from_pem((struct view){pem, len}, key, e);
	secret_free(pem, len);
	if (rc)
		err_prefix(e, "%s", file);
	return rc;
}

int token_ca_load(const char *cert_file, const char *key_file, struct token_ca *ca, struct err *e)
{
	struct token_ca got = {0};
	int rc = cert_load(AT_FDCWD, cert_file, &got.cert, e);

	if (!rc)
		rc = load_key(key_file, &got.key, e);
	if (!rc && X509_check_ca(cert_x509(got.cert)) != 1)
		rc = err_set(e, ERR_USAGE, "%s: not the certificate of a CA", cert_file);
	if (!rc && X509_check_private_key(cert_x509(got.cert), got.key) != 1)
		rc = err_openssl(e, ERR_USAGE, "the two files of the token CA do not belong together");
	if (rc)
		token_ca_clear(&got);
	else
		*ca = got;
	return rc;
}

/* Never over another file: it may be the only key of a CA. */
static int write_new(const char *file, mode_t mode, struct view text, struct err *e)
{
	AUTO(auto_close) int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd < 0)
		return err_sys(e, ERR_IO, "%s", file);
	if (file_write_synced(fd, text) == 0)
		return 0;
	int rc = err_sys(e, ERR_IO, "%s", file);
	unlink(file);
	return rc;
}

int token_ca_save(const struct token_ca *ca, const char *cert_file, const char *key_file, struct err *e)
{
	AUTO(auto_free) char *cert_pem = NULL;
	uint8_t *key_pem = NULL;
	size_t len = 0;
	int rc = cert_to_pem(ca->cert, &cert_pem, e);

	if (!rc)
		rc = key_to_pem(ca->key, &key_pem, &len, e);
	if (!rc)
		rc = write_new(key_file, 0600, (struct view){key_pem, len}, e);
	secret_free(key_pem, len);
	if (rc)
		return rc;
	rc = write_new(cert_file, 0644, view_str(cert_pem), e);
	if (rc)
		unlink(key_file);
	return rc;
}
