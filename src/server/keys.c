#include "server/keys.h"

#include <stdio.h>

#include "pki/keystore_pkcs11.h"
#include "pki/pkcs11.h"

/* Where the PIN is: "" when neither the configuration nor the URI says. */
static int pin_path(const char *data, const struct config_keystore *cfg, char *out, size_t size, struct err *e)
{
	struct pkcs11_uri *uri = NULL;
	int rc = pkcs11_uri_parse(cfg->token, &uri, e);

	if (rc)
		return rc;
	const char *file = *cfg->pin_file ? cfg->pin_file : pkcs11_uri_pin_file(uri);
	int n = !file ? snprintf(out, size, "%s", "") : *file == '/' ? snprintf(out, size, "%s", file)
								      : snprintf(out, size, "%s/%s", data, file);
	pkcs11_uri_free(uri);
	return n < 0 || (size_t)n >= size ? err_set(e, ERR_LIMIT, "the name of the file with the PIN is too long") : 0;
}

int keys_open_token(const char *data, const struct config_keystore *cfg, const char *pin, struct keystore **token,
		    struct err *e)
{
	char path[8192];
	int rc = pin_path(data, cfg, path, sizeof(path), e);
	struct keystore_pkcs11_config c = {.uri = cfg->token, .pin = pin, .pin_file = !rc && *path ? path : NULL};

	return rc ? rc : keystore_pkcs11_open(&c, token, e);
}

int keys_open(const char *data, const struct config_keystore *cfg, struct keystore **ks, struct keystore **token,
	      struct err *e)
{
	struct keystore *files = NULL, *on_token = NULL;
	char path[4096];

	snprintf(path, sizeof(path), "%s/keys", data);
	int rc = keystore_file_open(path, &files, e);
	if (rc)
		return rc;
	if (token)
		*token = NULL;
	if (!*cfg->token) {
		*ks = files;
		return 0;
	}
	rc = keys_open_token(data, cfg, NULL, &on_token, e);
	if (rc) {
		keystore_free(files);
		return rc;
	}
	rc = keystore_split_take(files, on_token, cfg->units, ks, e);
	if (!rc && token)
		*token = on_token;
	return rc;
}
