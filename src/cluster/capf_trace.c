#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "cluster/capf_internal.h"

int capf_trace(struct cluster *c, const char *device, const char *kind, const struct cert *cert, struct err *e)
{
	AUTO(auto_close) int trace = -1;
	AUTO(auto_close) int folder = -1;
	AUTO(auto_free) char *pem = NULL;
	char name[CAPF_DEVICE_MAX + 16];

	/* The name becomes a file's: whoever called has checked it, and so do we (C-13). */
	if (!text_is_device_name(device))
		return err_set(e, ERR_BUG, "a trace of something that is no device");
	int rc = folder_make(c->data_fd, "trace", 0700, &trace, e);
	if (!rc)
		rc = folder_make(trace, "capf", 0700, &folder, e);
	if (!rc)
		rc = cert_to_pem(cert, &pem, e);
	if (rc)
		return rc;
	snprintf(name, sizeof(name), "%s-%s.pem", device, kind);
	return file_replace(folder, name, view_str(pem), 0600, e);
}
