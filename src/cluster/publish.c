#include "cluster/publish.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cluster/cluster_internal.h"

int publish_refresh(struct cluster *c, const char *who, const char *why, bool *changed, struct err *e)
{
	struct change ch = { .who = who, .command = why, .object = "ITLFile.tlv" };

	return change_run(c, &ch, changed, e);
}

int publish_generation(struct cluster *c, uint64_t *number, struct err *e)
{
	struct store_generation g;
	bool found;
	int rc = store_generation_latest(c->store, &g, &found, e);

	if (rc)
		return rc;
	*number = found ? g.number : 0;
	return 0;
}

int publish_read(struct cluster *c, enum list_type type, uint8_t **data, size_t *len, int64_t *modified_s, struct err *e)
{
	struct store_generation g;
	struct tlv_header h;
	struct lists l;
	bool found;
	int rc = store_generation_latest(c->store, &g, &found, e);

	if (rc)
		return rc;
	if (!found) {
		*data = NULL;
		*len = 0;
		return 0;
	}
	rc = generation_read(c, g.number, &l, e);
	if (rc)
		return rc;
	struct list_file *f = type == LIST_CTL ? &l.ctl : &l.itl;
	if (modified_s) {
		*modified_s = g.created;
		if (f->data && !tlv_header_read((struct view){ f->data, f->len }, &h, NULL) && h.has_timestamp)
			*modified_s = h.timestamp;
	}
	*data = f->data;
	*len = f->len;
	f->data = NULL;
	lists_clear(&l);
	return 0;
}
