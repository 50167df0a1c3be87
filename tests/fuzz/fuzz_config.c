#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "server/config.h"

static void count(void *ctx, const char *file, int line, const char *text)
{
	(void)file;
	assert(line >= 0 && strlen(text) > 0);
	++*(unsigned *)ctx;
}

/* ringfence.conf: right without a mistake, or at least one mistake told. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned mistakes = 0;
	struct config_report report = {count, &mistakes};
	struct err e = ERR_INIT;
	struct config c;
	int rc = config_parse((struct view){data, size}, "f", &report, &c, &e);

	assert((rc == 0) == (mistakes == 0));
	assert(rc == 0 || e.code == ERR_USAGE);
	if (rc == 0) {
		assert(c.node_name[0] && c.provisioning[0] && c.store_url[0]);
		for (int s = 0; s < LISTEN_COUNT; s++)
			for (size_t i = 0; i < c.listen[s].n; i++)
				assert(c.listen[s].addrs[i].port > 0);
	}
	return 0;
}
