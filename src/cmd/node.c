#include "cmd/node.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

int cmd_node_open(const char *data_dir, struct cmd_node *n, struct err *e)
{
	AUTO(auto_close) int fd = -1;
	char keys[4096];

	*n = (struct cmd_node){ 0 };
	int rc = file_open_dir(AT_FDCWD, data_dir, &fd, e);
	if (!rc)
		rc = config_load(fd, NULL, &n->config, e);
	if (!rc)
		rc = store_open(n->config.store_url, data_dir, 0, &n->store, e);
	snprintf(keys, sizeof(keys), "%s/keys", data_dir);
	if (!rc)
		rc = keystore_file_open(keys, &n->keys, e);
	if (rc)
		return rc;
	struct cluster_config cfg = {
		.data_dir = data_dir, .store = n->store, .keys = n->keys, .clock = &clock_system, .random = &random_system,
		.node = n->config.node_name, .observer = true,
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
