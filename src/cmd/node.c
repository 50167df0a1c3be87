#include "cmd/node.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "server/keys.h"

int cmd_node_open(const char *data_dir, struct cmd_node *n, struct err *e)
{
	AUTO(auto_close) int fd = -1;

	*n = (struct cmd_node){ 0 };
	int rc = file_open_dir(AT_FDCWD, data_dir, &fd, e);
	if (!rc)
		rc = config_load(fd, NULL, &n->config, e);
	if (!rc)
		rc = store_open(n->config.store_url, data_dir, 0, &n->store, e);
	if (!rc)
		rc = keys_open(data_dir, &n->config.keystore, &n->keys, NULL, e);
	if (rc)
		return rc;
	struct cluster_config cfg = {
		.data_dir = data_dir, .store = n->store, .keys = n->keys, .clock = &clock_system, .random = &random_system,
		.node = n->config.node_name, .token = n->config.keystore.token[0], .observer = true,
	};
	return cluster_open(&cfg, &n->cluster, e);
}

void cmd_node_close(struct cmd_node *n)
{
	cluster_free(n->cluster);
	keystore_free(n->keys);
	store_close(n->store);
}

const char *cmd_who(char *out, size_t size)
{
	const struct passwd *pw = getpwuid(getuid());

	snprintf(out, size, "%s (uid %u)", pw ? pw->pw_name : "unknown", (unsigned)getuid());
	return out;
}
