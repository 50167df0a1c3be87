#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "format/vectors.h"
#include "net/accept.h"
#include "net/tls.h"
#include "net/tls_service.h"

/*
 * Where the tests of TVS, CAPF and the CTL Provider play: the service on a loop here, and a client that blocks in a thread.
 * The client gets the test's own struct fixture.
 */
struct fixture;

struct stage {
	struct event_base *base;
	struct net_pool *pool;
	struct acceptor *acceptor;
	struct sockaddr_in at;
	int fd;                   /* that listens, until the service gets it */
	void (*client)(struct fixture *f);
	struct fixture *f;
	pthread_t thread;
	struct event *done_event;
	int done[2];
};

static void stage_on_done(evutil_socket_t fd, short what, void *ctx)
{
	struct stage *s = ctx;
	char byte;

	(void)what;
	assert_int_equal(read(fd, &byte, 1), 1);
	event_base_loopbreak(s->base);
}

/* What follows in a client's thread may not fail quietly there. */
static void must(bool ok)
{
	if (!ok)
		abort();
}

/* The client is done: the loop ends. */
static void stage_tell_done(struct stage *s)
{
	must(write(s->done[1], "x", 1) == 1);
}

static void *stage_client_main(void *arg)
{
	struct stage *s = arg;

	s->client(s->f);
	stage_tell_done(s);
	return NULL;
}

static void stage_open(struct stage *s, unsigned per_address)
{
	struct err e = ERR_INIT;
	socklen_t len = sizeof s->at;

	signal(SIGPIPE, SIG_IGN);
	*s = (struct stage){.base = event_base_new(), .fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)};
	s->at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(s->fd, (struct sockaddr *)&s->at, sizeof s->at), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&s->at, &len), 0);
	assert_ok(net_pool_new(64, per_address, &s->pool, &e), &e);
	assert_int_equal(pipe(s->done), 0);
	s->done_event = event_new(s->base, s->done[0], EV_READ | EV_PERSIST, stage_on_done, s);
	event_add(s->done_event, NULL);
}

/* The service shows the golden certificate "tvs" to whoever comes. */
static void stage_serve(struct stage *s, struct tls_service *service)
{
	struct cert *c = golden_cert("tvs");
	EVP_PKEY *key = golden_key("tvs2048");
	struct err e = ERR_INIT;
	SSL_CTX *ctx;

	assert_ok(tls_server_new(c, key, &ctx, &e), &e);
	tls_service_set_tls(service, ctx);
	SSL_CTX_free(ctx);
	cert_unref(c);
	EVP_PKEY_free(key);
	assert_ok(acceptor_new(s->base, s->fd, tls_service_accept, service, &s->acceptor, &e), &e);
	assert_ok(acceptor_start(s->acceptor, &e), &e);
}

/* Until the client is done, or tells before that. */
static void stage_begin(struct stage *s, struct fixture *f, void (*client)(struct fixture *f))
{
	s->f = f;
	s->client = client;
	assert_int_equal(pthread_create(&s->thread, NULL, stage_client_main, s), 0);
	event_base_dispatch(s->base);
}

static void stage_join(struct stage *s)
{
	pthread_join(s->thread, NULL);
	event_base_loop(s->base, EVLOOP_NONBLOCK); /* what the client did last */
}

static void stage_play(struct stage *s, struct fixture *f, void (*client)(struct fixture *f))
{
	stage_begin(s, f, client);
	stage_join(s);
}

/* Before the service is freed: nobody comes in any more. */
static void stage_shut(struct stage *s)
{
	acceptor_free(s->acceptor);
}

/* After it. */
static void stage_close(struct stage *s)
{
	assert_int_equal(net_pool_stats(s->pool)->current, 0);
	net_pool_free(s->pool);
	event_free(s->done_event);
	close(s->done[0]);
	close(s->done[1]);
	event_base_free(s->base);
}
