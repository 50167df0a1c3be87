#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "net/http_head.h"

/* Whatever a client sends before and as a request: its end is found within the data, and what is parsed lies in it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view v = {data, size < HTTP_HEAD_MAX ? size : HTTP_HEAD_MAX};
	char path[HTTP_LINE_MAX];
	struct http_head h;
	unsigned status;
	size_t end = http_head_end(v, &status);

	assert(end <= v.len);
	if (!end || http_head_parse((struct view){data, end}, &h))
		return 0;
	assert(h.target.p >= data && h.target.p + h.target.len <= data + end);
	if (http_target_path(h.target, path, sizeof(path))) {
		size_t n = strlen(path);
		assert(n > 0 && n <= h.target.len);
		for (size_t i = 0; i < n; i++)
			assert((uint8_t)path[i] >= ' ' && path[i] != 0x7f);
	}
	return 0;
}
