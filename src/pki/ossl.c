#include "pki/ossl.h"

#include <openssl/err.h>

int err_openssl_at(struct err *e, int code, const char *file, int line, const char *what)
{
	unsigned long first = ERR_get_error();
	const char *reason = first ? ERR_reason_error_string(first) : NULL;

	ERR_clear_error();
	if (!first)
		return err_set_at(e, code, file, line, "%s", what);
	if (!reason)
		return err_set_at(e, code, file, line, "%s: OpenSSL error %08lx", what, first);
	return err_set_at(e, code, file, line, "%s: %s", what, reason);
}
