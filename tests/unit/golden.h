#pragma once

/* Golden files, found through the environment variable GOLDEN (tests/golden). */
#include <fcntl.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "pki/cert.h"
#include "testing.h"

#define GOLDEN_MAX (1024 * 1024)

static inline void golden_path(char *out, size_t size, const char *name)
{
	const char *folder = getenv("GOLDEN");

	snprintf(out, size, "%s/%s", folder ? folder : "tests/golden", name);
}

/* The whole file; the caller frees v.p. */
static inline struct view golden(const char *name)
{
	char path[512];
	uint8_t *data = NULL;
	size_t len = 0;
	struct err e = ERR_INIT;

	golden_path(path, sizeof(path), name);
	assert_ok(file_read(AT_FDCWD, path, GOLDEN_MAX, &data, &len, &e), &e);
	return (struct view){data, len};
}

/* A certificate, PEM or DER. */
static inline struct cert *golden_cert_file(const char *name)
{
	struct err e = ERR_INIT;
	struct cert *c = NULL;
	char path[512];

	golden_path(path, sizeof(path), name);
	assert_ok(cert_load(AT_FDCWD, path, &c, &e), &e);
	return c;
}

static inline EVP_PKEY *golden_key_file(const char *name)
{
	char path[512];

	golden_path(path, sizeof(path), name);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	fclose(f);
	assert_non_null(key);
	return key;
}

static inline void golden_free(struct view v)
{
	free((void *)(uintptr_t)v.p);
}
