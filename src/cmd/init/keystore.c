#include "cmd/init/keystore.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/secret.h"
#include "cmd/pin.h"
#include "pki/keystore_pkcs11.h"
#include "pki/pkcs11.h"
#include "server/keys.h"

/* Where the PIN will be found by a node that starts while nobody is there to type it. */
static int configure_pin(const struct init_keystore *k, struct config *cfg, struct err *e)
{
	char path[PATH_MAX];
	struct pkcs11_uri *uri = NULL;
	int rc = pkcs11_uri_parse(k->uri, &uri, e);

	if (rc)
		return rc;
	bool in_uri = pkcs11_uri_pin_file(uri) != NULL;
	pkcs11_uri_free(uri);
	if (k->pin_file && !realpath(k->pin_file, path))
		return err_sys(e, ERR_USAGE, "--pin-file %s", k->pin_file);
	if (k->pin_file || !in_uri)
		rc = config_set_keystore(cfg, "pin-file", k->pin_file ? path : INIT_PIN_FILE, e);
	return rc;
}

int init_keystore_configure(const struct init_keystore *k, struct config *cfg, struct err *e)
{
	const struct { const char *key, *option, *value; } settings[] = {
		{ "token", "--keystore", k->uri },
		{ "units", "--keystore-units", k->units ? k->units : INIT_KEYSTORE_UNITS },
		{ "folders", "--keystore-folders", k->folders },
		{ "sockets", "--keystore-sockets", k->sockets },
	};

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		int rc = settings[i].value ? config_set_keystore(cfg, settings[i].key, settings[i].value, e) : 0;

		if (rc) {
			err_prefix(e, "%s", settings[i].option);
			return rc;
		}
	}
	return configure_pin(k, cfg, e);
}

int init_keystore_open(const struct config *cfg, int data_dir, struct init_request *req, struct err *e)
{
	const struct config_keystore *k = &cfg->keystore;
	struct keystore *token = NULL;
	char *pin = NULL;
	bool typed = strcmp(k->pin_file, INIT_PIN_FILE) == 0;
	int rc = typed ? pin_get(AT_FDCWD, NULL, "of --keystore", &pin, e) : 0;

	if (!rc)
		rc = keys_open_token(req->data_dir, k, pin, &token, e);
	if (!rc)
		rc = keystore_pkcs11_connect(token, e);
	if (!rc && typed)
		rc = file_replace(data_dir, INIT_PIN_FILE, view_str(pin), 0600, e); /* only the keeper's user may read it */
	secret_free(pin, PKCS11_PIN_MAX);
	if (rc) {
		keystore_free(token);
		return rc;
	}
	req->token = token; /* init_node takes it */
	req->token_units = k->units;
	return 0;
}
