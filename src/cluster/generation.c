#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "cluster/publish.h"

#define CURRENT "current"
#define NEXT ".next" /* the link that becomes `current` */
#define PREFIX "generation-"

void generation_name(uint64_t number, char out[GENERATION_NAME_MAX])
{
	snprintf(out, GENERATION_NAME_MAX, PREFIX "%06" PRIu64, number);
}

static bool generation_number(const char *name, uint64_t *number)
{
	char canonical[GENERATION_NAME_MAX];

	if (!text_starts(name, PREFIX) || !text_number(name + strlen(PREFIX), 1, UINT64_MAX, number))
		return false;
	generation_name(*number, canonical);
	return strcmp(canonical, name) == 0;
}

static void digest_hex(enum digest d, const struct list_file *f, char *out, size_t size)
{
	uint8_t hash[DIGEST_MAX];

	if (digest_one(d, (struct view){ f->data, f->len }, hash, NULL))
		memset(hash, 0, sizeof(hash));
	text_hex(out, size, (struct view){ hash, digest_len(d) }, '\0', false);
}

void sha256_hex(const uint8_t *data, size_t len, char out[65])
{
	struct list_file f = { .data = (uint8_t *)data, .len = len };

	digest_hex(DIGEST_SHA256, &f, out, 65);
}

/* --- writing --- */

static json_t *describe_list(const struct list_file *f, const char *name)
{
	char md5[33], sha1[41], sha256[65];

	if (!f->data)
		return json_null();
	digest_hex(DIGEST_MD5, f, md5, sizeof(md5));
	digest_hex(DIGEST_SHA1, f, sha1, sizeof(sha1));
	digest_hex(DIGEST_SHA256, f, sha256, sizeof(sha256));
	return json_pack("{s:s, s:I, s:s, s:s, s:s}", "file", name, "length", (json_int_t)f->len, "md5", md5, "sha1", sha1,
			 "sha256", sha256);
}

