#include "cmd/phone/stay.h"

#include <signal.h>
#include <string.h>

#include "net/fetch.h"

/* Phones that boot at this moment are not cut off: the loop ends when nothing goes on. */
static void on_end(evutil_socket_t fd, short what, void *ctx)
{
	struct stay *s = ctx;

	(void)fd;
	(void)what;
	sip_server_free(s->server);
	s->server = NULL;
	s->over = true;
	event_del(s->end);
	event_del(s->term);
	event_del(s->interrupt);
}

static int listen_on(struct stay *s, struct event_base *base, const char *where, sip_told *told, void *ctx, struct err *e)
{
	struct sockaddr_storage a;
	union udp_addr on = {0};
	uint16_t port = 5060;
	socklen_t len;
	char host[256];

	if (!net_host_port(where, host, sizeof(host), &port))
		return err_set(e, ERR_USAGE, "--listen %s is no ADDR or ADDR:PORT", where);
	int rc = net_address(host, port, SOCK_DGRAM, &a, &len, e);
	if (rc)
		return rc;
	memcpy(&on, &a, len < sizeof(on) ? len : sizeof(on));
	return sip_server_new(base, &on, &random_system, told, ctx, &s->server, e);
}

int stay_begin(struct stay *s, struct event_base *base, const struct stay_options *o, sip_told *told, void *ctx,
	       struct err *e)
{
	*s = (struct stay){0};
	if (!o->seconds)
		return 0;
	s->end = event_new(base, -1, 0, on_end, s);
	s->term = evsignal_new(base, SIGTERM, on_end, s);
	s->interrupt = evsignal_new(base, SIGINT, on_end, s);
	if (!s->end || !s->term || !s->interrupt || event_add(s->term, NULL) < 0 || event_add(s->interrupt, NULL) < 0)
		return err_set(e, ERR_NOMEM, "no memory for the loop");
	return o->listen ? listen_on(s, base, o->listen, told, ctx, e) : 0;
}

void stay_count(struct stay *s, const struct stay_options *o)
{
	struct timeval after = {(time_t)o->seconds, 0};

	if (s->end && !s->over && !event_pending(s->end, EV_TIMEOUT, NULL))
		event_add(s->end, &after);
}

void stay_end(struct stay *s)
{
	sip_server_free(s->server);
	if (s->end)
		event_free(s->end);
	if (s->term)
		event_free(s->term);
	if (s->interrupt)
		event_free(s->interrupt);
	*s = (struct stay){0};
}
