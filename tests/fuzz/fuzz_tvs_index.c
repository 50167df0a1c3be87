/* The TVS index: a file with a right checksum and any content is refused or read without harm. */
#include <stdlib.h>
#include <string.h>

#include "proto/tvs_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECKSUM_AT 32
#define CHECKSUM_LEN 32

static void look_up(const struct tvs_index *ix, struct view file)
{
	static const uint8_t serial[] = {0x5a, 0x22};
	struct tvs_answer a;

	for (size_t i = 0; i < 64 && tvs_index_at(ix, i, &a); i++) {
		if (a.der.p < file.p || a.der.p + a.der.len > file.p + file.len)
			abort();
		if (tvs_index_verify(ix, a.der, &a) && !a.der.len)
			abort();
	}
	tvs_index_query(ix, view_str("CN=a"), view_str("CN=Asterisk;OU=Asterisk;O=Asterisk"), (struct view){serial, 2}, &a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tvs_index ix;
	struct err e = ERR_INIT;
	uint8_t *copy = malloc(size + 1), sum[DIGEST_MAX];

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	if (size >= CHECKSUM_AT + CHECKSUM_LEN) {
		memset(copy + CHECKSUM_AT, 0, CHECKSUM_LEN);
		if (digest_one(DIGEST_SHA256, (struct view){copy, size}, sum, &e))
			abort();
		memcpy(copy + CHECKSUM_AT, sum, CHECKSUM_LEN);
	}
	if (!tvs_index_open((struct view){copy, size}, &ix, &e))
		look_up(&ix, (struct view){copy, size});
	else if (e.code != ERR_PROTO || !e.rule)
		abort();
	free(copy);
	return 0;
}
