/*
 * Adoption: databases of other tools. Their schemas differ from tool to tool and from release to release, so a column is
 * known by what stands in it, and only where values do not show what they are by its name as well. What is not understood
 * is said, and not taken.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "base/text.h"
#include "cluster/adopt_internal.h"
#include "store/foreign.h"

enum use { USE_DEVICE, USE_CERT, USE_HASH, USE_OPERATION, USE_PASSWORD, USE_ROLES, USE_TTL, N_USES };

static const char *const use_names[N_USES] = {
	"device", "certificate", "SHA-256 of a certificate", "operation", "authentication string", "roles", "lifetime",
};

#define NO_COLUMN SIZE_MAX

/* What stands in a column: how many values are not empty, and how many of them are what. */
struct column {
	size_t values, devices, certs, hashes;
};

struct table {
	struct adopt_scan *s;
	const char *path;
	const struct foreign_table *t;
	struct column columns[FOREIGN_COLUMNS_MAX];
	size_t use[N_USES];
	size_t rows, unclear_operations, unclear_roles;
	struct err *e;
};

/* --- values --- */

static bool is_text(const struct foreign_value *v)
{
	return v->kind == FOREIGN_TEXT && v->octets.len && !memchr(v->octets.p, '\0', v->octets.len);
}

/* False: too long, or no text. */
static bool text_of(const struct foreign_value *v, char *out, size_t size)
{
	if ((v->kind != FOREIGN_TEXT && v->kind != FOREIGN_NUMBER) || v->octets.len >= size ||
	    memchr(v->octets.p, '\0', v->octets.len))
		return false;
	memcpy(out, v->octets.p, v->octets.len);
	out[v->octets.len] = '\0';
	return true;
}

static bool device_of(const struct foreign_value *v, char out[STORE_NAME_SIZE])
{
	return v->kind == FOREIGN_TEXT && text_of(v, out, STORE_NAME_SIZE) && text_is_device_name(out);
}

static struct cert *cert_of(const struct foreign_value *v)
{
	struct cert *c = NULL;

	if (v->kind != FOREIGN_BLOB && !is_text(v))
		return NULL;
	return cert_from_pem(v->octets, &c, NULL) ? NULL : c;
}

static bool hash_of(const struct foreign_value *v, uint8_t out[32])
{
	char text[128];
	size_t len;

	if (v->kind == FOREIGN_BLOB && v->octets.len == 32) {
		memcpy(out, v->octets.p, 32);
		return true;
	}
	return v->kind == FOREIGN_TEXT && text_of(v, text, sizeof(text)) && text_unhex(text, out, 32, &len) && len == 32;
}

/* --- which column is what --- */

static int look_at_row(void *ctx, const struct foreign_value *values)
{
	struct table *t = ctx;
	char device[STORE_NAME_SIZE];
	uint8_t hash[32];

	t->rows++;
	for (size_t i = 0; i < t->t->n; i++) {
		struct column *c = &t->columns[i];
		const struct foreign_value *v = &values[i];

		if (v->kind == FOREIGN_NULL || v->octets.len == 0)
			continue;
		c->values++;
		c->devices += device_of(v, device);
		c->hashes += hash_of(v, hash);
		/* As soon as one is none the column is none, and the rest need not be parsed. */
		if (c->certs + 1 == c->values) {
			struct cert *cert = cert_of(v);
			c->certs += cert != NULL;
			cert_unref(cert);
		}
	}
	return 0;
}

static bool named(const struct table *t, size_t i, const char *part)
{
	const char *name = t->t->columns[i];
	size_t len = strlen(part);

	for (; *name; name++)
		if (strncasecmp(name, part, len) == 0)
			return true;
	return false;
}

