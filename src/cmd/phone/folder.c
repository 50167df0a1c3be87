#include "cmd/phone/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/secret.h"
#include "phone/state.h"
#include "pki/key_pem.h"

#define CONFIGURATION "configuration.xml"
#define NEXT_KEY "lsc-next.key"
#define KEY_FILE_MAX 65536

static int load_list(int dir, enum list_type type, struct phone *p, struct err *e)
{
	AUTO(auto_free) uint8_t *data = NULL;
	struct trust_list *l = NULL;
	size_t len;
	int rc = file_read(dir, list_type_file_name(type), TLV_FILE_MAX, &data, &len, e);

	if (rc && e->sys_errno == ENOENT) {
		err_clear(e);
		return 0;
	}
	if (!rc)
		rc = list_parse((struct view){data, len}, type, &l, e);
	if (rc)
		return rc;
	*(type == LIST_CTL ? &p->ctl : &p->itl) = l; /* not phone_install_take: the cache belongs to these lists */
	return 0;
}

static int load_state(int dir, const struct traits_table *table, struct phone *p, struct err *e)
{
	AUTO(auto_free) uint8_t *data = NULL;
	size_t len;
	int rc = file_read(dir, PHONE_STATE_NAME, PHONE_STATE_MAX, &data, &len, e);

	if (rc && e->sys_errno == ENOENT) {
		err_clear(e);
		return 0;
	}
	return rc ? rc : phone_state_decode((struct view){data, len}, table, p, e);
}

int folder_key(int dir, const char *name, EVP_PKEY **key, struct err *e)
{
	uint8_t *pem = NULL;
	size_t len = 0;
	int rc = file_read(dir, name, KEY_FILE_MAX, &pem, &len, e);

	if (rc)
		return rc;
	rc = key_from_pem((struct view){pem, len}, key, e);
	secret_wipe(pem, len);
	free(pem);
	if (rc)
		err_prefix(e, "%s", name);
	return rc;
}

int folder_identity(int dir, const char *cert, const char *key, struct phone_identity *id, struct err *e)
{
	AUTO(auto_pkey) EVP_PKEY *k = NULL;
	struct cert *c = NULL;
	int rc = cert_load(dir, cert, &c, e);

	if (!rc)
		rc = folder_key(dir, key, &k, e);
	if (!rc && X509_check_private_key(cert_x509(c), k) != 1)
		rc = err_set(e, ERR_USAGE, "%s is not the key of %s", key, cert);
	ERR_clear_error();
	if (!rc)
		phone_identity_set(id, c, k);
	cert_unref(c);
	return rc;
}

static bool is_there(int dir, const char *name)
{
	struct stat st;

	return !fstatat(dir, name, &st, 0);
}

static int load_identities(int dir, struct phone *p, struct err *e)
{
	int rc = 0;

	if (is_there(dir, "lsc.pem"))
		rc = folder_identity(dir, "lsc.pem", "lsc.key", &p->lsc, e);
	if (!rc && is_there(dir, "mic.pem"))
		rc = folder_identity(dir, "mic.pem", "mic.key", &p->mic, e);
	if (!rc && is_there(dir, NEXT_KEY))
		rc = folder_key(dir, NEXT_KEY, &p->lsc_next, e);
	return rc;
}

int folder_load(const char *path, const struct traits_table *table, struct phone *p, struct err *e)
{
	AUTO(auto_close) int dir = -1;
	int rc = file_open_dir(AT_FDCWD, path, &dir, e);

	if (rc && e->sys_errno == ENOENT) {
		err_clear(e);
		return 0;
	}
	if (rc || (rc = load_state(dir, table, p, e)) || (rc = load_list(dir, LIST_CTL, p, e)) ||
	    (rc = load_list(dir, LIST_ITL, p, e)) || (rc = load_identities(dir, p, e)))
		err_prefix(e, "%s", path);
	return rc;
}

bool folder_exists(const char *path)
{
	AUTO(auto_close) int dir = -1;

	return !file_open_dir(AT_FDCWD, path, &dir, NULL) && is_there(dir, PHONE_STATE_NAME);
}

static int delete_file(int dir, const char *name, struct err *e)
{
	if (unlinkat(dir, name, 0) && errno != ENOENT)
		return err_sys(e, ERR_IO, "removing %s", name);
	return 0;
}

static int save_list(int dir, enum list_type type, const struct trust_list *l, struct err *e)
{
	const char *name = list_type_file_name(type);

	return l ? file_replace_unsynced(dir, name, (struct view){l->data, l->len}, 0644, e) : delete_file(dir, name, e);
}

static int save_key(int dir, const char *name, EVP_PKEY *key, struct err *e)
{
	uint8_t *pem;
	size_t len;
	int rc;

	if (!key)
		return delete_file(dir, name, e);
	if ((rc = key_to_pem(key, &pem, &len, e)))
		return rc;
	rc = file_replace_unsynced(dir, name, (struct view){pem, len}, 0600, e);
	secret_free(pem, len);
	return rc;
}

/* The certificate goes first and comes last, so that it never stands there with another's key. */
static int save_identity(int dir, const char *cert, const char *key, const struct phone_identity *id, struct err *e)
{
	AUTO(auto_free) char *pem = NULL;
	int rc;

	if ((rc = delete_file(dir, cert, e)) || (rc = save_key(dir, key, id->key, e)) || !id->cert)
		return rc;
	rc = cert_to_pem(id->cert, &pem, e);
	return rc ? rc : file_replace_unsynced(dir, cert, view_str(pem), 0644, e);
}

int folder_save(const char *path, const struct phone *p, struct view configuration, struct err *e)
{
	AUTO(auto_close) int dir = -1;
	AUTO(auto_free) char *text = NULL;
	int rc = file_mkdir(AT_FDCWD, path, 0755, e);

	if (rc || (rc = file_open_dir(AT_FDCWD, path, &dir, e)) || (rc = phone_state_encode(p, &text, e)) ||
	    (rc = save_list(dir, LIST_CTL, p->ctl, e)) || (rc = save_list(dir, LIST_ITL, p->itl, e)) ||
	    (rc = save_identity(dir, "lsc.pem", "lsc.key", &p->lsc, e)) ||
	    (rc = save_identity(dir, "mic.pem", "mic.key", &p->mic, e)) || (rc = save_key(dir, NEXT_KEY, p->lsc_next, e)) ||
	    (configuration.len && (rc = file_replace_unsynced(dir, CONFIGURATION, configuration, 0644, e))) ||
	    (rc = file_replace_unsynced(dir, PHONE_STATE_NAME, view_str(text), 0644, e)))
		err_prefix(e, "%s", path);
	return rc;
}
