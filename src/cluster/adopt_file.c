/* Adoption: what one file holds. Certificates and keys are told apart by their content, never by their name alone. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "base/text.h"
#include "cluster/adopt_internal.h"
#include "pki/bundle.h"
#include "pki/key_pem.h"
#include "store/unit.h"

/* --- names that say what something is for --- */

static const struct {
	const char *word;
	uint32_t roles;
} words[] = {
	{ "sast", FUNCTION_BIT(FUNCTION_SAST) },
	{ "itlrecovery", FUNCTION_BIT(FUNCTION_SAST) },
	{ "ccm", FUNCTION_BIT(FUNCTION_CCM) },
	{ "callmanager", FUNCTION_BIT(FUNCTION_CCM) },
	{ "tftp", FUNCTION_BIT(FUNCTION_TFTP) },
	{ "capf", FUNCTION_BIT(FUNCTION_CAPF) },
	{ "tvs", FUNCTION_BIT(FUNCTION_TVS) },
	{ "tomcat", FUNCTION_BIT(FUNCTION_APP_SERVER) },
};

static uint32_t roles_of_word(const char *p, size_t len)
{
	while (len && isdigit((unsigned char)p[len - 1]))
		len--; /* "capf2048" */
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i].word) == len && strncasecmp(words[i].word, p, len) == 0)
			return words[i].roles;
	return 0;
}

uint32_t adopt_roles_of_name(const char *name)
{
	uint32_t roles = 0;

	while (*name) {
		size_t len = 0;

		while (isalnum((unsigned char)name[len]))
			len++;
		roles |= roles_of_word(name, len);
		name += len ? len : 1;
	}
	return roles;
}