static bool is_use(const struct table *t, size_t i, enum use use)
{
	const struct column *c = &t->columns[i];

	switch (use) {
	case USE_DEVICE:
		return c->values && c->devices == c->values && (named(t, i, "device") || named(t, i, "name"));
	case USE_CERT:
		return c->values && c->certs == c->values;
	case USE_HASH:
		return c->values && c->hashes == c->values &&
		       (named(t, i, "hash") || named(t, i, "sha256") || named(t, i, "fingerprint"));
	case USE_OPERATION:
		return named(t, i, "operation");
	case USE_PASSWORD:
		return named(t, i, "password") || named(t, i, "authenticationstring") || named(t, i, "auth_string");
	case USE_ROLES:
		return named(t, i, "role");
	case USE_TTL:
		return named(t, i, "ttl") || named(t, i, "lifetime");
	case N_USES:
		break;
	}
	return false;
}

static int find_columns(struct table *t)
{
	for (int use = 0; use < N_USES; use++) {
		t->use[use] = NO_COLUMN;
		for (size_t i = 0; i < t->t->n; i++) {
			if (!is_use(t, i, (enum use)use))
				continue;
			if (t->use[use] != NO_COLUMN)
				return notes_add(&t->s->a->problems, t->e,
						 "%s: the columns %s and %s of the table %s could both be the %s: which one it is cannot "
						 "be told here; leave the file out with --adopt-as none=%s and add the phones with "
						 "'phone import'", t->path, t->t->columns[t->use[use]], t->t->columns[i], t->t->name,
						 use_names[use], t->path);
			t->use[use] = i;
		}
	}
	return 0;
}

/* --- phones --- */

static const struct foreign_value *value_of(const struct table *t, const struct foreign_value *values, enum use use)
{
	static const struct foreign_value none = { 0 };

	return t->use[use] == NO_COLUMN ? &none : &values[t->use[use]];
}

static bool operation_of(const struct foreign_value *v, enum device_operation *op)
{
	static const struct {
		const char *word;
		enum device_operation op;
	} words[] = {
		{ "", DEVICE_NO_OPERATION }, { "none", DEVICE_NO_OPERATION }, { "no pending operation", DEVICE_NO_OPERATION },
		{ "install", DEVICE_INSTALL }, { "upgrade", DEVICE_INSTALL }, { "install/upgrade", DEVICE_INSTALL },
		{ "delete", DEVICE_DELETE }, { "fetch", DEVICE_TROUBLESHOOT }, { "troubleshoot", DEVICE_TROUBLESHOOT },
	};
	char word[32];

	*op = DEVICE_NO_OPERATION;
	if (v->kind == FOREIGN_NULL)
		return true;
	if (v->kind != FOREIGN_TEXT || !text_of(v, word, sizeof(word)))
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (text_same(words[i].word, word)) {
			*op = words[i].op;
			return true;
		}
	}
	return false;
}

/* The tools keep it in clear; one that could not be typed here is not taken, and nothing takes its place. */
static int take_string(struct table *t, struct adopt_device *d, const struct foreign_value *v, struct err *e)
{
	char string[32];
	int rc = 0;

	d->row.auth = DEVICE_AUTH_NULL;
	if (v->kind == FOREIGN_NULL || v->octets.len == 0)
		return 0;
	if (text_of(v, string, sizeof(string)) && strlen(string) >= 4 && strlen(string) <= 10 &&
	    strspn(string, "0123456789") == strlen(string)) {
		d->row.auth = DEVICE_AUTH_STRING;
		memcpy(d->string, string, strlen(string) + 1);
	} else {
		d->row.operation = DEVICE_NO_OPERATION;
		rc = notes_add(&t->s->a->notes, e,
			       "%s: the authentication string is not 4 to 10 digits, so its pending operation is not taken over; set "
			       "it again with 'phone set'.", d->row.name);
	}
	secret_wipe(string, sizeof(string));
	return rc;
}

static int take_lsc(struct table *t, const char *device, const struct foreign_value *v, struct err *e)
{
	char named_device[STORE_NAME_SIZE], model[32], where[ADOPT_PATH_MAX + STORE_NAME_SIZE];
	struct cert *cert = cert_of(v);
	int rc = 0;

	if (!cert)
		return 0;
	snprintf(where, sizeof(where), "%s (%s)", t->path, device);
	if (!adopt_device_of(cert, named_device, model) || strcmp(named_device, device) != 0)
		rc = adopt_leave(t->s, where, e, "its certificate is not that of the phone: it says %s", cert_subject(cert));
	else
		rc = adopt_add_cert(t->s, cert, where, NULL, e);
	cert_unref(cert);
	return rc;
}

