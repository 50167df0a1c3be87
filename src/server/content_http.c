#include "server/content_http.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sockaddr.h"
#include "base/text.h"

/* A request under way. */
struct request {
	struct http_exchange *x;
	struct content_wait *wait;
	const char *scheme;
	char peer[INET6_ADDRSTRLEN];
	char name[PROVISION_NAME_MAX + 1];
};

static void log_outcome(const struct request *r, enum content_result result, const struct err *e)
{
	static struct log_limiter limiter = {.burst = 20};
	static const char *const words[] = {
		[CONTENT_FOUND] = "served", [CONTENT_ABSENT] = "not found",
		[CONTENT_REFUSED] = "refused", [CONTENT_FAILED] = "failed",
	};
	char name[4 * PROVISION_NAME_MAX + 1];

	if (result != CONTENT_FAILED && !log_enabled(LOG_LEVEL_DEBUG))
		return;
	text_escape(name, sizeof(name), view_str(r->name));
	if (result == CONTENT_FAILED)
		log_limited(&limiter, LOG_LEVEL_WARN, "%s: %s for %s: %s", r->scheme, name, r->peer, e->text);
	else
		log_debug("%s: %s for %s: %s%s%s", r->scheme, name, r->peer, words[result], e->text[0] ? ": " : "", e->text);
}

static const char *content_type(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && text_same(dot, ".xml") ? "text/xml" : "application/octet-stream";
}

static void on_content(void *ctx, enum content_result result, struct content_file *file, const struct err *e)
{
	static const unsigned status[] = {
		[CONTENT_ABSENT] = 404, [CONTENT_REFUSED] = 403, [CONTENT_FAILED] = 503,
	};
	struct request *r = ctx;

	log_outcome(r, result, e);
	if (result == CONTENT_FOUND) {
		uint64_t size = file->size;
		int fd = content_file_take_fd(file);
		content_file_unref(file);
		http_reply_file(r->x, fd, size, content_type(r->name));
	} else {
		http_reply_status(r->x, status[result]);
	}
	free(r);
}

static void request_for_http(void *ctx, struct http_exchange *x, const struct http_request *req)
{
	struct provision p;
	struct request *r = malloc(sizeof(*r));

	if (!r) {
		http_reply_status(x, 503);
		return;
	}
	*r = (struct request){.x = x, .scheme = req->tls ? "https" : "http"};
	provision_parse(view_str(req->path), req->tls ? PROVISION_HTTPS : PROVISION_HTTP, &p);
	content_seen(ctx, &p, req->peer, req->old_tls);
	sockaddr_text(req->peer, r->peer);
	memcpy(r->name, p.name, sizeof(r->name)); /* "" when it was refused for its letters */
	struct content_wait *wait = content_open(ctx, &p, true, on_content, r);
	if (!wait)
		return; /* r is gone */
	r->wait = wait;
	http_exchange_set(x, r);
}

static void gone_for_http(void *ctx, struct http_exchange *x)
{
	struct request *r = http_exchange_get(x);

	(void)ctx;
	content_cancel(r->wait);
	free(r);
}

struct http_handler content_for_http(struct content *c)
{
	return (struct http_handler){.request = request_for_http, .gone = gone_for_http, .ctx = c};
}
