#include "server/config_keystore.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "pki/pkcs11.h"
#include "pki/template.h"

static const char *const socket_words[] = {
	[SOCKETS_NONE] = "none", [SOCKETS_LOCAL] = "local", [SOCKETS_NETWORK] = "network"};

/* Everybody may read ringfence.conf. */
static int check_uri(const char *v, struct err *e)
{
	struct pkcs11_uri *uri = NULL;
	int rc = pkcs11_uri_parse(v, &uri, e);

	if (rc)
		return rc;
	if (pkcs11_uri_pin(uri))
		rc = err_set(e, ERR_USAGE, "the PIN does not belong here, where everybody may read it: put it into a file of mode "
			     "0600, and name that with pin-file");
	else if (!pkcs11_uri_module(uri))
		rc = err_set(e, ERR_USAGE, "the URI names no module: add ?module-path=FILE");
	pkcs11_uri_free(uri);
	return rc;
}

int config_keystore_token(struct config *c, const char *v, struct err *e)
{
	int rc = *v ? check_uri(v, e) : 0;

	if (rc)
		return rc;
	if (strlen(v) >= sizeof(c->keystore.token))
		return err_set(e, ERR_USAGE, "a URI has at most %zu octets", sizeof(c->keystore.token) - 1);
	snprintf(c->keystore.token, sizeof(c->keystore.token), "%s", v);
	return 0;
}

int config_keystore_pin_file(struct config *c, const char *v, struct err *e)
{
	if (strlen(v) >= sizeof(c->keystore.pin_file))
		return err_set(e, ERR_USAGE, "a file name has at most %zu octets", sizeof(c->keystore.pin_file) - 1);
	snprintf(c->keystore.pin_file, sizeof(c->keystore.pin_file), "%s", v);
	return 0;
}

static bool is_unit(const char *word, size_t len)
{
	for (const char *const *u = template_units; *u; u++)
		if (strlen(*u) == len && memcmp(*u, word, len) == 0)
			return true;
	return false;
}

int config_keystore_units(struct config *c, const char *v, struct err *e)
{
	char known[256] = "";
	size_t used = 0;

	for (const char *const *u = template_units; *u; u++)
		used = text_append(known, sizeof(known), used, "%s%s", used ? ", " : "", *u);
	for (const char *p = v; *p;) {
		p += strspn(p, ", \t");
		size_t n = strcspn(p, ", \t");
		if (n && !is_unit(p, n))
			return err_set(e, ERR_USAGE, "\"%.*s\" is no unit; there are %s", (int)n, p, known);
		p += n;
	}
	if (strlen(v) >= sizeof(c->keystore.units))
		return err_set(e, ERR_USAGE, "the list has at most %zu octets", sizeof(c->keystore.units) - 1);
	snprintf(c->keystore.units, sizeof(c->keystore.units), "%s", v);
	return 0;
}

int config_keystore_folders(struct config *c, const char *v, struct err *e)
{
	struct config_keystore got = {0};
	size_t n = 0;

	for (const char *p = v; *p;) {
		p += strspn(p, ", \t");
		size_t len = strcspn(p, ",");
		if (len && (*p != '/' || len >= sizeof(got.folders[0])))
			return err_set(e, ERR_USAGE, "\"%.*s\" is not the absolute name of a folder", (int)len, p);
		if (len && n == CONFIG_MAX_FOLDERS)
			return err_set(e, ERR_USAGE, "more than %d folders", CONFIG_MAX_FOLDERS);
		if (len)
			memcpy(got.folders[n++], p, len);
		p += len;
	}
	memcpy(c->keystore.folders, got.folders, sizeof(got.folders));
	return 0;
}

int config_keystore_sockets(struct config *c, const char *v, struct err *e)
{
	for (size_t i = 0; i < sizeof(socket_words) / sizeof(socket_words[0]); i++) {
		if (strcmp(v, socket_words[i]) != 0)
			continue;
		c->keystore.sockets = (enum keystore_sockets)i;
		return 0;
	}
	return err_set(e, ERR_USAGE, "\"%s\": allowed are none, local (pcscd) and network (a module that asks a server)", v);
}

size_t config_keystore_write(char *out, size_t size, size_t used, const struct config_keystore *k)
{
	if (!*k->token)
		return used;
	used = text_append(out, size, used,
			   "\n; Keys on a hardware token: the new keys of these units are made there.\n"
			   "[keystore]\ntoken = %s\nunits = %s\n", k->token, k->units);
	if (*k->pin_file)
		used = text_append(out, size, used, "pin-file = %s\n", k->pin_file);
	if (*k->folders[0])
		used = text_append(out, size, used, "folders = ");
	for (size_t i = 0; i < CONFIG_MAX_FOLDERS && *k->folders[i]; i++)
		used = text_append(out, size, used, "%s%s", i ? ", " : "", k->folders[i]);
	if (*k->folders[0])
		used = text_append(out, size, used, "\n");
	return text_append(out, size, used, "sockets = %s\n", socket_words[k->sockets]);
}