static int take_device(struct table *t, const struct foreign_value *values, struct err *e)
{
	char name[STORE_NAME_SIZE];
	struct adopt_device *d;

	if (!device_of(value_of(t, values, USE_DEVICE), name))
		return 0;
	int rc = adopt_add_device(t->s, name, &d, e);
	if (rc)
		return rc;
	if (!operation_of(value_of(t, values, USE_OPERATION), &d->row.operation))
		t->unclear_operations++;
	if (d->row.operation != DEVICE_NO_OPERATION)
		rc = take_string(t, d, value_of(t, values, USE_PASSWORD), e);
	return rc ? rc : take_lsc(t, name, value_of(t, values, USE_CERT), e);
}

/* --- what TVS answers --- */

static bool role_of(const char *p, size_t len, uint32_t *roles)
{
	static const struct {
		const char *word;
		enum function f;
	} words[] = {
		{ "SAST", FUNCTION_SAST }, { "CCM", FUNCTION_CCM }, { "CCM+TFTP", FUNCTION_CCM_TFTP }, { "TFTP", FUNCTION_TFTP },
		{ "CAPF", FUNCTION_CAPF }, { "APP-SERVER", FUNCTION_APP_SERVER }, { "HTTPS", FUNCTION_APP_SERVER },
		{ "TVS", FUNCTION_TVS },
	};
	char word[32];
	uint64_t number;

	if (len >= sizeof(word))
		return false;
	memcpy(word, p, len);
	word[len] = '\0';
	if (text_number(word, 0, 31, &number) && function_name((unsigned)number)) {
		*roles |= FUNCTION_BIT(number);
		return true;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (text_same(words[i].word, word)) {
			*roles |= FUNCTION_BIT(words[i].f);
			return true;
		}
	}
	return false;
}

/* Words or role numbers. One bare number in a column of several roles may be a set of bits as well: not understood. */
static bool roles_of(const struct table *t, const struct foreign_value *v, uint32_t *roles)
{
	static const char between[] = ", ;|[]\"'";
	char text[200];
	const char *p = text;

	*roles = 0;
	if (v->kind == FOREIGN_NULL)
		return true;
	if (!text_of(v, text, sizeof(text)) || (v->kind == FOREIGN_NUMBER && named(t, t->use[USE_ROLES], "roles")))
		return false;
	for (p += strspn(p, between); *p; p += strspn(p, between)) {
		size_t len = strcspn(p, between);

		if (!role_of(p, len, roles))
			return false;
		p += len;
	}
	return true;
}

static int tell(struct table *t, const uint8_t sha256[32], uint32_t roles, unsigned ttl_s, struct err *e)
{
	struct adopt_scan *s = t->s;
	int rc = adopt_grow(&s->told, s->n_told, &s->cap_told, sizeof(*s->told), e);

	if (rc)
		return rc;
	struct adopt_told *told = &s->told[s->n_told++];
	memcpy(told->sha256, sha256, 32);
	told->roles = roles;
	told->ttl_s = ttl_s;
	return 0;
}

static int take_trusted(struct table *t, const struct foreign_value *values, struct err *e)
{
	const struct foreign_value *ttl = value_of(t, values, USE_TTL);
	struct cert *cert = cert_of(value_of(t, values, USE_CERT));
	char text[32];
	uint64_t seconds = 0;
	uint32_t roles;
	uint8_t hash[32];
	int rc = 0;

	if (!roles_of(t, value_of(t, values, USE_ROLES), &roles))
		t->unclear_roles++;
	if (!text_of(ttl, text, sizeof(text)) || !text_number(text, 1, 2592000, &seconds))
		seconds = 0;
	if (cert) {
		rc = adopt_add_cert(t->s, cert, t->path, NULL, e);
		memcpy(hash, cert_sha256(cert), sizeof(hash));
		cert_unref(cert);
	} else if (!hash_of(value_of(t, values, USE_HASH), hash)) {
		return 0;
	}
	return rc ? rc : tell(t, hash, roles, (unsigned)seconds, e);
}

