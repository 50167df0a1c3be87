/* Files of certificates, and requests: what is accepted is whole, none twice, and reads again as it is written. */
#include <stdlib.h>

#include "pki/cert_list.h"
#include "pki/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void list(struct view file)
{
	struct cert **certs = NULL;
	struct err e = ERR_INIT;
	size_t n = 0;
	int r = cert_list_read(file, &certs, &n, &e);

	if (r) {
		must((r == ERR_PROTO || r == ERR_LIMIT || r == ERR_AUTH) && e.text[0] && !certs && n == 0);
		return;
	}
	must(n > 0 && n <= CERT_LIST_MAX);
	for (size_t i = 0; i < n; i++) {
		struct cert **again = NULL;
		size_t one = 0;

		for (size_t j = 0; j < i; j++)
			must(!cert_same(certs[i], certs[j]));
		must(cert_list_read(cert_der(certs[i]), &again, &one, NULL) == 0 && one == 1);
		must(cert_same(again[0], certs[i]));
		cert_list_free(again, one);
	}
	cert_list_free(certs, n);
}

static void request(struct view file)
{
	struct request *r = NULL;
	struct err e = ERR_INIT;
	int rc = request_from_pem(file, &r, &e);

	must(rc == 0 ? r && request_spki(r).len > 0 : e.text[0] && !r);
	request_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	list((struct view){data, size});
	request((struct view){data, size});
	return 0;
}
