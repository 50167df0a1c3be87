/* published/phones.index. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cluster/cluster_internal.h"
#include "cluster/mode.h"
#include "cluster/param.h"
#include "cluster/phone_config.h"
#include "store/group.h"

#define FNV_START 14695981039346656037u

struct phones_publisher {
	struct cluster *c;
	uint16_t tvs_port;
	uint64_t device_changes;
	struct phone_index index;
	uint8_t *file;
	size_t file_len;
	bool current;           /* it says what the store says */
};

int phones_publisher_new(struct cluster *c, uint16_t tvs_port, struct phones_publisher **p, struct err *e)
{
	struct phones_publisher *got = calloc(1, sizeof(*got));

	if (!got)
		return err_set(e, ERR_NOMEM, "out of memory");
	got->c = c;
	got->tvs_port = tvs_port;
	*p = got;
	return 0;
}

void phones_publisher_free(struct phones_publisher *p)
{
	if (!p)
		return;
	phone_index_clear(&p->index);
	free(p->file);
	free(p);
}

bool phones_publisher_find(const struct phones_publisher *p, struct view name, const struct phone_index_item **item,
			   bool *complete)
{
	if (!p->current)
		return false;
	*item = phone_index_find(&p->index, name);
	*complete = p->index.complete;
	return true;
}

/* --- tags: FNV-1a over everything that a file depends on --- */

static uint64_t hash_octets(uint64_t h, const void *data, size_t n)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 1099511628211u;
	return h;
}

static uint64_t hash_text(uint64_t h, const char *s)
{
	return hash_octets(h, s, strlen(s) + 1); /* with its NUL, so that the parts stay apart */
}

static uint64_t hash_number(uint64_t h, uint64_t v)
{
	return hash_octets(h, &v, sizeof(v));
}

static uint64_t device_tag(const struct store_device *d, enum digest digest)
{
	uint64_t h = hash_number(FNV_START, d->encrypt_config);

	h = hash_number(h, (uint64_t)digest);
	h = hash_number(h, (uint64_t)d->security);
	h = hash_number(h, (uint64_t)d->transport);
	h = hash_number(h, d->operation != DEVICE_NO_OPERATION);
	h = hash_number(h, (uint64_t)device_auth_due(d));
	h = hash_text(h, d->group);
	h = hash_text(h, d->lsc.sha256);
	return hash_text(h, d->mic.sha256);
}

static int hash_params(struct cluster *c, uint64_t *h, struct err *e)
{
	static const char *const names[] = {
		PARAM_DIGEST, PARAM_COMPLETE, PARAM_NAME_FORM, PARAM_CAPF_PORT, PARAM_URL_AUTHENTICATION,
		PARAM_URL_DIRECTORY, PARAM_URL_IDLE, PARAM_URL_INFORMATION, PARAM_URL_MESSAGES, PARAM_URL_SERVICES,
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		AUTO(auto_free) char *value = NULL;
		int rc = param_get(c, names[i], &value, e);

		if (rc)
			return rc;
		*h = hash_text(*h, value);
	}
	return 0;
}

static int hash_servers(struct cluster *c, uint64_t *h, struct err *e)
{
	AUTO(auto_free) struct store_node *nodes = NULL;
	AUTO(auto_free) struct store_group *groups = NULL;
	size_t n_nodes, n_groups;
	int rc = store_node_list(c->store, &nodes, &n_nodes, e);

	if (!rc)
		rc = store_group_list(c->store, &groups, &n_groups, e);
	if (rc)
		return rc;
	for (size_t i = 0; i < n_nodes; i++)
		*h = hash_text(hash_text(hash_text(*h, nodes[i].name), nodes[i].address), nodes[i].address6);
	for (size_t i = 0; i < n_groups; i++) {
		*h = hash_text(*h, groups[i].name);
		for (size_t k = 0; k < groups[i].n; k++)
			*h = hash_text(*h, groups[i].members[k]);
	}
	return 0;
}

static int common_tag(const struct phones_publisher *p, uint64_t *tag, struct err *e)
{
	uint64_t h = hash_number(FNV_START, p->tvs_port);
	bool mixed;
	int rc = cluster_is_mixed(p->c, &mixed, e);

	if (!rc)
		rc = hash_params(p->c, &h, e);
	if (!rc)
		rc = hash_servers(p->c, &h, e);
	if (!rc)
		*tag = hash_number(h, mixed);
	return rc;
}

/* --- gathering --- */

struct gathering {
	struct phone_index ix;
	size_t n_names;  /* of ix.items, all of which own their names */
	size_t room;
	enum digest digest;
	struct err *e;
};

