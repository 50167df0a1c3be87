#include "server/content.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "server/content_files.h"
#include "server/content_guard.h"
#include "server/content_index.h"
#include "server/content_signed.h"

#define ASK_BUCKETS 1024

/* A request that waits for a signed file. */
struct content_wait {
	TAILQ_ENTRY(content_wait) link;
	struct ask *ask;
	content_done *done;
	void *ctx;
	bool private_fd;
};

/* A question to the director, with all who wait for the answer. */
struct ask {
	TAILQ_ENTRY(ask) link;
	struct content *c;
	uint64_t epoch;
	struct content_guarded guarded; /* when it was asked */
	struct content_id id; /* of the base, then */
	bool settled;         /* of id */
	bool *gone;           /* while the signer is being called: set when it answers at once */
	TAILQ_HEAD(, content_wait) waits;
	char name[PROVISION_NAME_MAX + 1];
	char base[PROVISION_NAME_MAX + 1];
};

TAILQ_HEAD(ask_list, ask);

struct content {
	struct content_signer signer;
	struct content_files *files;
	struct content_guard *guard;
	struct content_index *index;
	struct content_signed_names *signed_names;
	uint64_t epoch;
	struct ask_list asks[ASK_BUCKETS];
	struct content_stats stats;
	content_seen_fn *seen; /* NULL: nobody wants to know */
	void *seen_ctx;
};

/* Who gets an answer, and how. */
struct answer {
	content_done *done;
	void *ctx;
	bool private_fd;
};

int content_new(int published_dir, int provisioning_dir, const struct content_signer *signer, struct content **c,
		struct err *e)
{
	const int dirs[CONTENT_ROOTS] = {
		[CONTENT_PUBLISHED] = published_dir,
		[CONTENT_PROVISIONING] = provisioning_dir,
	};
	struct content *got = calloc(1, sizeof(*got));
	int code;

	if (!got)
		return err_set(e, ERR_NOMEM, "out of memory");
	got->signer = *signer;
	for (size_t i = 0; i < ASK_BUCKETS; i++)
		TAILQ_INIT(&got->asks[i]);
	code = content_files_new(dirs, &got->files, e);
	if (!code)
		code = content_index_new(provisioning_dir, CONTENT_MAX_INDEX_NAMES, CONTENT_MAX_INDEXES, &got->index, e);
	if (!code)
		code = content_guard_new(published_dir, provisioning_dir, &got->guard, e);
	if (!code && !(got->signed_names = content_signed_names_new(CONTENT_MAX_SIGNED)))
		code = err_set(e, ERR_NOMEM, "out of memory");
	if (code) {
		content_free(got);
		return code;
	}
	*c = got;
	return 0;
}

static struct ask_list *ask_bucket(struct content *c, const char *name)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return &c->asks[h % ASK_BUCKETS];
}

static void free_ask(struct ask *a)
{
	struct content_wait *w;

	while ((w = TAILQ_FIRST(&a->waits))) {
		TAILQ_REMOVE(&a->waits, w, link);
		free(w);
	}
	TAILQ_REMOVE(ask_bucket(a->c, a->name), a, link);
	if (a->gone)
		*a->gone = true;
	free(a);
}

void content_free(struct content *c)
{
	struct ask *a;

	if (!c)
		return;
	for (size_t i = 0; i < ASK_BUCKETS; i++)
		while ((a = TAILQ_FIRST(&c->asks[i])))
			free_ask(a);
	content_signed_names_free(c->signed_names);
	content_index_free(c->index);
	content_guard_free(c->guard);
	content_files_free(c->files);
	free(c);
}

void content_set_epoch(struct content *c, uint64_t epoch)
{
	if (epoch == c->epoch)
		return;
	c->epoch = epoch;
	content_signed_names_clear(c->signed_names);
}

