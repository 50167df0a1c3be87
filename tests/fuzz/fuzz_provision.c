/* A requested name, by TFTP as it is, and by HTTP as a request target. Whatever is served stays in the folder. */
#include <stdlib.h>
#include <string.h>

#include "proto/provision.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void check_path(const char *path)
{
	size_t n = strlen(path);

	require(n > 0 && n <= PROVISION_NAME_MAX);
	require(path[0] != '/' && path[n - 1] != '/');
	require(path[0] != '.' && !strstr(path, "/.") && !strstr(path, "//") && !strchr(path, '\\'));
}

static void check(struct view name, enum provision_transport transport)
{
	struct provision p, again;

	provision_parse(name, transport, &p);
	require((p.kind == PROVISION_REFUSED) == (p.reason != NULL));
	require(provision_kind_name(p.kind) != NULL);
	if (p.kind == PROVISION_REFUSED)
		return;
	check_path(p.name);
	if (p.kind == PROVISION_SIGNED || p.kind == PROVISION_ENC_SIGNED) {
		check_path(p.base);
		require(strncmp(p.name, p.base, strlen(p.base)) == 0 && strlen(p.base) < strlen(p.name));
		require(!provision_is_firmware(p.name));
	} else {
		require(!p.base[0]);
	}
	require(!p.device[0] || p.kind == PROVISION_CTL || p.kind == PROVISION_ITL || p.kind == PROVISION_EXT_ITL);
	/* What it means does not change when it is asked for by its clean name, but for the rule of HTTPS. */
	provision_parse(view_str(p.name), PROVISION_HTTP, &again);
	require(again.kind == p.kind || transport == PROVISION_HTTPS);
	require(strcmp(again.name, p.name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view input = {data, size};
	char out[PROVISION_NAME_MAX + 2];
	size_t len;

	check(input, PROVISION_TFTP);
	if (provision_decode_url(input, out, sizeof(out), &len, NULL) == 0) {
		require(len == strlen(out) && len < sizeof(out) && out[0] == '/');
		check(view_str(out), PROVISION_HTTP);
		check(view_str(out), PROVISION_HTTPS);
	}
	return 0;
}
