#include "server/callcontrol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "pki/digest.h"
#include "server/place.h"
#include "store/certificate.h"

#define MARK "run/callcontrol" /* SHA-256 of what the call control was reloaded with last */
#define PLACE_MS 90000         /* for the runner: longer than its program may take */
#define RETRY_FIRST_S 2
#define RETRY_MAX_S 300

struct callcontrol {
	struct callcontrol_site site;
	struct event *retry;
	bool on, busy, again;
	bool known;               /* wanted is of the certificates as they are now */
	uint64_t changes;         /* of the store, when wanted was made */
	char wanted[65], asked[65], reloaded[65];
	unsigned failures;
	char trouble[300];
};

static void attempt(struct callcontrol *c);

static void failed(struct callcontrol *c, const char *why)
{
	unsigned wait = RETRY_FIRST_S;

	for (unsigned i = 0; i < c->failures && wait < RETRY_MAX_S; i++)
		wait *= 2;
	if (wait > RETRY_MAX_S)
		wait = RETRY_MAX_S;
	c->failures++;
	/* Also when it was reloaded with the same before: nobody knows what it has now. */
	c->reloaded[0] = '\0';
	unlinkat(c->site.data_dir, MARK, 0);
	snprintf(c->trouble, sizeof(c->trouble),
		 "not reloaded with the present certificates (tried %u time%s, the next time after %u s): %.180s", c->failures,
		 c->failures == 1 ? "" : "s", wait, why);
	log_error("Cisco CallManager: %s", c->trouble);
	event_add(c->retry, &(struct timeval){wait, 0});
}

static void succeeded(struct callcontrol *c)
{
	struct err e = ERR_INIT;

	c->failures = 0;
	c->trouble[0] = '\0';
	memcpy(c->reloaded, c->asked, sizeof(c->reloaded));
	log_info("Cisco CallManager: %s has the present certificates", callcontrol_adapter_names[c->site.cfg->adapter]);
	/* Without it the next start reloads once more, which is no harm. */
	if (file_replace_unsynced(c->site.data_dir, MARK, view_str(c->reloaded), 0644, &e) < 0)
		log_warn("%s", e.text);
}

static void on_answer(void *ctx, int rc, struct view reply, const struct err *e)
{
	struct callcontrol *c = ctx;

	(void)reply;
	c->busy = false;
	if (rc < 0)
		failed(c, e->text);
	else
		succeeded(c);
	/* What has changed meanwhile does not wait; what has failed waits for its time. */
	if (rc == 0 && !callcontrol_in_order(c))
		attempt(c);
	else if (rc == 0)
		c->site.done(c->site.ctx);
}

static int digest_of(const struct call_control_certs *certs, const struct config_callcontrol *cfg, char out[65],
		     struct err *e)
{
	uint8_t md[DIGEST_MAX];
	struct wr w;
	int rc;

	wr_init(&w, IPC_LONG_MAX);
	wr_view(&w, view_str(callcontrol_adapter_names[cfg->adapter]));
	wr_view(&w, view_str(cfg->folder));
	wr_view(&w, view_str(certs->chain));
	wr_view(&w, view_str(certs->authorities));
	if (w.failed) /* a part of them has the digest of fewer */
		rc = err_set(e, w.failed, "the certificates for the call control are too many");
	else
		rc = digest_one(DIGEST_SHA256, wr_view_all(&w), md, e);
	wr_clear(&w);
	if (rc == 0)
		text_hex(out, 65, (struct view){md, digest_len(DIGEST_SHA256)}, '\0', false);
	return rc;
}

static int ask(struct callcontrol *c, struct err *e)
{
	struct call_control_certs certs = {0};
	struct wr w;
	int rc = call_control_certs(c->site.cluster, &certs, e);

	if (rc < 0)
		return rc;
	wr_init(&w, IPC_LONG_MAX);
	wr_u8(&w, c->again || strcmp(c->reloaded, c->wanted) != 0);
	place_put(&w, view_str(certs.chain));
	place_put(&w, view_str(certs.authorities));
	if (w.failed)
		rc = err_set(e, w.failed, "the certificates for the call control are too many");
	else
		rc = ipc_channel_call(c->site.runner, IPC_PLACE, wr_view_all(&w), PLACE_MS, on_answer, c, NULL, e);
	wr_clear(&w);
	call_control_certs_clear(&certs);
	return rc;
}

static void attempt(struct callcontrol *c)
{
	struct err e = ERR_INIT;

	if (c->busy || !c->on)
		return;
	event_del(c->retry);
	c->busy = true;
	memcpy(c->asked, c->wanted, sizeof(c->asked));
	int rc = ask(c, &e);
	c->again = false;
	if (rc < 0) {
		c->busy = false;
		failed(c, e.text);
	}
}

static void on_retry(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	attempt(ctx);
}

/* What is wanted now, looked up only when certificates have changed. */
static int look_up(struct callcontrol *c, struct err *e)
{
	struct call_control_certs certs = {0};
	uint64_t changes = store_certificate_changes(c->site.store);

	if (c->known && changes == c->changes)
		return 0;
	int rc = call_control_certs(c->site.cluster, &certs, e);
	if (rc == 0)
		rc = digest_of(&certs, c->site.cfg, c->wanted, e);
	call_control_certs_clear(&certs);
	c->known = rc == 0;
	c->changes = changes;
	return rc;
}

void callcontrol_look(struct callcontrol *c, bool on)
{
	bool news = on && !c->on;
	char before[65];
	struct err e = ERR_INIT;

	if (!c->site.cfg->adapter)
		return;
	memcpy(before, c->wanted, sizeof(before));
	c->on = on;
	if (!on) {
		event_del(c->retry);
		c->trouble[0] = '\0';
		return;
	}
	if (look_up(c, &e) < 0) {
		if (!event_pending(c->retry, EV_TIMEOUT, NULL))
			failed(c, e.text);
		return;
	}
	/* The first look also puts right what others have done to the files. */
	if (news || c->again || strcmp(before, c->wanted) != 0)
		attempt(c);
}

void callcontrol_again(struct callcontrol *c)
{
	c->again = true;
}

bool callcontrol_in_order(const struct callcontrol *c)
{
	return !c->site.cfg->adapter || !c->on || (!c->busy && !c->again && strcmp(c->reloaded, c->wanted) == 0);
}

const char *callcontrol_trouble(const struct callcontrol *c)
{
	return c->trouble[0] ? c->trouble : NULL;
}

static void read_mark(struct callcontrol *c)
{
	AUTO(auto_free) uint8_t *data = NULL;
	size_t len = 0;

	if (file_read(c->site.data_dir, MARK, 64, &data, &len, NULL) == 0 && len == 64)
		memcpy(c->reloaded, data, 64);
}

int callcontrol_new(const struct callcontrol_site *site, struct callcontrol **out, struct err *e)
{
	struct callcontrol *c = calloc(1, sizeof(*c));

	if (!c)
		return err_set(e, ERR_NOMEM, "no memory for the call control");
	c->site = *site;
	c->retry = event_new(site->base, -1, 0, on_retry, c);
	if (!c->retry) {
		free(c);
		return err_set(e, ERR_NOMEM, "no memory for the call control");
	}
	read_mark(c);
	*out = c;
	return 0;
}

void callcontrol_free(struct callcontrol *c)
{
	if (!c)
		return;
	event_free(c->retry);
	free(c);
}