static void answer(struct content *c, const struct answer *to, enum content_result result, struct content_file *file,
		   const struct err *e)
{
	const struct err none = ERR_INIT;

	switch (result) {
	case CONTENT_FOUND:
		c->stats.found++;
		break;
	case CONTENT_ABSENT:
		c->stats.absent++;
		break;
	case CONTENT_REFUSED:
		c->stats.refused++;
		break;
	case CONTENT_FAILED:
		c->stats.failed++;
		break;
	}
	to->done(to->ctx, result, file, e && result != CONTENT_ABSENT ? e : &none);
}

/* What it means that a file cannot be opened. */
static enum content_result result_of(const struct err *e)
{
	switch (e->sys_errno) {
	case ENOENT:
	case ENOTDIR:
	case ENAMETOOLONG:
		return CONTENT_ABSENT;
	case EXDEV: /* a link that leads out of the folder */
	case ELOOP:
	case EISDIR: /* a folder, a pipe, a device */
	case ENXIO:
		return CONTENT_REFUSED;
	default:
		return CONTENT_FAILED;
	}
}

/* Open the file at path and answer with it, or with the reason why not; id as in content_files_get. */
static void answer_file(struct content *c, const struct answer *to, enum content_root root, const char *path,
			const struct content_id *id)
{
	struct err e = ERR_INIT;
	struct content_file *file = NULL;
	bool from_memory = false;
	int code;

	if (to->private_fd)
		code = content_files_private(c->files, root, path, &file, &e);
	else
		code = content_files_get(c->files, root, path, id, &file, &from_memory, &e);
	c->stats.from_memory += from_memory;
	answer(c, to, code ? result_of(&e) : CONTENT_FOUND, file, &e);
}

/* Look for name in provisioning/, as it is and without regard to case. Out: path as it is spelt there, and its state. */
static bool locate(struct content *c, const char *name, char path[PROVISION_NAME_MAX + 1], struct content_id *id)
{
	if (content_files_stat(c->files, CONTENT_PROVISIONING, name, id)) {
		memmove(path, name, strlen(name) + 1);
		return true;
	}
	return content_index_find(c->index, name, path) == CONTENT_INDEX_FOUND &&
	       content_files_stat(c->files, CONTENT_PROVISIONING, path, id);
}

/* Whether name is a device's configuration of which there is an encrypted form, so that the plain one is kept secret. */
static bool is_secret(struct content *c, const char *name)
{
	static const char plain[] = ".cnf.xml", encrypted[] = ".enc.sgn";
	char other[PROVISION_NAME_MAX + 1], path[PROVISION_NAME_MAX + 1];
	struct content_id id;
	size_t n = strlen(name);

	if (n < sizeof(plain) || strcasecmp(name + n - (sizeof(plain) - 1), plain) != 0)
		return false;
	if (n + sizeof(encrypted) > sizeof(other))
		return false; /* such a name cannot be asked for, so phones have no use for it */
	memcpy(other, name, n);
	memcpy(other + n, encrypted, sizeof(encrypted));
	switch (content_index_find(c->index, other, path)) {
	case CONTENT_INDEX_FOUND: /* perhaps by an index that is being renewed: is it still there? */
		return content_files_stat(c->files, CONTENT_PROVISIONING, path, &id);
	case CONTENT_INDEX_NONE:
		return false;
	case CONTENT_INDEX_UNKNOWN:
		break;
	}
	return content_files_stat(c->files, CONTENT_PROVISIONING, other, &id);
}

static void refuse(struct content *c, const struct answer *to, const char *why)
{
	struct err e = ERR_INIT;

	(void)!err_set(&e, ERR_AUTH, "%s", why);
	answer(c, to, CONTENT_REFUSED, NULL, &e);
}

