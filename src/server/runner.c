/*
 * The runner: the only process that starts programs, and only those of [callcontrol] in ringfence.conf, which it has read
 * before anybody could tell it anything: the director says which of them, for which phone, and nothing else. It also places
 * the call control's key and certificates, for which it gets that one key of the keeper. It has neither the store nor a
 * socket. Its programs run as the owner of the data folder with the groups of that user and the one of
 * [callcontrol], without capabilities, and cannot gain any.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/log.h"
#include "base/secret.h"
#include "base/text.h"
#include "pki/cert.h"
#include "pki/key_pem.h"
#include "proto/sip.h"
#include "server/child.h"
#include "server/ipc.h"
#include "server/place.h"
#include "server/program.h"
#include "server/sandbox.h"

#define AT_ONCE 4             /* programs that run */
#define RESET_MS 30000        /* for one program */
#define RELOAD_MS 60000

struct order {
	STAILQ_ENTRY(order) link;
	struct runner *r;
	uint32_t id;
	enum sip_action action;
	char device[64];
};

struct runner {
	const struct config_callcontrol *cfg;
	struct event_base *base;
	struct event *term;
	struct ipc_channel *director;
	struct keystore *keys;    /* the keeper gives out one kind: keeper_lends */
	STAILQ_HEAD(, order) waiting;
	unsigned running;
};

static void answer(struct runner *r, uint32_t id, int rc, const struct err *why)
{
	struct err e = ERR_INIT;
	struct wr w;

	wr_init(&w, IPC_BODY_MAX);
	if (rc < 0)
		ipc_failed_encode(&w, why);
	struct ipc_msg m = {.type = rc < 0 ? IPC_FAILED : IPC_REPLY, .id = id, .body = wr_view_all(&w)};
	if (ipc_channel_send(r->director, &m, &e) < 0)
		log_warn("an answer to the director: %s", e.text);
	wr_clear(&w);
}

/* --- resets --- */

/* %d is the device, %a the action; a line without %d gets the device as one more word. */
static void fill_in(const char *word, const struct order *o, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (const char *s = word; *s; s++) {
		bool known = s[0] == '%' && (s[1] == 'd' || s[1] == 'a');
		if (known)
			s++;
		used = known ? text_append(out, size, used, "%s", *s == 'd' ? o->device : sip_action_name(o->action)) :
			       text_append(out, size, used, "%c", *s);
	}
}

static void start_more(struct runner *r);

static void reset_done(void *ctx, int rc, const struct err *e)
{
	struct order *o = ctx;
	struct runner *r = o->r;

	answer(r, o->id, rc, e);
	free(o);
	r->running--;
	start_more(r);
}

static int start(struct runner *r, struct order *o, struct err *e)
{
	struct program_words w;
	char filled[PROGRAM_WORDS_MAX][1100], *argv[PROGRAM_WORDS_MAX + 2];
	struct program *p;
	bool named = false;
	size_t n = 0;
	int rc = program_words(r->cfg->reset, &w, e);

	if (rc < 0)
		return rc;
	for (; n < w.n; n++) {
		fill_in(w.word[n], o, filled[n], sizeof(filled[n]));
		named |= strstr(w.word[n], "%d") != NULL;
		argv[n] = filled[n];
	}
	if (!named)
		argv[n++] = o->device;
	argv[n] = NULL;
	return program_start(r->base, argv, RESET_MS, reset_done, o, &p, e);
}

static void start_more(struct runner *r)
{
	struct order *o;

	while (r->running < AT_ONCE && (o = STAILQ_FIRST(&r->waiting))) {
		struct err e = ERR_INIT;
		STAILQ_REMOVE_HEAD(&r->waiting, link);
		if (start(r, o, &e) < 0) {
			answer(r, o->id, e.code, &e);
			free(o);
		} else {
			r->running++;
		}
	}
}

static int take_reset(struct runner *r, const struct ipc_msg *m, struct err *e)
{
	struct order *o = calloc(1, sizeof(*o));
	uint8_t action;
	struct rd rd;

	if (!o)
		return err_set(e, ERR_NOMEM, "no memory for a reset");
	rd_init(&rd, m->body.p, m->body.len);
	if (!ipc_get_str(&rd, o->device, sizeof(o->device)) || !rd_u8(&rd, &action) || !rd_done(&rd) ||
	    action >= SIP_N_ACTIONS || !text_is_device_name(o->device) || !*r->cfg->reset) {
		free(o);
		return err_rule(e, "reset-request", -1, "a request to reset a phone is malformed");
	}
	o->r = r;
	o->id = m->id;
	o->action = (enum sip_action)action;
	STAILQ_INSERT_TAIL(&r->waiting, o, link);
	start_more(r);
	return 0;
}

/* --- the call control's key and certificates --- */

struct reload {
	struct runner *r;
	uint32_t id;
};

static void reload_done(void *ctx, int rc, const struct err *e)
{
	struct reload *l = ctx;

	answer(l->r, l->id, rc, e);
	free(l);
}

