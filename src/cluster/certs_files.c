#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "cluster/certs.h"
#include "cluster/cluster_internal.h"

/*
 * certs/ is a copy for people and for call controls. The store decides: what differs is written again, certificate files
 * that the store does not know are removed. (CUCM's file system wins instead, behaviour.md 2.2; then a stray file can
 * undo what an administrator did.)
 */
struct sync {
	struct cluster *c;
	int certs_fd;
	char **known;  /* "CallManager/CallManager.pem" */
	size_t n_known;
	struct err *e;
};

static void sync_clear(struct sync *s)
{
	for (size_t i = 0; i < s->n_known; i++)
		free(s->known[i]);
	free(s->known);
	auto_close(&s->certs_fd);
}

static int remember(struct sync *s, const char *path)
{
	char **grown = realloc(s->known, (s->n_known + 1) * sizeof(*grown));

	if (!grown)
		return err_set(s->e, ERR_NOMEM, "out of memory");
	s->known = grown;
	s->known[s->n_known] = strdup(path);
	if (!s->known[s->n_known])
		return err_set(s->e, ERR_NOMEM, "out of memory");
	s->n_known++;
	return 0;
}

static bool is_known(const struct sync *s, const char *path)
{
	for (size_t i = 0; i < s->n_known; i++)
		if (strcmp(s->known[i], path) == 0)
			return true;
	return false;
}

/*
 * durable: as own certificates must be, which other programs read when they start. What of the trust stores a power failure
 * spoils is written again at the next start of the node, and a thousand of them would take ten seconds.
 */
static int write_if_differs(struct sync *s, const char *path, struct view data, bool durable)
{
	AUTO(auto_free) uint8_t *there = NULL;
	size_t len;
	int rc = remember(s, path);

	if (rc)
		return rc;
	if (file_read(s->certs_fd, path, 2 * CERT_MAX_DER, &there, &len, NULL) == 0 &&
	    view_eq((struct view){ there, len }, data))
		return 0;
	return durable ? file_replace(s->certs_fd, path, data, 0644, s->e) :
			 file_replace_unsynced(s->certs_fd, path, data, 0644, s->e);
}

static int write_entry(void *ctx, const struct certs_entry *entry)
{
	AUTO(auto_free) char *pem = NULL;
	struct sync *s = ctx;
	bool own = !store_unit_is_trust(store_unit_from_name(entry->unit));
	char path[600];
	int rc = folder_make(s->certs_fd, entry->unit, 0755, NULL, s->e);

	if (!rc)
		rc = cert_to_pem(entry->cert, &pem, s->e);
	if (!rc) {
		snprintf(path, sizeof(path), "%s/%s", entry->unit, entry->file);
		rc = write_if_differs(s, path, view_str(pem), own);
	}
	if (rc || !own)
		return rc;
	snprintf(path, sizeof(path), "%s/%s.der", entry->unit, entry->unit);
	return write_if_differs(s, path, cert_der(entry->cert), true);
}

struct tidy {
	struct sync *s;
	const char *unit;
};

static int remove_unknown(void *ctx, const char *entry)
{
	struct tidy *t = ctx;
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", t->unit, entry);
	if ((!text_ends(entry, ".pem") && !text_ends(entry, ".der")) || is_known(t->s, path))
		return 0;
	if (unlinkat(t->s->certs_fd, path, 0) < 0 && errno != ENOENT)
		return err_sys(t->s->e, ERR_IO, "certs/%s", path);
	return 0;
}

static int tidy(struct sync *s)
{
	for (const struct store_unit_row *u = store_units; u->name; u++) {
		struct tidy t = { .s = s, .unit = u->name };

		if (faccessat(s->certs_fd, u->name, F_OK, 0) < 0)
			continue;
		int rc = folder_each(s->certs_fd, u->name, remove_unknown, &t, s->e);

		if (rc)
			return rc;
	}
	return 0;
}

int certs_files_sync(struct cluster *c, struct err *e)
{
	AUTO(sync_clear) struct sync s = { .c = c, .certs_fd = -1, .e = e };
	int rc = folder_make(c->data_fd, "certs", 0755, &s.certs_fd, e);

	if (!rc)
		rc = certs_list(c, CERTS_OWN, write_entry, &s, e);
	if (!rc)
		rc = certs_list(c, CERTS_TRUST, write_entry, &s, e);
	return rc ? rc : tidy(&s);
}