/* Whether the operator has a signed short file next to an encrypted configuration of his own. */
static bool is_pair(struct content *c, const char *name)
{
	static const char suffix[] = ".sgn";
	char base[PROVISION_NAME_MAX + 1];
	size_t n = strlen(name);

	if (n < sizeof(suffix) || strcasecmp(name + n - (sizeof(suffix) - 1), suffix) != 0)
		return false;
	snprintf(base, sizeof(base), "%.*s", (int)(n - (sizeof(suffix) - 1)), name);
	return is_secret(c, base);
}

/* Answer with a file of provisioning/ as it is, when it is nobody's secret. */
static void answer_plain(struct content *c, const struct answer *to, const char *path, const struct content_id *id,
			 enum content_guard_says says)
{
	if (says == CONTENT_GUARD_DOUBT)
		refuse(c, to, "the index of phones cannot be read, so nobody knows whether this configuration may be served");
	else if (says == CONTENT_GUARD_SECRET && !is_pair(c, path))
		refuse(c, to, "this may hold the configuration of a phone whose configuration is encrypted");
	else if (is_secret(c, path))
		answer(c, to, CONTENT_ABSENT, NULL, NULL);
	else
		answer_file(c, to, CONTENT_PROVISIONING, path, id);
}

static void open_list(struct content *c, const struct provision *p, const struct answer *to)
{
	bool sha1 = p->device[0] && content_guard_sha1(c->guard, p->device);
	const char *list = p->kind == PROVISION_CTL ? "current/CTLFile.tlv" : "current/ITLFile.tlv";
	const char *twin = p->kind == PROVISION_CTL ? "current/CTLFile.sha1.tlv" : "current/ITLFile.sha1.tlv";
	char path[PROVISION_NAME_MAX + 1];
	struct content_id id;

	if (p->device[0] && locate(c, p->name, path, &id))
		answer_file(c, to, CONTENT_PROVISIONING, path, &id);
	else if (sha1 && content_files_stat(c->files, CONTENT_PUBLISHED, twin, &id))
		answer_file(c, to, CONTENT_PUBLISHED, twin, &id);
	else if (content_files_stat(c->files, CONTENT_PUBLISHED, list, &id))
		answer_file(c, to, CONTENT_PUBLISHED, list, &id);
	else
		answer(c, to, CONTENT_ABSENT, NULL, NULL);
}

/*
 * Signed files
 */

static bool signed_path(char *out, size_t size, const char *cache_name)
{
	int n = snprintf(out, size, "signed/%s", cache_name);

	return n > 0 && (size_t)n < size;
}

/* Answer from what the director said earlier. False: it said nothing that holds. */
static bool answer_signed(struct content *c, const char *name, const char *base, const struct content_id *id, uint64_t tag,
			  const struct answer *to)
{
	const char *cache_name = content_signed_names_get(c->signed_names, name, base, id, tag);
	char path[PROVISION_NAME_MAX + 16];
	struct content_file *file;
	struct err e = ERR_INIT;
	bool from_memory = false;
	int code;

	if (!cache_name || !signed_path(path, sizeof(path), cache_name))
		return false;
	if (to->private_fd)
		code = content_files_private(c->files, CONTENT_PUBLISHED, path, &file, &e);
	else
		code = content_files_get(c->files, CONTENT_PUBLISHED, path, NULL, &file, &from_memory, &e);
	if (code && result_of(&e) == CONTENT_ABSENT) {
		/* The director has thrown it away since. */
		content_signed_names_drop(c->signed_names, name);
		return false;
	}
	c->stats.from_memory += from_memory;
	answer(c, to, code ? CONTENT_FAILED : CONTENT_FOUND, code ? NULL : file, &e);
	return true;
}

