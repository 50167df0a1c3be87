#include "cluster/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "cluster/publish.h"
#include "store/certificate.h"

/* The folder itself is what is locked: no file is left behind, and the lock goes with the process. */
static int lock(struct cluster *c, struct err *e)
{
	int rc = file_open_dir(c->data_fd, "published", &c->lock_fd, e);

	if (rc)
		return rc;
	if (flock(c->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return err_set(e, ERR_AGAIN, "the node is running: use 'ringfence admin', or stop it first");
	return err_sys(e, ERR_IO, "published");
}

int cluster_is_open(const char *data_dir, bool *open, struct err *e)
{
	AUTO(auto_close) int fd = -1;
	char path[4096];

	snprintf(path, sizeof(path), "%s/published", data_dir);
	int rc = file_open_dir(AT_FDCWD, path, &fd, e);
	if (rc)
		return rc;
	*open = flock(fd, LOCK_SH | LOCK_NB) < 0;
	return 0;
}

static int check_node(struct cluster *c, struct err *e)
{
	struct store_node node;
	bool found;
	int rc = store_node_get(c->store, c->node, &node, &found, e);

	if (rc)
		return rc;
	if (!found)
		return err_set(e, ERR_USAGE,
			       "the store does not know the node %s: check [node] name in ringfence.conf, or run 'ringfence init'",
			       c->node);
	snprintf(c->node, sizeof(c->node), "%s", node.name);
	return 0;
}

/* Bring the disk in step with the store: what is published first, because phones ask for it. */
static int catch_up(struct cluster *c, struct err *e)
{
	bool lost;
	int rc = generation_recover(c, &lost, e);

	/* An init that ended just after its transaction. */
	if (!rc && unlinkat(c->data_fd, INIT_UNFINISHED, 0) < 0 && errno != ENOENT)
		rc = err_sys(e, ERR_IO, INIT_UNFINISHED);
	if (!rc && lost)
		rc = publish_refresh(c, "ringfence", "published files were lost or altered", NULL, e);
	return rc ? rc : certs_files_sync(c, e);
}

int cluster_open_bare(const struct cluster_config *cfg, struct cluster **out, struct err *e)
{
	struct cluster *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return err_set(e, ERR_NOMEM, "out of memory");
	*c = (struct cluster){ .data_fd = -1, .published_fd = -1, .lock_fd = -1, .store = cfg->store, .keys = cfg->keys,
			       .clock = cfg->clock, .random = cfg->random, .token = cfg->token,
			       .call_control = cfg->call_control };
	snprintf(c->node, sizeof(c->node), "%s", cfg->node);
	rc = file_open_dir(AT_FDCWD, cfg->data_dir, &c->data_fd, e);
	if (!rc)
		rc = file_open_dir(c->data_fd, "published", &c->published_fd, e);
	if (!rc && !cfg->observer)
		rc = lock(c, e);
	if (rc) {
		cluster_free(c);
		return rc;
	}
	*out = c;
	return 0;
}

int cluster_open(const struct cluster_config *cfg, struct cluster **out, struct err *e)
{
	struct cluster *c = NULL;
	int rc = cluster_open_bare(cfg, &c, e);

	if (!rc)
		rc = check_node(c, e);
	if (!rc && !cfg->observer)
		rc = catch_up(c, e);
	if (rc) {
		cluster_free(c);
		return rc;
	}
	*out = c;
	return 0;
}

void cluster_free(struct cluster *c)
{
	if (!c)
		return;
	auto_close(&c->data_fd);
	auto_close(&c->published_fd);
	auto_close(&c->lock_fd);
	free(c);
}

struct keystore *cluster_keys(struct cluster *c)
{
	return c->keys;
}

bool cluster_key_in_file(struct cluster *c, const char *name)
{
	char path[KEY_NAME_MAX + 16];

	snprintf(path, sizeof(path), "keys/%s.key", name);
	return faccessat(c->data_fd, path, F_OK, 0) == 0 || errno != ENOENT;
}

const char *cluster_node(const struct cluster *c)
{
	return c->node;
}

int cluster_data_dir(const struct cluster *c)
{
	return c->data_fd;
}

void cluster_step_hook(struct cluster *c, cluster_step_fn *fn, void *ctx)
{
	c->step = fn;
	c->step_ctx = ctx;
}

int cluster_own_cert(struct cluster *c, const char *node, const char *unit, struct cert **cert, struct err *e)
{
	struct store_certificate row;
	enum store_unit number = store_unit_from_name(unit);
	bool found;

	if (number == STORE_UNIT_NONE || store_unit_is_trust(number))
		return err_set(e, ERR_USAGE, "there is no certificate unit '%s'", unit);
	int rc = store_certificate_own(c->store, number, node ? node : c->node, &row, &found, e);
	if (rc)
		return rc;
	*cert = found ? cert_ref(row.cert) : NULL;
	if (found)
		store_certificate_clear(&row);
	return 0;
}

int cluster_signer(struct cluster *c, struct cert **cert, char key[KEY_NAME_MAX], struct err *e)
{
	struct cert *own;
	int rc = cluster_own_cert(c, NULL, "CallManager", &own, e);

	if (rc)
		return rc;
	if (!own)
		return err_set(e, ERR_USAGE, "%s has no CallManager certificate: make one with 'set cert regen CallManager'",
			       c->node);
	rc = key_name("CallManager", cert_spki(own), key, e);
	if (rc)
		cert_unref(own);
	else
		*cert = own;
	return rc;
}
