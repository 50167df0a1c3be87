#include "cmd/phone/models.h"

#include <fcntl.h>

#include "base/cleanup.h"
#include "base/file.h"

#define MODELS_MAX (256 * 1024) /* octets of a table */

int models_load(const char *path, struct traits_table **t, struct err *e)
{
	AUTO(auto_free) uint8_t *data = NULL;
	size_t len;
	int rc;

	if (!path)
		return traits_parse(traits_builtin(), "models.conf", t, e);
	rc = file_read(AT_FDCWD, path, MODELS_MAX, &data, &len, e);
	return rc ? rc : traits_parse((struct view){data, len}, path, t, e);
}