/* --- tables --- */

static int take_row(void *ctx, const struct foreign_value *values)
{
	struct table *t = ctx;

	return t->use[USE_DEVICE] != NO_COLUMN ? take_device(t, values, t->e) : take_trusted(t, values, t->e);
}

/* A table of phones is read for other things than one of certificates. */
static bool is_read(enum use use, bool phones)
{
	static const bool of_phones[N_USES] = {
		[USE_DEVICE] = true, [USE_CERT] = true, [USE_OPERATION] = true, [USE_PASSWORD] = true };

	return phones ? of_phones[use] : use == USE_CERT || !of_phones[use];
}

static const char *use_of(const struct table *t, size_t column, bool phones)
{
	for (int use = 0; use < N_USES; use++)
		if (t->use[use] == column && is_read((enum use)use, phones))
			return use_names[use];
	return NULL;
}

/* What was understood of the table, and what not. */
static int describe(struct table *t)
{
	bool phones = t->use[USE_DEVICE] != NO_COLUMN;
	char used[400] = "", unused[400] = "";
	size_t n_used = 0, n_unused = 0;

	for (size_t i = 0; i < t->t->n; i++) {
		const char *use = use_of(t, i, phones);

		if (use)
			n_used = text_append(used, sizeof(used), n_used, "%s%s is the %s", n_used ? ", " : "", t->t->columns[i], use);
		else
			n_unused = text_append(unused, sizeof(unused), n_unused, "%s%s", n_unused ? ", " : "", t->t->columns[i]);
	}
	int rc = notes_add(&t->s->a->notes, t->e, "%s: table %s, %zu rows of %s: %s%s%s.", t->path, t->t->name, t->rows,
			   phones ? "phones" : "certificates", used, n_unused ? "; not used: " : "", unused);
	if (!rc && t->unclear_operations)
		rc = notes_add(&t->s->a->notes, t->e,
			       "%s: %zu operations in the table %s are not understood and not taken over; set them again with 'phone "
			       "set'.", t->path, t->unclear_operations, t->t->name);
	if (!rc && t->unclear_roles)
		rc = notes_add(&t->s->a->notes, t->e,
			       "%s: the roles of %zu certificates in the table %s are not understood and not taken over.", t->path,
			       t->unclear_roles, t->t->name);
	return rc;
}

struct reading {
	struct adopt_scan *s;
	struct foreign *f;
	const char *path;
	struct err *e;
};

static int take_table(void *ctx, const struct foreign_table *ft)
{
	struct reading *r = ctx;
	AUTO(auto_free) struct table *t = calloc(1, sizeof(*t));
	size_t problems = r->s->a->problems.n;
	char where[ADOPT_PATH_MAX + STORE_NAME_SIZE];

	if (!t)
		return err_set(r->e, ERR_NOMEM, "out of memory");
	*t = (struct table){ .s = r->s, .path = r->path, .t = ft, .e = r->e };
	int rc = foreign_rows(r->f, ft, look_at_row, t, r->e);
	if (!rc)
		rc = find_columns(t);
	if (rc || problems != r->s->a->problems.n)
		return rc;
	if (t->use[USE_DEVICE] == NO_COLUMN && t->use[USE_CERT] == NO_COLUMN && t->use[USE_HASH] == NO_COLUMN) {
		snprintf(where, sizeof(where), "%s, table %s", r->path, ft->name);
		return adopt_leave(r->s, where, r->e, t->rows ? "nothing in it is understood" : "it is empty");
	}
	rc = foreign_rows(r->f, ft, take_row, t, r->e);
	return rc ? rc : describe(t);
}

int adopt_database(struct adopt_scan *s, const char *path, struct view file, struct err *e)
{
	struct foreign *f = NULL;
	int rc = foreign_open(file, path, &f, e);

	if (!rc) {
		struct reading r = { s, f, path, e };
		rc = foreign_tables(f, take_table, &r, e);
	}
	foreign_close(f);
	return rc;
}
