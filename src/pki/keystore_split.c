#include <stdlib.h>
#include <string.h>

#include "pki/keystore.h"

#define UNITS_MAX 512 /* octets of the list */

/* Keys in files and keys on a token, as one keystore. */
struct keystore_split {
	struct keystore base;
	struct keystore *files, *token;
	char units[UNITS_MAX];
};

static struct keystore_split *self(struct keystore *ks)
{
	return (struct keystore_split *)ks;
}

bool keystore_split_has_unit(const char *units, const char *unit, size_t len)
{
	for (const char *p = units; *p;) {
		p += strspn(p, ", \t");
		size_t n = strcspn(p, ", \t");
		if (n == len && len && memcmp(p, unit, len) == 0)
			return true;
		p += n;
	}
	return false;
}

/* Where to look first, and where then: a unit may have moved, and its earlier keys are still needed. */
static void order(struct keystore_split *k, const char *name, struct keystore *in[2])
{
	bool on_token = keystore_split_has_unit(k->units, name, strcspn(name, "."));

	in[0] = on_token ? k->token : k->files;
	in[1] = on_token ? k->files : k->token;
}

typedef int one_op(struct keystore *ks, const char *name, void *ctx, struct err *e);

/*
 * What is not in the one is asked of the other. When neither has it, the error of the first is told; but "there is no such
 * key" says less than why the other could not be asked.
 */
static int either(struct keystore *ks, const char *name, one_op *op, void *ctx, struct err *e)
{
	struct err first = ERR_INIT, second = ERR_INIT;
	struct keystore *in[2];

	order(self(ks), name, in);
	int rc = op(in[0], name, ctx, &first);
	if (rc == ERR_AUTH || rc == ERR_IO) {
		int other = op(in[1], name, ctx, &second);
		if (other == 0)
			return 0;
		if (rc == ERR_AUTH && other != ERR_AUTH) {
			rc = other;
			first = second;
		}
	}
	if (rc && e && !e->code)
		*e = first;
	return rc;
}

static int op_public(struct keystore *ks, const char *name, void *ctx, struct err *e)
{
	return ks->ops->public_key(ks, name, ctx, e);
}

static int split_public_key(struct keystore *ks, const char *name, EVP_PKEY **pub, struct err *e)
{
	return either(ks, name, op_public, pub, e);
}

struct signing {
	const struct key_sign *req;
	uint8_t *sig;
	size_t *len;
};

static int op_sign(struct keystore *ks, const char *name, void *ctx, struct err *e)
{
	struct signing *s = ctx;

	return ks->ops->sign(ks, name, s->req, s->sig, s->len, e);
}

static int split_sign(struct keystore *ks, const char *name, const struct key_sign *req, uint8_t *sig, size_t *len,
		      struct err *e)
{
	struct signing s = {req, sig, len};

	return either(ks, name, op_sign, &s, e);
}

struct exporting {
	uint8_t **pkcs8;
	size_t *len;
};

static int op_export(struct keystore *ks, const char *name, void *ctx, struct err *e)
{
	struct exporting *x = ctx;

	return ks->ops->export(ks, name, x->pkcs8, x->len, e);
}

static int split_export(struct keystore *ks, const char *name, uint8_t **pkcs8, size_t *len, struct err *e)
{
	struct exporting x = {pkcs8, len};

	return either(ks, name, op_export, &x, e);
}

static int op_remove(struct keystore *ks, const char *name, void *ctx, struct err *e)
{
	(void)ctx;
	return ks->ops->remove(ks, name, e);
}

static int split_remove(struct keystore *ks, const char *name, struct err *e)
{
	return either(ks, name, op_remove, NULL, e);
}

static int split_generate(struct keystore *ks, const char *unit, struct key_spec spec, char name[KEY_NAME_MAX],
			  EVP_PKEY **pub, struct err *e)
{
	struct keystore_split *k = self(ks);
	struct keystore *to = keystore_split_has_unit(k->units, unit, strlen(unit)) ? k->token : k->files;

	return to->ops->generate(to, unit, spec, name, pub, e);
}

/* A key that comes from elsewhere was outside the token already. */
static int split_import(struct keystore *ks, const char *unit, struct view pkcs8, char name[KEY_NAME_MAX], struct err *e)
{
	struct keystore *files = self(ks)->files;

	return files->ops->import(files, unit, pkcs8, name, e);
}

/* --- listing --- */

struct names {
	char (*name)[KEY_NAME_MAX];
	size_t n;
};

static int keep_name(void *ctx, const char *name)
{
	struct names *names = ctx;
	void *more = realloc(names->name, (names->n + 1) * sizeof(*names->name));

	if (!more)
		return ERR_NOMEM;
	names->name = more;
	memcpy(names->name[names->n++], name, strlen(name) + 1);
	return 0;
}

static int by_octets(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The keys of a token that is not there are not listed: a token may be kept in a safe. */
static int split_list(struct keystore *ks, int (*cb)(void *ctx, const char *name), void *ctx, struct err *e)
{
	struct keystore_split *k = self(ks);
	struct names names = {0};
	struct err why = ERR_INIT;
	int rc = k->files->ops->list(k->files, keep_name, &names, e);

	if (!rc)
		rc = k->token->ops->list(k->token, keep_name, &names, &why);
	if (rc == ERR_IO && why.code)
		rc = 0;
	else if (rc && why.code)
		err_set(e, rc, "%s", why.text);
	if (!rc && names.n)
		qsort(names.name, names.n, sizeof(*names.name), by_octets);
	for (size_t i = 0; !rc && i < names.n; i++)
		rc = i && strcmp(names.name[i], names.name[i - 1]) == 0 ? 0 : cb(ctx, names.name[i]);
	free(names.name);
	return rc;
}

static void split_free(struct keystore *ks)
{
	keystore_free(self(ks)->files);
	keystore_free(self(ks)->token);
	free(ks);
}

static const struct keystore_ops split_ops = {
	.generate = split_generate,
	.public_key = split_public_key,
	.sign = split_sign,
	.import = split_import,
	.export = split_export,
	.remove = split_remove,
	.list = split_list,
	.free = split_free,
};

int keystore_split_take(struct keystore *files, struct keystore *token, const char *units, struct keystore **ks,
			struct err *e)
{
	struct keystore_split *k = calloc(1, sizeof(*k));
	int rc = !k ? err_set(e, ERR_NOMEM, "keys: out of memory")
		    : strlen(units) >= UNITS_MAX ? err_set(e, ERR_LIMIT, "keys: the list of units is too long") : 0;

	if (rc) {
		free(k);
		keystore_free(files);
		keystore_free(token);
		return rc;
	}
	k->base.ops = &split_ops;
	k->files = files;
	k->token = token;
	memcpy(k->units, units, strlen(units) + 1);
	*ks = &k->base;
	return 0;
}
