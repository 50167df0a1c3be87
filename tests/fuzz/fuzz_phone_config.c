/* A configuration as a phone reads it, and the URL in it. */
#include <stdlib.h>
#include <string.h>

#include "phone/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct phone_config c;
	struct phone_url u;
	struct err e = ERR_INIT;

	if (phone_config_parse((struct view){data, size}, &c, &e)) {
		if (e.code != ERR_PROTO || !e.rule)
			abort();
		return 0;
	}
	for (size_t i = 0; i < c.n_tvs; i++)
		if (!c.tvs[i].port || !*c.tvs[i].host || strlen(c.tvs[i].host) >= PHONE_HOST_MAX)
			abort();
	for (size_t i = 0; i < c.n_capf; i++)
		if (!c.capf[i].port || !*c.capf[i].host || strlen(c.capf[i].host) >= PHONE_HOST_MAX)
			abort();
	if (c.n_capf > PHONE_CAPF_MAX || c.capf_mode > PHONE_CAPF_MIC ||
	    (*c.cert_hash && strspn(c.cert_hash, "0123456789abcdef") != PHONE_CERT_HASH_LEN))
		abort();
	if (c.n_tvs > PHONE_TVS_MAX || strlen(c.directory_url) >= PHONE_URL_MAX)
		abort();
	if (phone_url_read(c.directory_url, &u) && (!u.port || !*u.host || *u.path != '/'))
		abort();
	return 0;
}