static int start_reload(struct runner *r, uint32_t id, struct err *e)
{
	struct reload *l = malloc(sizeof(*l));
	struct program_words w;
	struct program *p;
	int rc;

	if (!l)
		return err_set(e, ERR_NOMEM, "no memory for a reload");
	*l = (struct reload){r, id};
	rc = program_words(r->cfg->reload, &w, e);
	if (rc == 0)
		rc = program_start(r->base, w.word, RELOAD_MS, reload_done, l, &p, e);
	if (rc < 0)
		free(l);
	return rc;
}

/* The key of the leaf, which says by itself which that is. */
static int get_key(struct runner *r, struct view chain, uint8_t **pem, size_t *len, struct err *e)
{
	char name[KEY_NAME_MAX];
	uint8_t *pkcs8 = NULL;
	EVP_PKEY *key = NULL;
	struct cert *leaf = NULL;
	struct err why = ERR_INIT;
	size_t n = 0;
	int rc = cert_from_pem(chain, &leaf, e);

	if (rc == 0)
		rc = key_name("CallManager", cert_spki(leaf), name, e);
	if (rc == 0)
		rc = r->keys->ops->export(r->keys, name, &pkcs8, &n, &why);
	if (why.code)
		err_set(e, why.code, "%s", why.code == ERR_USAGE ? CONFIG_KEY_ON_TOKEN "; " CONFIG_KEY_REMEDY : why.text);
	if (rc == 0)
		rc = key_from_own_pkcs8((struct view){pkcs8, n}, &key, e);
	if (rc == 0)
		rc = key_to_pem(key, pem, len, e);
	EVP_PKEY_free(key);
	secret_free(pkcs8, n);
	cert_unref(leaf);
	return rc;
}

static int place(struct runner *r, const struct ipc_msg *m, struct err *e)
{
	struct place p = {0};
	uint8_t again, *pem = NULL;
	bool changed = false;
	size_t len = 0;
	struct rd rd;

	rd_init(&rd, m->body.p, m->body.len);
	if (!rd_u8(&rd, &again) || !place_get(&rd, &p.chain) || !place_get(&rd, &p.authorities) || !rd_done(&rd) ||
	    !r->cfg->adapter)
		return err_rule(e, "place-request", -1, "a request to place certificates is malformed");
	int rc = get_key(r, p.chain, &pem, &len, e);
	p.key = (struct view){pem, len};
	if (rc == 0)
		rc = place_files(r->cfg, &p, &changed, e);
	secret_free(pem, len);
	if (rc < 0)
		return rc;
	if ((changed || again) && *r->cfg->reload)
		return start_reload(r, m->id, e);
	answer(r, m->id, 0, NULL);
	return 0;
}

static void on_message(void *ctx, struct ipc_channel *ch, const struct ipc_msg *m)
{
	struct err e = ERR_INIT;
	int rc = 0;

	(void)ch;
	if (m->type == IPC_RESET)
		rc = take_reset(ctx, m, &e);
	else if (m->type == IPC_PLACE)
		rc = place(ctx, m, &e);
	if (rc < 0)
		answer(ctx, m->id, rc, &e);
}

/* --- the process --- */

static void on_term(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(ctx);
}

static int begin(struct runner *r, struct node *node, struct err *e)
{
	struct ipc_handlers h = {.message = on_message, .long_max = IPC_LONG_MAX, .ctx = r};
	int rc = child_drop(node, CHILD_RUNNER, e);

	if (rc < 0)
		return rc;
	/* Nobody reads the memory of this process while it has a key. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_sys(e, ERR_IO, "PR_SET_DUMPABLE");
	close(node->data_dir);
	board_free(node->board);
	OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
	r->cfg = &node->cfg.callcontrol;
	r->base = event_base_new();
	r->term = r->base ? evsignal_new(r->base, SIGTERM, on_term, r->base) : NULL;
	if (!r->term || event_add(r->term, NULL) < 0)
		return err_set(e, ERR_NOMEM, "no memory for the loop");
	if ((rc = sandbox_runner(*r->cfg->reset || *r->cfg->reload, e)) < 0 ||
	    (rc = keystore_keeper_open(node->keeper_runner[1], &r->keys, e)) < 0 ||
	    (rc = ipc_channel_new(r->base, node->director_runner[1], &h, &r->director, e)) < 0)
		return rc;
	return child_ready(node, e);
}

/* Programs that still run go on to their end: a reload that is cut in half is worse than one that nobody waits for. */
int runner_main(struct node *node, unsigned index)
{
	struct runner r = {.running = 0};
	struct err e = ERR_INIT;

	(void)index;
	STAILQ_INIT(&r.waiting);
	int rc = begin(&r, node, &e);
	if (rc == 0)
		event_base_dispatch(r.base);
	else
		log_error("%s", e.text);
	ipc_channel_free(r.director);
	keystore_free(r.keys);
	if (r.term)
		event_free(r.term);
	if (r.base)
		event_base_free(r.base);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
