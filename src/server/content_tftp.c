#include "server/content_tftp.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sockaddr.h"
#include "base/text.h"

/* A file while a transfer has it. */
struct source {
	struct tftp_source tftp; /* first */
	struct content_file *file;
};

/* A request under way. */
struct request {
	tftp_opened *done;
	void *done_ctx;
	struct content_wait *wait;
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} peer;
	char name[PROVISION_NAME_MAX + 1];
};

static int source_read(struct tftp_source *s, uint64_t offset, void *out, size_t n, struct err *e)
{
	return content_file_read(((struct source *)s)->file, offset, out, n, e);
}

static bool source_changed(struct tftp_source *s)
{
	return content_file_changed(((struct source *)s)->file);
}

static void source_release(struct tftp_source *s)
{
	content_file_unref(((struct source *)s)->file);
	free(s);
}

static void log_outcome(const struct request *r, enum content_result result, const struct err *e)
{
	static struct log_limiter limiter = {.burst = 20};
	static const char *const words[] = {
		[CONTENT_FOUND] = "served", [CONTENT_ABSENT] = "not found",
		[CONTENT_REFUSED] = "refused", [CONTENT_FAILED] = "failed",
	};
	char name[4 * PROVISION_NAME_MAX + 1], peer[INET6_ADDRSTRLEN];

	if (result != CONTENT_FAILED && !log_enabled(LOG_LEVEL_DEBUG))
		return;
	text_escape(name, sizeof(name), view_str(r->name));
	sockaddr_text(&r->peer.sa, peer);
	if (result == CONTENT_FAILED)
		log_limited(&limiter, LOG_LEVEL_WARN, "tftp: %s for %s: %s", name, peer, e->text);
	else
		log_debug("tftp: %s for %s: %s%s%s", name, peer, words[result], e->text[0] ? ": " : "", e->text);
}

static struct tftp_source *new_source(struct content_file *file)
{
	struct source *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->tftp = (struct tftp_source){
		.size = file->size,
		.bytes = file->bytes,
		.read = source_read,
		.changed = file->bytes ? NULL : source_changed,
		.release = source_release,
	};
	s->file = file;
	return &s->tftp;
}

static void on_content(void *ctx, enum content_result result, struct content_file *file, const struct err *e)
{
	static const enum tftp_found found[] = {
		[CONTENT_FOUND] = TFTP_FOUND, [CONTENT_ABSENT] = TFTP_ABSENT,
		[CONTENT_REFUSED] = TFTP_REFUSED, [CONTENT_FAILED] = TFTP_FAILED,
	};
	struct request *r = ctx;
	struct tftp_source *source = NULL;

	log_outcome(r, result, e);
	if (result == CONTENT_FOUND) {
		source = new_source(file);
		if (!source) {
			content_file_unref(file);
			result = CONTENT_FAILED;
		}
	}
	/* The reasons of a refused name are ours and fit for strangers; those of a failure may name paths. */
	r->done(r->done_ctx, found[result], source, result == CONTENT_REFUSED && !e->sys_errno ? e->text : NULL);
	free(r);
}

static void *open_for_tftp(void *ctx, struct view name, const struct sockaddr *peer, tftp_opened *done, void *done_ctx)
{
	struct provision p;
	struct request *r = malloc(sizeof(*r));

	if (!r) {
		done(done_ctx, TFTP_FAILED, NULL, NULL);
		return NULL;
	}
	r->done = done;
	r->done_ctx = done_ctx;
	provision_parse(name, PROVISION_TFTP, &p);
	content_seen(ctx, &p, peer, false);
	memcpy(&r->peer, peer, peer->sa_family == AF_INET ? sizeof(r->peer.v4) : sizeof(r->peer.v6));
	memcpy(r->name, p.name, strlen(p.name) + 1); /* "" when it was refused for its letters */
	struct content_wait *wait = content_open(ctx, &p, false, on_content, r);
	if (!wait)
		return NULL; /* r is gone */
	r->wait = wait;
	return r;
}

static void cancel_for_tftp(void *ctx, void *wait)
{
	struct request *r = wait;

	(void)ctx;
	content_cancel(r->wait);
	free(r);
}

struct tftp_content content_for_tftp(struct content *c)
{
	return (struct tftp_content){.open = open_for_tftp, .cancel = cancel_for_tftp, .ctx = c};
}
