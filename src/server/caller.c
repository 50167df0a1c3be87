/*
 * The caller: tells phones what the director wants them told, by SIP NOTIFY, and reads what they answer. It has a network,
 * and neither keys nor the store nor any file.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "net/sip_client.h"
#include "server/child.h"
#include "server/ipc.h"
#include "server/sandbox.h"

#define TIMEOUT_MAX_MS 60000

struct caller {
	struct event_base *base;
	struct event *term;
	struct ipc_channel *director;
};

struct order {
	struct caller *caller;
	uint32_t id;
};

static void answer(struct caller *c, uint32_t id, int rc, unsigned status, const char *text, const struct err *why)
{
	struct err e = ERR_INIT;
	struct wr w;

	wr_init(&w, IPC_BODY_MAX);
	if (rc < 0) {
		ipc_failed_encode(&w, why);
	} else {
		wr_u16(&w, (uint16_t)status);
		ipc_put_str(&w, text);
	}
	struct ipc_msg m = {.type = rc < 0 ? IPC_FAILED : IPC_REPLY, .id = id, .body = wr_view_all(&w)};
	if (ipc_channel_send(c->director, &m, &e) < 0)
		log_warn("an answer to the director: %s", e.text);
	wr_clear(&w);
}

static void told(void *ctx, unsigned status, const char *text)
{
	struct order *o = ctx;

	answer(o->caller, o->id, 0, status, text, NULL);
	free(o);
}

static bool read_address(const char *text, uint16_t port, union udp_addr *a)
{
	*a = (union udp_addr){0};
	if (inet_pton(AF_INET, text, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons(port);
		return true;
	}
	a->v6.sin6_family = AF_INET6;
	a->v6.sin6_port = htons(port);
	return inet_pton(AF_INET6, text, &a->v6.sin6_addr) == 1;
}

static int tell(struct caller *c, const struct ipc_msg *m, struct err *e)
{
	char device[64], address[64];
	uint8_t action, tcp;
	uint16_t port;
	uint32_t timeout;
	struct sip_request q = {.device = device};
	struct rd r;

	rd_init(&r, m->body.p, m->body.len);
	if (!ipc_get_str(&r, device, sizeof(device)) || !ipc_get_str(&r, address, sizeof(address)) || !rd_u16(&r, &port) ||
	    !rd_u8(&r, &tcp) || !rd_u8(&r, &action) || !rd_u32(&r, &timeout) || !rd_done(&r) || action >= SIP_N_ACTIONS ||
	    timeout > TIMEOUT_MAX_MS || !text_is_device_name(device))
		return err_rule(e, "notify-request", -1, "a request to tell a phone is malformed");
	if (!read_address(address, port, &q.phone))
		return err_set(e, ERR_USAGE, "'%s' is no address", address);
	q.action = (enum sip_action)action;
	q.tcp = tcp != 0;
	q.timeout_ms = timeout;
	struct order *o = malloc(sizeof(*o));
	if (!o)
		return err_set(e, ERR_NOMEM, "no memory for a message to a phone");
	*o = (struct order){c, m->id};
	int rc = sip_call_start(c->base, &random_system, &q, told, o, e);
	if (rc < 0)
		free(o);
	return rc;
}

static void on_message(void *ctx, struct ipc_channel *ch, const struct ipc_msg *m)
{
	struct err e = ERR_INIT;

	(void)ch;
	if (m->type == IPC_NOTIFY && tell(ctx, m, &e) < 0)
		answer(ctx, m->id, e.code, 0, NULL, &e);
}

static void on_term(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(ctx);
}

static int begin(struct caller *c, struct node *node, struct err *e)
{
	struct ipc_handlers h = {.message = on_message, .ctx = c};
	int rc = child_drop(node, CHILD_CALLER, e);

	if (rc < 0)
		return rc;
	close(node->data_dir);
	board_free(node->board);
	c->base = event_base_new();
	c->term = c->base ? evsignal_new(c->base, SIGTERM, on_term, c->base) : NULL;
	if (!c->term || event_add(c->term, NULL) < 0)
		return err_set(e, ERR_NOMEM, "no memory for the loop");
	if ((rc = sandbox_caller(e)) < 0 ||
	    (rc = ipc_channel_new(c->base, node->director_caller[1], &h, &c->director, e)) < 0)
		return rc;
	return child_ready(node, e);
}

int caller_main(struct node *node, unsigned index)
{
	struct caller c = {0};
	struct err e = ERR_INIT;
	int rc = begin(&c, node, &e);

	(void)index;
	if (rc == 0)
		event_base_dispatch(c.base);
	else
		log_error("%s", e.text);
	ipc_channel_free(c.director);
	if (c.term)
		event_free(c.term);
	if (c.base)
		event_base_free(c.base);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
