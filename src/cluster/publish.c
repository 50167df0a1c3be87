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

/* --- pruning --- */

struct pruning {
	unsigned keep, removed;
};

static int mark_gone(struct cluster *c, void *ctx, struct err *e)
{
	AUTO(auto_free) struct store_generation *list = NULL;
	struct pruning *p = ctx;
	size_t n;
	int rc = store_generation_list(c->store, 0, &list, &n, e);

	for (size_t i = p->keep; !rc && i < n; i++) {
		if (list[i].state != STORE_GENERATION_KEPT)
			continue;
		rc = store_generation_set_state(c->store, list[i].number, STORE_GENERATION_GONE, e);
		p->removed++;
	}
	return rc;
}

int publish_prune(struct cluster *c, const char *who, unsigned keep, unsigned *removed, struct err *e)
{
	struct pruning p = { .keep = keep ? keep : 1 };
	struct change ch = { .who = who, .command = "prune generations", .object = "published", .apply = mark_gone, .ctx = &p };
	bool lost;
	int rc = change_run(c, &ch, NULL, e);

	if (!rc)
		rc = generation_recover(c, &lost, e); /* removes the folders of what is gone */
	if (!rc && removed)
		*removed = p.removed;
	return rc;
}
