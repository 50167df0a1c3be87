/* The index of phones: a file of our own, but workers believe it only when it is whole. The checksum is put right here, so
 * that what is behind it is reached. */
#include <stdlib.h>
#include <string.h>

#include "pki/digest.h"
#include "proto/phone_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_one(struct view file)
{
	struct phone_index ix;
	struct err e = ERR_INIT;
	int rc = phone_index_read(file, &ix, &e);

	if (rc) {
		if (rc != ERR_PROTO || !e.rule)
			abort();
		return rc;
	}
	for (size_t i = 0; i < ix.n; i++)
		if (phone_index_find(&ix, view_str(ix.items[i].name)) != &ix.items[i])
			abort();
	phone_index_clear(&ix);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t hash[DIGEST_MAX];
	uint8_t *file = malloc(size + 8 + 32);

	read_one((struct view){data, size});
	memcpy(file, "RFPHONES", 8);
	if (size)
		memcpy(file + 8, data, size);
	if (digest_one(DIGEST_SHA256, (struct view){file, size + 8}, hash, NULL))
		abort();
	memcpy(file + 8 + size, hash, 32);
	read_one((struct view){file, size + 40});
	free(file);
	return 0;
}
