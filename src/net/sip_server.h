#pragma once

#include <event2/event.h>

#include "base/random.h"
#include "net/udp.h"
#include "proto/sip.h"

/*
 * A phone's end of service-control: one address, UDP and TCP, for emulated phones. Answers NOTIFY of Event service-control
 * for a phone that there is with 200, and what it does not do with 400, 404, 405 or 489; what is no SIP with nothing.
 */
struct sip_server;

/* Called when a phone is told something, before it answers; false: there is no such phone. */
typedef bool sip_told(void *ctx, const char *device, enum sip_action a);

#define SIP_SERVER_CONNS 256 /* of TCP at once; more are closed */

int sip_server_new(struct event_base *base, const union udp_addr *on, const struct random_source *random, sip_told *told,
		   void *ctx, struct sip_server **s, struct err *e) MUST_CHECK;
void sip_server_free(struct sip_server *s); /* accepts NULL */