static void on_signed(void *ctx, int rc, const char *cache_name, const struct err *e)
{
	struct ask *a = ctx;
	struct content *c = a->c;
	char path[PROVISION_NAME_MAX + 16];
	struct err why = ERR_INIT;
	struct content_wait *w;

	if (!rc && !signed_path(path, sizeof(path), cache_name))
		rc = err_set(&why, ERR_BUG, "%s: the signed file's name is too long", a->name);
	else if (rc && e)
		why = *e;
	/* Right after a change, another one may hide behind the same id; and another generation may sign otherwise. */
	if (!rc && a->epoch == c->epoch && a->settled)
		content_signed_names_put(c->signed_names, a->name, a->base, &a->id, a->guarded.tag, cache_name);
	/* A plain file that was asked for before its phone's configuration became a secret. */
	if (!rc && !a->guarded.encrypted && content_guard_look(c->guard, a->base).encrypted)
		rc = err_set(&why, ERR_AUTH, "%s: it is encrypted since a moment ago", a->base);
	while ((w = TAILQ_FIRST(&a->waits))) {
		struct answer to = {w->done, w->ctx, w->private_fd};

		TAILQ_REMOVE(&a->waits, w, link);
		free(w);
		if (rc)
			answer(c, &to, why.sys_errno == ENOENT ? CONTENT_ABSENT : CONTENT_FAILED, NULL, &why);
		else
			answer_file(c, &to, CONTENT_PUBLISHED, path, NULL);
	}
	free_ask(a);
}

/* The question about this state of this file that is under way, or NULL. */
static struct ask *find_ask(struct content *c, const char *name, const char *base, const struct content_id *id, uint64_t tag)
{
	struct ask *a;

	TAILQ_FOREACH(a, ask_bucket(c, name), link)
		if (a->epoch == c->epoch && a->guarded.tag == tag && content_id_same(&a->id, id) &&
		    strcmp(a->name, name) == 0 && strcmp(a->base, base) == 0)
			return a;
	return NULL;
}

static struct ask *new_ask(struct content *c, const char *name, const char *base, const struct content_id *id,
			   const struct content_guarded *guarded)
{
	struct ask *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->c = c;
	a->epoch = c->epoch;
	a->guarded = *guarded;
	a->id = *id;
	a->settled = content_id_settled(id);
	memcpy(a->name, name, strlen(name) + 1);
	memcpy(a->base, base, strlen(base) + 1);
	TAILQ_INIT(&a->waits);
	TAILQ_INSERT_TAIL(ask_bucket(c, name), a, link);
	return a;
}

static struct content_wait *wait_for(struct ask *a, const struct answer *to)
{
	struct content_wait *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	*w = (struct content_wait){.ask = a, .done = to->done, .ctx = to->ctx, .private_fd = to->private_fd};
	TAILQ_INSERT_TAIL(&a->waits, w, link);
	return w;
}

/* Have the director sign base under name. NULL: answered already. */
static struct content_wait *ask_director(struct content *c, const char *name, const char *base,
					 const struct content_id *id, const struct content_guarded *guarded,
					 const struct answer *to)
{
	struct err e = ERR_INIT;
	struct ask *a = find_ask(c, name, base, id, guarded->tag);
	bool joined = a != NULL, gone = false;
	struct content_wait *w = NULL;

	if (!a)
		a = new_ask(c, name, base, id, guarded);
	if (a)
		w = wait_for(a, to);
	if (!w) {
		if (a && !joined)
			free_ask(a);
		(void)!err_set(&e, ERR_NOMEM, "%s: out of memory", name);
		answer(c, to, CONTENT_FAILED, NULL, &e);
		return NULL;
	}
	if (joined) {
		c->stats.sign_joined++;
		return w;
	}
	c->stats.sign_asked++;
	a->gone = &gone;
	c->signer.request(c->signer.ctx, a->base, a->name, on_signed, a);
	if (gone)
		return NULL;
	a->gone = NULL;
	return w;
}

