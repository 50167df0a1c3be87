#include "pki/ossl.h"

#include <openssl/err.h>

int err_openssl_at(struct err *e, int code, const char *file, int line, const char *what)
{
	const char *data = "";
	int flags = 0;
	unsigned long first = ERR_get_error_all(NULL, NULL, NULL, &data, &flags);
	const char *reason = first ? ERR_reason_error_string(first) : NULL;
	bool has_data = first && (flags & ERR_TXT_STRING) && *data;

	if (!first)
		return err_set_at(e, code, file, line, "%s", what);
	if (reason)
		err_set_at(e, code, file, line, "%s: %s%s%s%s", what, reason, has_data ? " (" : "",
			   has_data ? data : "", has_data ? ")" : "");
	else
		err_set_at(e, code, file, line, "%s: OpenSSL error %08lx", what, first);
	ERR_clear_error();
	return code;
}