static int add_item(struct gathering *g, const struct store_device *d, uint8_t flags, enum digest digest)
{
	if (g->ix.n == g->room) {
		size_t room = g->room ? 2 * g->room : 1024;
		struct phone_index_item *items = realloc(g->ix.items, room * sizeof(*items));
		if (!items)
			return err_set(g->e, ERR_NOMEM, "out of memory");
		g->ix.items = items;
		g->room = room;
	}
	char *name = strdup(d->name);
	if (!name)
		return err_set(g->e, ERR_NOMEM, "out of memory");
	g->ix.items[g->ix.n++] = (struct phone_index_item){ name, flags, device_tag(d, digest) };
	g->n_names = g->ix.n;
	return 0;
}

static void gathering_clear(struct gathering *g)
{
	for (size_t i = 0; i < g->n_names; i++)
		free((char *)g->ix.items[i].name);
	free(g->ix.items);
}

/* Only phones that are served other than everybody. */
static int gather_device(void *ctx, const struct store_device *d)
{
	struct gathering *g = ctx;
	enum digest digest = phone_model_digest(d->model, g->digest);
	uint8_t flags = (uint8_t)((d->encrypt_config ? PHONE_INDEX_ENCRYPTED : 0) |
				  (digest != g->digest ? PHONE_INDEX_SHA1 : 0));

	return flags || g->ix.complete ? add_item(g, d, flags, digest) : 0;
}

static int gather_all(struct phones_publisher *p, uint64_t tag, struct gathering *g, struct err *e)
{
	AUTO(auto_free) char *digest = NULL;
	AUTO(auto_free) char *complete = NULL;
	int rc = param_get(p->c, PARAM_DIGEST, &digest, e);

	if (!rc)
		rc = param_get(p->c, PARAM_COMPLETE, &complete, e);
	if (rc)
		return rc;
	g->digest = strcmp(digest, digest_name(DIGEST_SHA512)) == 0 ? DIGEST_SHA512 : DIGEST_SHA1;
	g->ix.complete = strcmp(complete, "True") == 0;
	g->ix.tag = tag;
	g->e = e;
	return store_device_list(p->c->store, NULL, 0, gather_device, g, e);
}

/* Does it hide a configuration that the one before does not hide? */
static bool hides_more(const struct phones_publisher *p, const struct phone_index *ix)
{
	for (size_t i = 0; i < ix->n; i++) {
		const struct phone_index_item *before = phone_index_find(&p->index, view_str(ix->items[i].name));

		if (ix->items[i].flags & PHONE_INDEX_ENCRYPTED && !(before && before->flags & PHONE_INDEX_ENCRYPTED))
			return true;
	}
	return false;
}

static int replace_file(struct phones_publisher *p, const struct phone_index *ix, struct view data, struct err *e)
{
	int rc = file_replace(p->c->published_fd, PHONE_INDEX_FILE, data, 0644, e);

	/* On a full disk there is always room for one file less. */
	if (rc && hides_more(p, ix)) {
		unlinkat(p->c->published_fd, PHONE_INDEX_FILE, 0);
		free(p->file);
		p->file = NULL;
	}
	return rc;
}

/* The file that says so, in place of the one before when it differs; and what workers will read in it. */
static int write_index(struct phones_publisher *p, struct phone_index *gathered, bool *changed, struct err *e)
{
	AUTO(auto_free) uint8_t *data = NULL;
	struct phone_index ix;
	size_t len;
	int rc = phone_index_build(gathered, &data, &len, e);

	if (rc || (p->file && view_eq((struct view){ data, len }, (struct view){ p->file, p->file_len })))
		return rc;
	rc = phone_index_read((struct view){ data, len }, &ix, e);
	if (rc)
		return rc;
	rc = replace_file(p, &ix, (struct view){ data, len }, e);
	if (rc) {
		phone_index_clear(&ix);
		return rc;
	}
	phone_index_clear(&p->index);
	p->index = ix;
	free(p->file);
	p->file = data;
	p->file_len = len;
	data = NULL;
	*changed = true;
	return 0;
}

bool phones_publish_due(const struct phones_publisher *p)
{
	return !p->current || p->device_changes != store_device_changes(p->c->store);
}

int phones_publish(struct phones_publisher *p, bool *changed, struct err *e)
{
	uint64_t devices = store_device_changes(p->c->store), tag = 0;
	struct gathering g = { 0 };
	int rc = common_tag(p, &tag, e);

	*changed = false;
	if (!rc && p->current && devices == p->device_changes && tag == p->index.tag)
		return 0;
	p->current = false;
	if (!rc)
		rc = gather_all(p, tag, &g, e);
	if (!rc)
		rc = write_index(p, &g.ix, changed, e);
	gathering_clear(&g);
	if (rc) {
		err_prefix(e, "published/" PHONE_INDEX_FILE);
		return rc;
	}
	p->device_changes = devices;
	p->current = true;
	return 0;
}