/* A file that the director makes of base. */
static struct content_wait *open_made(struct content *c, const char *name, const char *base, const struct content_id *id,
				      const struct content_guarded *guarded, const struct answer *to)
{
	struct content_file *probe;
	struct err e = ERR_INIT;

	if (answer_signed(c, name, base, id, guarded->tag, to))
		return NULL;
	/* A link out of the folder is refused here, for the director may read more than we. */
	if (content_files_private(c->files, CONTENT_PROVISIONING, base, &probe, &e) < 0) {
		answer(c, to, result_of(&e), NULL, &e);
		return NULL;
	}
	content_file_unref(probe);
	return ask_director(c, name, base, id, guarded, to);
}

static struct content_wait *open_plain(struct content *c, const char *name, const struct answer *to)
{
	char path[PROVISION_NAME_MAX + 1];
	struct content_guarded guarded;
	struct content_id id = {0};

	if (!locate(c, name, path, &id)) {
		/* Something that is no file, or leads nowhere, or is gone: opening it says what to answer. */
		answer_file(c, to, CONTENT_PROVISIONING, name, &id);
		return NULL;
	}
	guarded = content_guard_look(c->guard, path);
	if (guarded.says == CONTENT_GUARD_MADE)
		return open_made(c, path, path, &id, &guarded, to);
	answer_plain(c, to, path, &id, guarded.says);
	return NULL;
}

static struct content_wait *open_signed(struct content *c, const struct provision *p, const struct answer *to)
{
	char base[PROVISION_NAME_MAX + 1];
	struct content_guarded guarded;
	struct content_id id;

	if (!locate(c, p->base, base, &id))
		return open_plain(c, p->name, to);
	guarded = content_guard_look(c->guard, base);
	if (guarded.says == CONTENT_GUARD_SECRET || guarded.says == CONTENT_GUARD_DOUBT) {
		answer_plain(c, to, base, &id, guarded.says);
		return NULL;
	}
	if (!guarded.encrypted && is_secret(c, base))
		return open_plain(c, p->name, to);
	return open_made(c, p->name, base, &id, &guarded, to);
}

/* Made for a phone whose configuration is encrypted; for others what the operator has put there. */
static struct content_wait *open_encrypted(struct content *c, const struct provision *p, const struct answer *to)
{
	char base[PROVISION_NAME_MAX + 1];
	struct content_guarded guarded;
	struct content_id id;

	if (!locate(c, p->base, base, &id))
		return open_plain(c, p->name, to);
	guarded = content_guard_look(c->guard, base);
	return guarded.encrypted ? open_made(c, p->name, base, &id, &guarded, to) : open_plain(c, p->name, to);
}

struct content_wait *content_open(struct content *c, const struct provision *p, bool private_fd, content_done *done,
				  void *ctx)
{
	const struct answer to = {done, ctx, private_fd};

	c->stats.requests++;
	switch (p->kind) {
	case PROVISION_CTL:
	case PROVISION_ITL:
		open_list(c, p, &to);
		return NULL;
	case PROVISION_SIGNED:
		return open_signed(c, p, &to);
	case PROVISION_ENC_SIGNED:
		return open_encrypted(c, p, &to);
	case PROVISION_EXT_ITL:
	case PROVISION_PLAIN:
		return open_plain(c, p->name, &to);
	case PROVISION_REFUSED:
		break;
	}
	refuse(c, &to, p->reason);
	return NULL;
}

void content_cancel(struct content_wait *w)
{
	if (!w)
		return;
	TAILQ_REMOVE(&w->ask->waits, w, link); /* the question goes on: its answer serves the next request */
	free(w);
}

void content_set_seen(struct content *c, content_seen_fn *fn, void *ctx)
{
	c->seen = fn;
	c->seen_ctx = ctx;
}

void content_seen(struct content *c, const struct provision *p, const struct sockaddr *peer, bool old_tls)
{
	if (c->seen)
		c->seen(c->seen_ctx, p->name, peer, old_tls);
}

const struct content_stats *content_stats(struct content *c)
{
	c->stats.memory = content_files_memory(c->files);
	c->stats.files = content_files_count(c->files);
	return &c->stats;
}