static int write_manifest(int fd, const struct manifest *m, const struct lists *l, struct err *e)
{
	AUTO(auto_free) char *text = NULL;
	json_t *root = json_pack("{s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "generation", (json_int_t)m->number,
				 "created", (json_int_t)m->created, "reason", m->reason, "trust_list_generation",
				 m->trust_list_generation, "mode", m->mixed ? "mixed" : "non-secure", "digest", m->digest,
				 "signer_key", m->signer_key, "signer_certificate_sha256", m->signer_cert, "ctl",
				 describe_list(&l->ctl, list_type_file_name(LIST_CTL)), "itl",
				 describe_list(&l->itl, list_type_file_name(LIST_ITL)), "ctl_sha1",
				 describe_list(&l->ctl_sha1, PUBLISH_CTL_SHA1), "itl_sha1",
				 describe_list(&l->itl_sha1, PUBLISH_ITL_SHA1));

	if (root)
		text = json_dumps(root, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	json_decref(root);
	if (!text)
		return err_set(e, ERR_NOMEM, "out of memory");
	return file_replace(fd, PUBLISH_MANIFEST, view_str(text), 0644, e);
}

static int write_list(struct cluster *c, int fd, const char *name, const struct list_file *f, struct err *e)
{
	if (!f->data)
		return 0;
	cluster_step(c, name);
	return file_replace(fd, name, (struct view){ f->data, f->len }, 0644, e);
}

int generation_write(struct cluster *c, const struct manifest *m, const struct lists *l, struct err *e)
{
	AUTO(auto_close) int fd = -1;
	char name[GENERATION_NAME_MAX];

	generation_name(m->number, name);
	cluster_step(c, "folder");
	int rc = folder_remove(c->published_fd, name, e);
	if (!rc)
		rc = folder_make(c->published_fd, name, 0755, &fd, e);
	if (!rc)
		rc = write_list(c, fd, list_type_file_name(LIST_CTL), &l->ctl, e);
	if (!rc)
		rc = write_list(c, fd, list_type_file_name(LIST_ITL), &l->itl, e);
	if (!rc)
		rc = write_list(c, fd, PUBLISH_CTL_SHA1, &l->ctl_sha1, e);
	if (!rc)
		rc = write_list(c, fd, PUBLISH_ITL_SHA1, &l->itl_sha1, e);
	if (!rc) {
		cluster_step(c, "manifest");
		rc = write_manifest(fd, m, l, e);
	}
	if (!rc)
		rc = file_sync_dir(c->published_fd, ".", e);
	if (rc) {
		err_prefix(e, "published/%s", name);
		if (folder_remove(c->published_fd, name, NULL))
			return rc; /* recovery removes what is left */
	}
	return rc;
}

/* --- reading --- */

static int read_list(int fd, const char *name, struct list_file *f, struct err *e)
{
	struct err why = ERR_INIT;
	int rc = file_read(fd, name, TLV_FILE_MAX, &f->data, &f->len, &why);

	if (rc == ERR_IO && why.sys_errno == ENOENT)
		return 0;
	return rc ? err_set(e, rc, "%s", why.text) : 0;
}

int generation_read(struct cluster *c, uint64_t number, struct lists *l, struct err *e)
{
	AUTO(auto_close) int fd = -1;
	char name[GENERATION_NAME_MAX];

	*l = (struct lists){ 0 };
	generation_name(number, name);
	int rc = file_open_dir(c->published_fd, name, &fd, e);
	if (!rc)
		rc = read_list(fd, list_type_file_name(LIST_CTL), &l->ctl, e);
	if (!rc)
		rc = read_list(fd, list_type_file_name(LIST_ITL), &l->itl, e);
	if (!rc)
		rc = read_list(fd, PUBLISH_CTL_SHA1, &l->ctl_sha1, e);
	if (!rc)
		rc = read_list(fd, PUBLISH_ITL_SHA1, &l->itl_sha1, e);
	if (rc) {
		err_prefix(e, "published/%s", name);
		lists_clear(l);
	}
	return rc;
}

/* --- the link --- */

int generation_prepare_link(struct cluster *c, uint64_t number, struct err *e)
{
	char name[GENERATION_NAME_MAX];

	generation_name(number, name);
	if (unlinkat(c->published_fd, NEXT, 0) < 0 && errno != ENOENT)
		return err_sys(e, ERR_IO, "published/" NEXT);
	if (symlinkat(name, c->published_fd, NEXT) < 0)
		return err_sys(e, ERR_IO, "published/" NEXT);
	return file_sync_dir(c->published_fd, ".", e);
}

int generation_switch_link(struct cluster *c, struct err *e)
{
	cluster_step(c, "link");
	if (renameat(c->published_fd, NEXT, c->published_fd, CURRENT) < 0)
		return err_sys(e, ERR_IO, "published/" CURRENT);
	return file_sync_dir(c->published_fd, ".", e);
}

static bool link_points_at(struct cluster *c, const char *name)
{
	char target[GENERATION_NAME_MAX + 1];
	ssize_t n = readlinkat(c->published_fd, CURRENT, target, sizeof(target) - 1);

	if (n < 0)
		return false;
	target[n] = '\0';
	return strcmp(target, name) == 0;
}

/* --- recovery --- */

struct recovery {
	struct cluster *c;
	uint64_t latest; /* 0: none */
	struct err *e;
};

/* A folder that the store does not know comes from a change that was never recorded. */
static int forget_unknown(void *ctx, const char *entry)
{
	struct recovery *r = ctx;
	struct store_generation g;
	uint64_t number;
	bool found = false;

	if (strcmp(entry, NEXT) == 0)
		return unlinkat(r->c->published_fd, NEXT, 0) < 0 ? err_sys(r->e, ERR_IO, "published/" NEXT) : 0;
	if (!generation_number(entry, &number))
		return 0;
	if (number <= r->latest) {
		int rc = store_generation_get(r->c->store, number, &g, &found, r->e);

		if (rc)
			return rc;
	}
	if (found && g.state != STORE_GENERATION_GONE)
		return 0;
	return folder_remove(r->c->published_fd, entry, r->e);
}

static bool is_as_recorded(const struct list_file *f, const char *recorded)
{
	char hex[65] = "";

	if (f->data)
		sha256_hex(f->data, f->len, hex);
	return strcmp(hex, recorded) == 0;
}

static bool is_intact(struct cluster *c, const struct store_generation *g)
{
	struct lists l;

	if (generation_read(c, g->number, &l, NULL))
		return false;
	bool intact = is_as_recorded(&l.ctl, g->ctl_sha256) && is_as_recorded(&l.itl, g->itl_sha256);

	lists_clear(&l);
	return intact;
}

int generation_recover(struct cluster *c, bool *lost, struct err *e)
{
	struct recovery r = { .c = c, .e = e };
	struct store_generation g;
	char name[GENERATION_NAME_MAX];
	bool found;

	*lost = false;
	int rc = store_generation_latest(c->store, &g, &found, e);
	if (rc)
		return rc;
	r.latest = found ? g.number : 0;
	rc = folder_each(c->published_fd, ".", forget_unknown, &r, e);
	if (rc || !found)
		return rc;
	if (!is_intact(c, &g)) {
		*lost = true;
		return 0;
	}
	generation_name(g.number, name);
	if (link_points_at(c, name))
		return 0;
	rc = generation_prepare_link(c, g.number, e);
	return rc ? rc : generation_switch_link(c, e);
}
