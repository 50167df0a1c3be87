#pragma once

/* A node of its own in a temporary folder: the seeds' publisher, with small keys, so that a test makes many. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "cluster/certs.h"
#include "cluster/cluster_internal.h"
#include "cluster/init.h"
#include "cluster/mode.h"
#include "cluster/publish.h"
#include "testing.h"

#define NODE_NOW INT64_C(1780000000) /* 2026-05-28 */

struct node {
	char dir[64];
	int64_t now;
	struct clock clock;
	struct store *store;
	struct keystore *keys;
	struct cluster *cluster;
};

static inline int64_t node_wall(void *ctx)
{
	return ((struct node *)ctx)->now;
}

static inline uint64_t node_mono(void *ctx)
{
	return (uint64_t)((struct node *)ctx)->now * 1000;
}

static inline struct init_request node_request(const struct node *n, const char *generation)
{
	return (struct init_request){
		.data_dir = n->dir,
		.node = "cucm-1051-a-pub",
		.ip = "10.48.47.155",
		.subject = { .ou = "TAC", .o = "Cisco", .l = "Krakow", .st = "Malopolska", .c = "PL" },
		.generation = generation,
		.key_bits = 1024,
	};
}

static inline void node_folder(struct node *n)
{
	*n = (struct node){ .now = NODE_NOW };
	/* In memory where there is such a folder: these tests sync the disk hundreds of times. */
	snprintf(n->dir, sizeof(n->dir), "%s/ringfence-test-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	n->clock = (struct clock){ node_wall, node_mono, n };
	assert_non_null(mkdtemp(n->dir));
}

static inline int node_try_open(struct node *n, struct err *e)
{
	char keys[128];

	snprintf(keys, sizeof(keys), "%s/keys", n->dir);
	int rc = store_open("sqlite:store.sqlite3", n->dir, 0, &n->store, e);
	if (!rc)
		rc = keystore_file_open(keys, &n->keys, e);
	if (rc)
		return rc;
	struct cluster_config cfg = { .data_dir = n->dir, .store = n->store, .keys = n->keys, .clock = &n->clock,
				      .random = &random_system, .node = "cucm-1051-a-pub" };
	return cluster_open(&cfg, &n->cluster, e);
}

static inline void node_open(struct node *n)
{
	struct err e = ERR_INIT;

	assert_ok(node_try_open(n, &e), &e);
}

static inline void node_close(struct node *n)
{
	cluster_free(n->cluster);
	keystore_free(n->keys);
	store_close(n->store);
	n->cluster = NULL;
	n->keys = NULL;
	n->store = NULL;
}

static inline void node_init(struct node *n, const char *generation)
{
	struct err e = ERR_INIT;

	node_folder(n);
	struct init_request req = node_request(n, generation);
	struct init_env env = { .clock = &n->clock, .random = &random_system };
	assert_ok(init_check(&req, &e), &e);
	assert_ok(init_folders(&req, &e), &e);
	assert_ok(init_node(&req, &env, &e), &e);
	node_open(n);
}

static inline void node_remove(struct node *n)
{
	struct err e = ERR_INIT;

	node_close(n);
	assert_ok(folder_remove(AT_FDCWD, n->dir, &e), &e);
}

/* The list that a phone would load now: through the link, not through the store. NULL: there is none. */
static inline struct trust_list *node_list(const struct node *n, enum list_type type)
{
	struct err e = ERR_INIT;
	struct trust_list *l;
	uint8_t *data;
	size_t len;
	char path[128];

	snprintf(path, sizeof(path), "%s/published/current/%s", n->dir, list_type_file_name(type));
	int rc = file_read(AT_FDCWD, path, TLV_FILE_MAX, &data, &len, &e);
	if (rc == ERR_IO && e.sys_errno == ENOENT)
		return NULL;
	assert_ok(rc, &e);
	assert_ok(list_parse((struct view){ data, len }, type, &l, &e), &e);
	assert_ok(list_verify_self(l, &e), &e);
	free(data);
	return l;
}

static inline uint64_t node_generation(struct node *n)
{
	struct err e = ERR_INIT;
	uint64_t number;

	assert_ok(publish_generation(n->cluster, &number, &e), &e);
	return number;
}

static inline bool node_has(const struct node *n, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", n->dir, name);
	return access(path, F_OK) == 0;
}
