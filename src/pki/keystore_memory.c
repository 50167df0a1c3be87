#include "pki/keystore.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "pki/key_op.h"
#include "pki/key_pem.h"
#include "pki/ossl.h"

struct held_key {
	char name[KEY_NAME_MAX];
	EVP_PKEY *key;
	struct held_key *next; /* by name */
};

struct keystore_memory {
	struct keystore base;
	struct held_key *keys;
};

static struct keystore_memory *self(struct keystore *ks)
{
	return (struct keystore_memory *)ks;
}

/* Where the key of this name is, or would be put. */
static struct held_key **place_of(struct keystore_memory *m, const char *name)
{
	struct held_key **p = &m->keys;

	while (*p && strcmp((*p)->name, name) < 0)
		p = &(*p)->next;
	return p;
}

static int find(struct keystore *ks, const char *name, EVP_PKEY **key, struct err *e)
{
	struct held_key *k = *place_of(self(ks), name);

	if (!k || strcmp(k->name, name) != 0)
		return err_set(e, ERR_AUTH, "%s: there is no such key", key_name_ok(name) ? name : "(malformed name)");
	*key = k->key;
	return 0;
}

static int hold(struct keystore *ks, const char *unit, EVP_PKEY *key, char name[KEY_NAME_MAX], struct err *e)
{
	struct held_key *k = calloc(1, sizeof(*k));

	if (!k)
		return err_set(e, ERR_NOMEM, "key: out of memory");
	int rc = key_name_of(unit, key, k->name, e);
	if (rc) {
		free(k);
		return rc;
	}
	memcpy(name, k->name, KEY_NAME_MAX);
	struct held_key **p = place_of(self(ks), name);
	if (*p && strcmp((*p)->name, name) == 0) {
		free(k); /* it is there already */
		return 0;
	}
	EVP_PKEY_up_ref(key);
	k->key = key;
	k->next = *p;
	*p = k;
	return 0;
}

static int memory_generate(struct keystore *ks, const char *unit, struct key_spec spec, char name[KEY_NAME_MAX],
			   EVP_PKEY **pub, struct err *e)
{
	AUTO(auto_pkey) EVP_PKEY *key = NULL;
	AUTO(auto_pkey) EVP_PKEY *half = NULL;
	int rc = key_generate(spec, &key, e);

	if (!rc)
		rc = key_public_half(key, &half, e);
	if (!rc)
		rc = hold(ks, unit, key, name, e);
	if (rc)
		return rc;
	*pub = half;
	half = NULL;
	return 0;
}

static int memory_public_key(struct keystore *ks, const char *name, EVP_PKEY **pub, struct err *e)
{
	EVP_PKEY *key = NULL;
	int rc = find(ks, name, &key, e);

	return rc ? rc : key_public_half(key, pub, e);
}

static int memory_sign(struct keystore *ks, const char *name, const struct key_sign *req, uint8_t *sig, size_t *len,
		       struct err *e)
{
	struct key_op *op = NULL;
	EVP_PKEY *key = NULL;
	int rc = find(ks, name, &key, e);

	if (!rc)
		rc = key_op_new(key, req->scheme, req->md_nid, &op, e);
	if (rc)
		return rc;
	rc = key_op_run(op, req, sig, len, e);
	key_op_free(op);
	return rc;
}

static int memory_import(struct keystore *ks, const char *unit, struct view pkcs8, char name[KEY_NAME_MAX], struct err *e)
{
	AUTO(auto_pkey) EVP_PKEY *key = NULL;
	int rc = key_from_pkcs8(pkcs8, &key, e);

	return rc ? rc : hold(ks, unit, key, name, e);
}

static int memory_export(struct keystore *ks, const char *name, uint8_t **pkcs8, size_t *len, struct err *e)
{
	EVP_PKEY *key = NULL;
	int rc = find(ks, name, &key, e);

	return rc ? rc : key_to_pkcs8(key, pkcs8, len, e);
}

static void drop(struct held_key **p)
{
	struct held_key *k = *p;

	*p = k->next;
	EVP_PKEY_free(k->key);
	free(k);
}

static int memory_remove(struct keystore *ks, const char *name, struct err *e)
{
	EVP_PKEY *key = NULL;
	int rc = find(ks, name, &key, e);

	if (!rc)
		drop(place_of(self(ks), name));
	return rc;
}

static int memory_list(struct keystore *ks, int (*cb)(void *ctx, const char *name), void *ctx, struct err *e)
{
	int rc = 0;

	(void)e;
	for (struct held_key *k = self(ks)->keys, *next; k && !rc; k = next) {
		next = k->next; /* cb may remove the key */
		rc = cb(ctx, k->name);
	}
	return rc;
}

static void memory_free(struct keystore *ks)
{
	while (self(ks)->keys)
		drop(&self(ks)->keys);
	free(self(ks));
}

static const struct keystore_ops memory_ops = {
	.generate = memory_generate,
	.public_key = memory_public_key,
	.sign = memory_sign,
	.import = memory_import,
	.export = memory_export,
	.remove = memory_remove,
	.list = memory_list,
	.free = memory_free,
};

int keystore_memory_new(struct keystore **ks, struct err *e)
{
	struct keystore_memory *m = calloc(1, sizeof(*m));

	if (!m)
		return err_set(e, ERR_NOMEM, "key store: out of memory");
	m->base.ops = &memory_ops;
	*ks = &m->base;
	return 0;
}
