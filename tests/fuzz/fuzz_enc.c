/* Encrypted configurations, opened with a key that is not the file's as a rule. */
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "format/enc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static EVP_PKEY *key;
	struct err e = ERR_INIT;
	uint8_t *plain;
	size_t len;

	if (!key)
		key = EVP_RSA_gen(1024);
	int rc = enc_decrypt((struct view){data, size}, key, &plain, &len, &e);
	if (rc == 0) {
		if (len >= size || plain[len] != '\0')
			abort();
		free(plain);
	} else if (rc != ERR_AUTH && !(rc == ERR_PROTO && e.rule)) {
		abort();
	}
	return 0;
}
