#pragma once

/* A store in a temporary folder, and certificates to put into it. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/x509.h>

#include "pki/cert.h"
#include "store/node.h"
#include "store/store.h"
#include "testing.h"

struct fixture {
	char dir[64];
	struct store *s;
};

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void remove_tree(const char *dir)
{
	nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline struct store *open_store(const char *dir, unsigned flags)
{
	struct err e = ERR_INIT;
	struct store *s = NULL;

	assert_ok(store_open("sqlite:store.sqlite3", dir, flags, &s, &e), &e);
	return s;
}

static inline int fixture_make(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->dir, "/tmp/ringfence-store-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->s = open_store(f->dir, STORE_CREATE);
	*state = f;
	return 0;
}

static inline int fixture_drop(void **state)
{
	struct fixture *f = *state;

	store_close(f->s);
	remove_tree(f->dir);
	free(f);
	return 0;
}

static inline void reopen(struct fixture *f)
{
	store_close(f->s);
	f->s = open_store(f->dir, 0);
}

static inline void add_node(struct store *s, const char *name, const char *address, enum store_node_role role)
{
	struct store_node n = {.role = role};
	struct err e = ERR_INIT;

	snprintf(n.name, sizeof(n.name), "%s", name);
	snprintf(n.address, sizeof(n.address), "%s", address);
	assert_ok(store_node_add(s, &n, &e), &e);
}

/* The statement's first column of its first row as a number. */
static inline int first_number(void *ctx, const struct store_sql_row *row)
{
	*(long *)ctx = strtol(row->values[0], NULL, 10);
	return 0;
}

static inline int no_head(void *ctx, const struct store_sql_row *names)
{
	(void)ctx;
	(void)names;
	return 0;
}

static inline long query_number(struct store *s, const char *sql)
{
	struct err e = ERR_INIT;
	long n = -1;

	assert_ok(store_run_sql(s, sql, NULL, &(struct store_sql_sink){no_head, first_number, &n}, &e), &e);
	return n;
}

/* A self-signed certificate with this common name (NULL: none), beginning at this time. */
static inline struct cert *make_cert(const char *cn, long serial, time_t not_before)
{
	static EVP_PKEY *key;
	struct err e = ERR_INIT;
	struct cert *c = NULL;
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	if (!key)
		key = EVP_EC_gen("P-256");
	assert_non_null(key);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
	ASN1_TIME_set(X509_getm_notBefore(x), not_before);
	ASN1_TIME_set(X509_getm_notAfter(x), not_before + 86400L * 365);
	X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"Example", -1, -1, 0);
	if (cn)
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	assert_ok(cert_from_x509(x, &c, &e), &e);
	X509_free(x);
	return c;
}
