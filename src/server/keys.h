#pragma once

#include "pki/keystore.h"
#include "server/config.h"

/*
 * keys_open: the keystore of a node as ringfence.conf has it: files in <data>/keys, and what is on a token. The token is
 * touched when a key of it is asked for, or by keystore_pkcs11_connect.
 * Out:    *ks; token (may be NULL) gets its part on the token, which belongs to *ks, or NULL without one.
 * Errors: as keystore_file_open, keystore_pkcs11_open.
 */
int keys_open(const char *data, const struct config_keystore *cfg, struct keystore **ks, struct keystore **token,
	      struct err *e) MUST_CHECK;

/* keys_open_token: the part on the token alone. In: pin NULL: as the configuration says. */
int keys_open_token(const char *data, const struct config_keystore *cfg, const char *pin, struct keystore **token,
		    struct err *e) MUST_CHECK;
