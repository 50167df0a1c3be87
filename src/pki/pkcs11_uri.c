#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/secret.h"
#include "base/text.h"
#include "pki/pkcs11_internal.h"

#define PIN_FILE_MAX 4096 /* octets of a file with a PIN */

int pkcs11_uri_parse(const char *text, struct pkcs11_uri **u, struct err *e)
{
	struct pkcs11_uri *got = calloc(1, sizeof(*got));

	if (got)
		got->uri = p11_kit_uri_new();
	if (!got || !got->uri) {
		pkcs11_uri_free(got);
		return err_set(e, ERR_NOMEM, "token: out of memory");
	}
	int rc = p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, got->uri);
	if (rc == P11_KIT_URI_OK && !p11_kit_uri_any_unrecognized(got->uri)) {
		*u = got;
		return 0;
	}
	const char *why = rc == P11_KIT_URI_OK ? "it has an attribute that is not known" : p11_kit_uri_message(rc);
	pkcs11_uri_free(got);
	/* The text stays out of the message: it may hold a PIN. */
	return err_set(e, ERR_USAGE, "this is no PKCS#11 URI: %s; write pkcs11:token=LABEL, further serial=SERIAL, and "
		       "?module-path=FILE or pin-source=file:FILE (RFC 7512)", why);
}

void pkcs11_uri_free(struct pkcs11_uri *u)
{
	if (!u)
		return;
	if (u->uri) {
		char *pin = (char *)(uintptr_t)p11_kit_uri_get_pin_value(u->uri); /* p11-kit frees it as it is */
		if (pin)
			secret_wipe(pin, strlen(pin));
		p11_kit_uri_free(u->uri);
	}
	free(u);
}

const char *pkcs11_uri_module(const struct pkcs11_uri *u)
{
	return p11_kit_uri_get_module_path(u->uri);
}

const char *pkcs11_uri_pin_file(const struct pkcs11_uri *u)
{
	const char *source = p11_kit_uri_get_pin_source(u->uri);

	return source && text_starts(source, "file:") ? source + strlen("file:") : source;
}

const char *pkcs11_uri_pin(const struct pkcs11_uri *u)
{
	return p11_kit_uri_get_pin_value(u->uri);
}

struct pkcs11_want pkcs11_want_of(const struct pkcs11_uri *u)
{
	struct ck_attribute *id = p11_kit_uri_get_attribute(u->uri, CKA_ID);
	struct pkcs11_want w = {.label = pkcs11_uri_object(u)};

	if (id)
		w.id = (struct view){id->value, id->value_len};
	return w;
}

const char *pkcs11_uri_object(const struct pkcs11_uri *u)
{
	struct pkcs11_uri *mine = (struct pkcs11_uri *)(uintptr_t)u; /* only its buffer for this text */
	struct ck_attribute *label = p11_kit_uri_get_attribute(u->uri, CKA_LABEL);

	if (!label || label->value_len >= sizeof(mine->object))
		return NULL;
	memcpy(mine->object, label->value, label->value_len);
	mine->object[label->value_len] = '\0';
	return mine->object;
}

/* --- PIN --- */

static int take_line(const char *file, struct view text, char **pin, struct err *e)
{
	size_t n = 0;

	while (n < text.len && text.p[n] != '\n' && text.p[n] != '\r' && text.p[n] != '\0')
		n++;
	if (n == 0)
		return err_set(e, ERR_USAGE, "%s: the PIN is empty", file);
	if (n >= PKCS11_PIN_MAX)
		return err_set(e, ERR_LIMIT, "%s: a PIN has at most %d octets", file, PKCS11_PIN_MAX - 1);
	char *out = secret_new(PKCS11_PIN_MAX);
	if (!out)
		return err_set(e, ERR_NOMEM, "token: out of memory");
	memcpy(out, text.p, n);
	*pin = out;
	return 0;
}

/* Without waiting for a writer that never comes; for the octets of one that is there it waits. */
static int open_pin(int dir_fd, const char *file, struct stat *st)
{
	AUTO(auto_close) int fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || fstat(fd, st) < 0 || fcntl(fd, F_SETFL, 0) < 0)
		return -1;
	int got = fd;
	fd = -1;
	return got;
}

int pkcs11_pin_read(int dir_fd, const char *file, char **pin, struct err *e)
{
	uint8_t *text = NULL;
	size_t len = 0;
	struct stat st;
	AUTO(auto_close) int fd = open_pin(dir_fd, file, &st);

	if (fd < 0)
		return err_sys(e, ERR_IO, "%s: the token's PIN", file);
	if (S_ISREG(st.st_mode) && st.st_mode & 077)
		return err_set(e, ERR_AUTH, "%s: others may read this PIN (mode %04o): chmod 600 %s, and set another PIN", file,
			       (unsigned)(st.st_mode & 07777), file);
	int rc = file_read_fd(fd, file, PIN_FILE_MAX, &text, &len, e);
	if (rc)
		return rc;
	rc = take_line(file, (struct view){text, len}, pin, e);
	secret_free(text, len);
	return rc;
}