/* "certs/CallManager-trust/x.pem": a store of CUCM's, as its folders are called. */
static uint32_t store_of_path(const char *path)
{
	const char *end = strrchr(path, '/');
	char folder[64];

	if (!end)
		return 0;
	const char *start = end;
	while (start > path && start[-1] != '/')
		start--;
	snprintf(folder, sizeof(folder), "%.*s", (int)(end - start), start);
	enum store_unit unit = store_unit_from_name(folder);
	return unit != STORE_UNIT_NONE && store_unit_is_trust(unit) ? STORE_UNIT_BIT(unit) : 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool adopt_is_sep(const char *s, size_t len)
{
	if (len != 15 || strncmp(s, "SEP", 3) != 0)
		return false;
	for (size_t i = 3; i < len; i++)
		if (text_hex_digit(s[i]) < 0)
			return false;
	return true;
}

bool adopt_device_of(const struct cert *cert, char device[STORE_NAME_SIZE], char model[32])
{
	const char *cn = cert_cn(cert);
	size_t len = strlen(cn);

	model[0] = '\0';
	if (adopt_is_sep(cn, len)) {
		snprintf(device, STORE_NAME_SIZE, "%s", cn);
		return true;
	}
	if (len < 20 || !text_starts(cn, "CP-") || cn[len - 16] != '-' || !adopt_is_sep(cn + len - 15, 15))
		return false;
	snprintf(device, STORE_NAME_SIZE, "%s", cn + len - 15);
	snprintf(model, 32, "%.*s", (int)(len - 19 < 31 ? len - 19 : 31), cn + 3);
	return true;
}

/* --- what was found --- */

static int add_lsc(struct adopt_scan *s, struct cert *cert, const char *file, const char *device, const char *model,
		   struct err *e)
{
	int rc = adopt_grow(&s->lscs, s->n_lscs, &s->cap_lscs, sizeof(*s->lscs), e);

	if (rc)
		return rc;
	struct adopt_lsc *l = &s->lscs[s->n_lscs];
	l->file = strdup(file);
	if (!l->file)
		return err_set(e, ERR_NOMEM, "out of memory");
	l->cert = cert_ref(cert);
	snprintf(l->device, sizeof(l->device), "%s", device);
	snprintf(l->model, sizeof(l->model), "%s", model);
	s->n_lscs++;
	return 0;
}

int adopt_add_cert(struct adopt_scan *s, struct cert *cert, const char *file, struct adopt_cert **out, struct err *e)
{
	struct adopt *a = s->a;
	char device[STORE_NAME_SIZE], model[32];

	if (out)
		*out = NULL;
	if (adopt_device_of(cert, device, model))
		return add_lsc(s, cert, file, device, model, e);
	for (size_t i = 0; i < a->n_certs; i++) {
		if (cert_same(a->certs[i].cert, cert)) {
			if (out)
				*out = &a->certs[i];
			return 0;
		}
	}
	if (a->n_certs == ADOPT_CERTS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d certificates", ADOPT_CERTS_MAX);
	int rc = adopt_grow(&a->certs, a->n_certs, &s->cap_certs, sizeof(*a->certs), e);
	if (rc)
		return rc;
	struct adopt_cert *c = &a->certs[a->n_certs];
	c->file = strdup(file);
	if (!c->file)
		return err_set(e, ERR_NOMEM, "out of memory");
	c->cert = cert_ref(cert);
	c->key = SIZE_MAX;
	c->subject = adopt_roles_of_name(cert_cn(cert));
	if (text_starts(cert_cn(cert), "ITLRECOVERY_"))
		c->subject = FUNCTION_BIT(FUNCTION_SAST);
	a->n_certs++;
	if (out)
		*out = c;
	return 0;
}

int adopt_add_device(struct adopt_scan *s, const char *name, struct adopt_device **d, struct err *e)
{
	struct adopt *a = s->a;
	int rc = adopt_grow(&a->devices, a->n_devices, &s->cap_devices, sizeof(*a->devices), e);

	if (rc)
		return rc;
	*d = &a->devices[a->n_devices++];
	snprintf((*d)->row.name, sizeof((*d)->row.name), "%s", name);
	return 0;
}

/* What the operator said of this file; NULL: nothing. */
static const char *forced(struct adopt_scan *s, const char *path)
{
	for (size_t i = 0; i < s->req->n_as; i++) {
		const char *eq = strchr(s->req->as[i], '=');

		if (eq && strcmp(eq + 1, path) == 0) {
			s->as_used[i] = true;
			return s->req->as[i];
		}
	}
	return NULL;
}

static int force(struct adopt_cert *c, const char *word, struct err *e)
{
	char name[64];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
	const struct unit_rule *rule = unit_rule(name);
	enum store_unit store = store_unit_from_name(name);
	if (rule)
		c->forced = rule->unit;
	else if (store != STORE_UNIT_NONE && store_unit_is_trust(store))
		c->stores |= c->asked |= STORE_UNIT_BIT(store);
	else
		return err_set(e, ERR_USAGE, "--adopt-as %s: there is no unit or trust store '%s'; there are tomcat, "
			       "tomcat-ECDSA, ipsec, ITLRecovery, CallManager-ECDSA, CallManager, CAPF, TVS, trust stores as "
			       "CallManager-trust, and none", word, name);
	return 0;
}

/* first: of its file; those behind it are its issuers, of whom the file's name says nothing. */
static int found_cert(struct adopt_scan *s, struct cert *cert, const char *path, bool first, struct err *e)
{
	struct adopt_cert *c;
	const char *word = forced(s, path);
	int rc = adopt_add_cert(s, cert, path, &c, e);

	if (rc || !c)
		return rc;
	if (first && !c->filed) {
		/* A file says more than the list or database where it stood as well. */
		char *file = strdup(path);
		if (!file)
			return err_set(e, ERR_NOMEM, "out of memory");
		free(c->file);
		c->file = file;
		c->filed = true;
	}
	if (first)
		c->named |= adopt_roles_of_name(base_name(path));
	c->stores |= store_of_path(path);
	return word && first ? force(c, word, e) : 0;
}

static int found_key(struct adopt_scan *s, EVP_PKEY *key, const char *path, struct err *e)
{
	struct adopt *a = s->a;
	uint8_t *spki = NULL;
	int len = i2d_PUBKEY(key, &spki);

	if (len <= 0) {
		ERR_clear_error();
		return adopt_leave(s, path, e, "a private key of a kind that is not known here");
	}
	for (size_t i = 0; i < a->n_keys; i++) {
		if (a->keys[i].spki_len == (size_t)len && memcmp(a->keys[i].spki, spki, (size_t)len) == 0) {
			OPENSSL_free(spki);
			return 0;
		}
	}
	int rc = adopt_grow(&a->keys, a->n_keys, &s->cap_keys, sizeof(*a->keys), e);
	char *file = rc ? NULL : strdup(path);
	if (!file) {
		OPENSSL_free(spki);
		return rc ? rc : err_set(e, ERR_NOMEM, "out of memory");
	}
	EVP_PKEY_up_ref(key);
	a->keys[a->n_keys++] = (struct adopt_key){ .file = file, .key = key, .spki = spki, .spki_len = (size_t)len };
	return 0;
}

/* --- PEM --- */

struct asking {
	struct adopt_scan *s;
	const char *path;
	struct err *e;
	int rc;          /* there is no passphrase: why */
	bool asked;
};

static int passphrase(char *buf, int size, int writing, void *ctx)
{
	struct asking *a = ctx;
	const char *p = a->s->req->passphrase ? a->s->req->passphrase(a->s->req->ctx, a->path, a->e) : NULL;

	(void)writing;
	a->asked = true;
	if (!p) {
		a->rc = a->e->code ? a->e->code : err_set(a->e, ERR_USAGE, "%s: behind a passphrase", a->path);
		return -1;
	}
	size_t len = strlen(p);
	if (len > (size_t)size)
		return -1;
	memcpy(buf, p, len);
	return (int)len;
}

static int pem_key(struct adopt_scan *s, const char *path, struct view block, struct err *e)
{
	struct err why = ERR_INIT;
	struct asking asking = { .s = s, .path = path, .e = &why };
	AUTO(auto_bio) BIO *bio = BIO_new_mem_buf(block.p, (int)block.len);
	AUTO(auto_pkey) EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, passphrase, &asking) : NULL;

	ERR_clear_error();
	if (key)
		return found_key(s, key, path, e);
	if (asking.rc)
		return err_set(e, asking.rc, "%s", why.text);
	if (asking.asked)
		return notes_add(&s->a->problems, e,
				 "%s: the passphrase does not open this private key; write it without one (openssl pkey -in FILE "
				 "-out NEW), or leave it out with --adopt-as none=%s", path, path);
	return adopt_leave(s, path, e, "a private key that cannot be read");
}

static int pem_cert(struct adopt_scan *s, const char *path, struct view block, bool first, struct err *e)
{
	struct err why = ERR_INIT;
	struct cert *cert;

	if (cert_from_pem(block, &cert, &why))
		return adopt_leave(s, path, e, "a certificate that cannot be read: %s", why.text);
	int rc = found_cert(s, cert, path, first, e);
	cert_unref(cert);
	return rc;
}

/* The next "-----BEGIN ..." to the end of its "-----END ..." line; false: there is none. */
static bool next_block(struct view *rest, struct view *block)
{
	const uint8_t *start = rest->len ? memmem(rest->p, rest->len, "-----BEGIN ", 11) : NULL;
	size_t left = start ? rest->len - (size_t)(start - rest->p) : 0;
	const uint8_t *end = start ? memmem(start, left, "-----END ", 9) : NULL;

	if (!end)
		return false;
	const uint8_t *line = memchr(end, '\n', left - (size_t)(end - start));
	size_t len = line ? (size_t)(line + 1 - start) : left;
	*block = (struct view){ start, len };
	*rest = (struct view){ start + len, left - len };
	return true;
}

static bool begins(struct view block, const char *what)
{
	size_t line = 0;

	while (line < block.len && block.p[line] != '\n')
		line++;
	return memmem(block.p, line, what, strlen(what)) != NULL;
}

static int adopt_pem(struct adopt_scan *s, const char *path, struct view file, struct err *e)
{
	struct view rest = file, block;
	bool first = true, any = false;
	int rc = 0;

	while (!rc && next_block(&rest, &block)) {
		if (begins(block, "PRIVATE KEY-")) {
			any = true;
			rc = pem_key(s, path, block, e);
		} else if (begins(block, "CERTIFICATE-")) {
			any = true;
			rc = pem_cert(s, path, block, first, e);
			first = false;
		}
	}
	return rc || any ? rc : adopt_leave(s, path, e, "PEM without a certificate or private key");
}

/* --- DER --- */

struct unpacking {
	struct adopt_scan *s;
	const char *path;
	bool first;
	struct err *e;
};

static int unpacked(void *ctx, const struct bundle_entry *entry)
{
	struct unpacking *u = ctx;
	AUTO(auto_pkey) EVP_PKEY *key = NULL;
	int rc = key_from_pkcs8(entry->pkcs8, &key, u->e);

	if (!rc)
		rc = found_key(u->s, key, u->path, u->e);
	if (!rc)
		rc = found_cert(u->s, (struct cert *)entry->cert, u->path, u->first, u->e);
	u->first = false;
	return rc;
}

static int adopt_p12(struct adopt_scan *s, const char *path, struct view file, struct err *e)
{
	struct err why = ERR_INIT;
	struct unpacking u = { s, path, true, &why };
	const char *p = s->req->passphrase ? s->req->passphrase(s->req->ctx, path, &why) : NULL;
	int rc = p ? bundle_read(file, p, unpacked, &u, &why) :
		     err_set(&why, ERR_USAGE, "%s: behind a passphrase", path);

	if (!rc || rc == ERR_NOMEM || !p)
		return rc ? err_set(e, rc, "%s", why.text) : 0;
	return notes_add(&s->a->problems, e, "%s: %s; leave it out with --adopt-as none=%s", path, why.text, path);
}

static bool is_p12(struct view file)
{
	const uint8_t *p = file.p;
	PKCS12 *p12 = d2i_PKCS12(NULL, &p, (long)file.len);

	PKCS12_free(p12);
	ERR_clear_error();
	return p12 != NULL;
}

static int adopt_der(struct adopt_scan *s, const char *path, struct view file, struct err *e)
{
	AUTO(auto_pkey) EVP_PKEY *key = NULL;
	const uint8_t *p = file.p;
	struct err why = ERR_INIT;
	struct cert *cert;

	if (!cert_from_der(file, &cert, &why)) {
		int rc = found_cert(s, cert, path, true, e);

		cert_unref(cert);
		return rc;
	}
	key = d2i_AutoPrivateKey(NULL, &p, (long)file.len);
	ERR_clear_error();
	if (key && p == file.p + file.len)
		return found_key(s, key, path, e);
	if (is_p12(file))
		return adopt_p12(s, path, file, e);
	return adopt_leave(s, path, e, "not a certificate, key, trust list or database");
}

/* --- any file --- */

/* A phone's configuration says that there is the phone; nothing in it is looked at. */
static bool config_device(const char *name, char device[STORE_NAME_SIZE])
{
	if (strlen(name) < 16 || !adopt_is_sep(name, 15) || !text_starts(name + 15, ".cnf.xml"))
		return false;
	snprintf(device, STORE_NAME_SIZE, "%.15s", name);
	return true;
}

static bool has_header(struct view file)
{
	return file.len >= TLV_HEADER_MIN && memcmp(file.p, "\x01\x00\x02", 3) == 0;
}

int adopt_file(struct adopt_scan *s, const char *path, struct view file, struct err *e)
{
	char device[STORE_NAME_SIZE];
	struct adopt_device *d;

	if (config_device(base_name(path), device))
		return adopt_add_device(s, device, &d, e);
	if (text_ends(path, ".sgn"))
		return adopt_leave(s, path, e, "a signed file: the node signs files itself");
	if (has_header(file) || text_ends(path, ".tlv"))
		return adopt_list(s, path, file, e);
	if (file.len && memmem(file.p, file.len, "-----BEGIN ", 11))
		return adopt_pem(s, path, file, e);
	if (file.len && file.p[0] == 0x30)
		return adopt_der(s, path, file, e);
	return adopt_leave(s, path, e, "not a certificate, key, trust list or database");
}
