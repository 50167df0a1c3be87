#pragma once

#include "cluster/cluster.h"
#include "server/config.h"

/* A node's folder, opened by a command beside (or without) the running node: configuration, store, keys. */
struct cmd_node {
	struct config config;
	struct store *store;
	struct keystore *keys;
	struct cluster *cluster;
};

/*
 * cmd_node_open: as an observer: it publishes nothing.
 * Out:    *n, cleared with cmd_node_close, also after a failure: what could be opened is then there.
 * Errors: those of config_load, store_open, keystore_file_open and cluster_open.
 */
int cmd_node_open(const char *data_dir, struct cmd_node *n, struct err *e) MUST_CHECK;
void cmd_node_close(struct cmd_node *n);

/* cmd_who: who the audit says it was: "root (uid 0)". */
const char *cmd_who(char *out, size_t size);
