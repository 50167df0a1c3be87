#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "cluster/publish.h"
#include "cluster/token_ctl.h"

int ctl_in_force(struct cluster *c, struct trust_list **ctl, struct err *e)
{
	AUTO(auto_free) uint8_t *data = NULL;
	size_t len;
	int rc = publish_read(c, LIST_CTL, &data, &len, NULL, e);

	*ctl = NULL;
	return rc || !data ? rc : list_parse((struct view){ data, len }, LIST_CTL, ctl, e);
}

int cluster_ctl_has_tokens(struct cluster *c, bool *tokens, struct err *e)
{
	struct trust_list *ctl;
	int rc = ctl_in_force(c, &ctl, e);

	if (rc)
		return rc;
	*tokens = list_has_tokens(ctl);
	list_free(ctl);
	return 0;
}

int cluster_ctl_tokens(struct cluster *c, struct compose_tokens *t, struct err *e)
{
	struct trust_list *ctl;
	int rc = ctl_in_force(c, &ctl, e);

	*t = (struct compose_tokens){ 0 };
	if (!rc && ctl)
		rc = token_ctl_tokens(ctl, t, e);
	list_free(ctl);
	return rc;
}

/* `utils ctl` would drop the tokens of a CTL that has some, and makes none where there are only such. */
int cluster_ctl_command(struct cluster *c, const char **command, struct err *e)
{
	static const char *const commands[2][2] = {
		{ "utils ctl set-cluster non-secure-mode", "utils ctl update CTLFile" },
		{ "ringfence ctl-client set-cluster non-secure-mode", "ringfence ctl-client update CTLFile" },
	};
	enum compose_generation g;
	bool tokens, mixed;
	int rc = cluster_ctl_has_tokens(c, &tokens, e);

	if (!rc)
		rc = param_generation(c, &g, e);
	if (!rc)
		rc = cluster_is_mixed(c, &mixed, e);
	if (!rc)
		*command = commands[tokens || !compose_has_tokenless_ctl(g)][mixed];
	return rc;
}

/* --- other nodes --- */

#define OTHERS_NAMED 8

int ctl_others_note(struct cluster *c, struct notes *notes, struct err *e)
{
	AUTO(auto_free) struct store_node *list = NULL;
	char names[OTHERS_NAMED * (STORE_NAME_SIZE + 2)] = "";
	size_t n, others = 0, used = 0;
	int rc = store_node_list(c->store, &list, &n, e);

	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++)
		if (!text_same(list[i].name, c->node) && others++ < OTHERS_NAMED)
			used = text_append(names, sizeof(names), used, "%s%s", used ? ", " : "", list[i].name);
	if (!others)
		return 0;
	return notes_add(notes, e,
			 "The CTL file is stored on this node only. Not reached: %s%s. Copy published/current/CTLFile.tlv of this node to "
			 "the TFTP service there, before phones are reset.", names, others > OTHERS_NAMED ? " ..." : "");
}
