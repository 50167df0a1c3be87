#include "cluster/phone_group.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cluster/phone_config.h"
#include "cluster/phones_internal.h"
#include "store/node.h"

#define NAMED_MAX 5 /* phones that an error names */

/* "cucm-a, cucm-b" */
static void members_text(const struct store_group *g, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < g->n; i++)
		used = text_append(out, size, used, "%s%s", used ? ", " : "", g->members[i]);
}

static int change(struct cluster *c, struct phone_change *ch, const char *name, struct err *e)
{
	char object[STORE_NAME_SIZE + 24], shown[STORE_NAME_SIZE];

	text_escape(shown, sizeof(shown), view_str(name));
	snprintf(object, sizeof(object), "CallManager group %s", shown);
	ch->object = object;
	return phone_change_run(c, ch, e);
}

/* --- set --- */

struct setting {
	const struct store_group *g;
	bool added;
};

static int set(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e)
{
	struct setting *s = ctx;
	struct store_group old, now;
	bool found;
	int rc = s->g->n ? 0 : err_set(e, ERR_USAGE, "CallManager group %s: name at least one node", s->g->name);

	if (!rc)
		rc = store_group_get(c->store, s->g->name, &old, &found, e);
	if (rc)
		return rc;
	s->added = !found;
	if (found)
		members_text(&old, ch->before, sizeof(ch->before));
	rc = store_group_put(c->store, s->g, e);
	if (!rc) /* as the nodes are written in the store */
		rc = store_group_get(c->store, s->g->name, &now, &found, e);
	if (rc)
		return rc;
	members_text(&now, ch->after, sizeof(ch->after));
	ch->quiet = strcmp(ch->before, ch->after) == 0;
	return 0;
}

static int note_member(struct cluster *c, const char *name, struct notes *notes, struct err *e)
{
	struct cert *cert = NULL;
	struct store_node node;
	bool found;
	int rc = store_node_get(c->store, name, &node, &found, e);

	if (!rc && found)
		rc = phone_config_note_address(&node, notes, e);
	if (!rc)
		rc = cluster_own_cert(c, node.name, "TVS", &cert, e);
	if (!rc && !cert)
		rc = notes_add(notes, e, "No TVS certificate of %s is known, so phones will not believe its TVS: bring it with 'set "
			       "network cluster subscriber certificate'.", node.name);
	cert_unref(cert);
	return rc;
}

int phone_group_set(struct cluster *c, const char *who, const struct store_group *g, bool dry_run, bool *added,
		    struct notes *notes, struct err *e)
{
	struct setting s = { .g = g };
	struct phone_change ch = { .who = who, .command = "group set", .rehearsal = dry_run, .apply = set, .ctx = &s };
	int rc = change(c, &ch, g->name, e);

	for (size_t i = 0; !rc && i < g->n; i++)
		rc = note_member(c, g->members[i], notes, e);
	if (!rc)
		*added = s.added;
	return rc;
}

/* --- delete --- */

static int refuse_used(struct cluster *c, const char *name, struct err *e)
{
	char names[NAMED_MAX][STORE_NAME_SIZE], list[300] = "";
	size_t n = 0, used = 0;
	int rc = store_group_devices(c->store, name, names, NAMED_MAX, &n, e);

	if (rc || !n)
		return rc;
	for (size_t i = 0; i < n && i < NAMED_MAX; i++)
		used = text_append(list, sizeof(list), used, "%s%.60s", i ? ", " : "", names[i]);
	if (n > NAMED_MAX)
		text_append(list, sizeof(list), used, " and %zu more", n - NAMED_MAX);
	return err_set(e, ERR_USAGE, "CallManager group %s is that of %zu phone%s: %s; first give %s another one", name, n,
		       n == 1 ? "" : "s", list, n == 1 ? "it" : "them");
}

static int drop(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e)
{
	struct store_group old;
	bool found;
	int rc = store_group_get(c->store, ctx, &old, &found, e);

	if (!rc && found)
		rc = refuse_used(c, ctx, e);
	if (rc)
		return rc;
	if (found)
		members_text(&old, ch->before, sizeof(ch->before));
	return store_group_delete(c->store, ctx, e);
}

int phone_group_delete(struct cluster *c, const char *who, const char *name, bool dry_run, struct err *e)
{
	struct phone_change ch = { .who = who, .command = "group delete", .rehearsal = dry_run, .apply = drop,
				   .ctx = (char *)name };

	return change(c, &ch, name, e);
}
