#include "cluster/phone_string.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "base/text.h"
#include "cluster/phones.h"
#include "pki/ossl.h"

#define ITERATIONS 10000 /* some milliseconds: the director waits for it */
#define SALT_LEN 16
#define HASH_LEN 32
#define PREFIX "pbkdf2-sha256"

static int hash(struct view string, const uint8_t salt[SALT_LEN], unsigned iterations, uint8_t out[HASH_LEN], struct err *e)
{
	if (string.len > INT32_MAX)
		return err_set(e, ERR_LIMIT, "an authentication string of %zu octets", string.len);
	if (PKCS5_PBKDF2_HMAC((const char *)string.p, (int)string.len, salt, SALT_LEN, (int)iterations, EVP_sha256(),
			      HASH_LEN, out) != 1)
		return err_openssl(e, ERR_CRYPTO, "PBKDF2");
	return 0;
}

int phone_string_derive(const struct random_source *random, struct view string, char derived[DEVICE_STRING_SIZE],
			struct err *e)
{
	uint8_t salt[SALT_LEN], out[HASH_LEN];
	char salt_hex[2 * SALT_LEN + 1], out_hex[2 * HASH_LEN + 1];
	int rc = random_fill(random, salt, sizeof(salt), e);

	if (!rc)
		rc = hash(string, salt, ITERATIONS, out, e);
	if (rc)
		return rc;
	text_hex(salt_hex, sizeof(salt_hex), (struct view){salt, sizeof(salt)}, '\0', false);
	text_hex(out_hex, sizeof(out_hex), (struct view){out, sizeof(out)}, '\0', false);
	snprintf(derived, DEVICE_STRING_SIZE, PREFIX ":%d:%s:%s", ITERATIONS, salt_hex, out_hex);
	secret_wipe(out, sizeof(out));
	secret_wipe(out_hex, sizeof(out_hex));
	return 0;
}

/* "pbkdf2-sha256:10000:<salt>:<hash>" */
static bool parse(const char *derived, unsigned *iterations, uint8_t salt[SALT_LEN], uint8_t want[HASH_LEN])
{
	char salt_hex[2 * SALT_LEN + 1], want_hex[2 * HASH_LEN + 1];
	size_t salt_len = 0, want_len = 0;
	int end = -1;

	return sscanf(derived, PREFIX ":%9u:%32[0-9a-f]:%64[0-9a-f]%n", iterations, salt_hex, want_hex, &end) == 3 &&
	       end >= 0 && derived[end] == '\0' && *iterations > 0 && *iterations <= 10000000 &&
	       text_unhex(salt_hex, salt, SALT_LEN, &salt_len) && salt_len == SALT_LEN &&
	       text_unhex(want_hex, want, HASH_LEN, &want_len) && want_len == HASH_LEN;
}

int phone_string_matches(struct view string, const char *derived, bool *matches, struct err *e)
{
	uint8_t salt[SALT_LEN], want[HASH_LEN], got[HASH_LEN];
	unsigned iterations;

	if (!parse(derived, &iterations, salt, want))
		return err_set(e, ERR_STORE, "the store holds a malformed authentication string: another program wrote it");
	int rc = hash(string, salt, iterations, got, e);
	if (!rc)
		*matches = secret_eq(got, want, HASH_LEN);
	secret_wipe(got, sizeof(got));
	secret_wipe(want, sizeof(want));
	return rc;
}

int phone_string_random(const struct random_source *random, unsigned digits, char *out, size_t size, struct err *e)
{
	uint8_t octet;

	if (digits >= size)
		return err_set(e, ERR_BUG, "%u digits into %zu octets", digits, size);
	for (unsigned i = 0; i < digits; ) {
		int rc = random_fill(random, &octet, 1, e);
		if (rc)
			return rc;
		if (octet < 250) /* 250 to 255 would favour 0 to 5 */
			out[i++] = (char)('0' + octet % 10);
	}
	out[digits] = '\0';
	return 0;
}
