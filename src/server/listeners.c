#include "server/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

void listeners_free(struct listeners *ls)
{
	if (!ls)
		return;
	for (size_t i = 0; i < ls->n; i++)
		for (unsigned w = 0; w < ls->n_workers; w++)
			if (ls->l[i].fd[w] >= 0)
				close(ls->l[i].fd[w]);
	free(ls->l);
	free(ls);
}

void listener_text(const struct listener *l, char *out, size_t size)
{
	struct listen_addr a = {.family = l->addr.ss_family};
	char text[80];

	if (a.family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)&l->addr;
		a.ip.v6 = in6->sin6_addr;
		a.port = ntohs(in6->sin6_port);
	} else {
		const struct sockaddr_in *in = (const void *)&l->addr;
		a.ip.v4 = in->sin_addr;
		a.port = ntohs(in->sin_port);
	}
	listen_addr_text(&a, text, sizeof(text));
	snprintf(out, size, "%s %s", listen_kinds[l->service].key, text);
}

/* --- one socket --- */

static int open_socket(const struct listener *l, bool share)
{
	bool udp = listen_kinds[l->service].udp;
	int on = 1, saved;
	int fd = socket(l->addr.ss_family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	/* Of TCP, so that connections which still end from before do not hold the port; of UDP it would steal it. */
	if ((udp || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0) &&
	    (!share || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
	    (l->addr.ss_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
	    bind(fd, (const struct sockaddr *)&l->addr, l->len) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/*
 * Is the address free? With SO_REUSEPORT another program of the same user would get it too, and each would see a part of
 * the phones, so the first try is without.
 */
static bool is_free(const struct listener *l)
{
	int fd = open_socket(l, false);

	if (fd < 0)
		return false;
	if (!listen_kinds[l->service].udp && listen(fd, 1) < 0) {
		int saved = errno;
		close(fd);
		errno = saved;
		return false;
	}
	close(fd);
	return true;
}

static int explain(const struct listener *l, struct err *e)
{
	const struct listen_kind *k = &listen_kinds[l->service];
	unsigned port = ntohs(l->addr.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)&l->addr)->sin6_port
							     : ((const struct sockaddr_in *)&l->addr)->sin_port);
	char text[120];

	listener_text(l, text, sizeof(text));
	switch (errno) {
	case EADDRINUSE:
		return err_sys(e, ERR_IO, "%s: %s port %u is taken by another program; `ss -%slnp sport = :%u` shows which: "
			       "stop it, or give %s another port in [listen]", text, k->udp ? "UDP" : "TCP", port,
			       k->udp ? "u" : "t", port, k->key);
	case EACCES:
		return err_sys(e, ERR_IO, "%s: ports below 1024 need root or CAP_NET_BIND_SERVICE: start as root, or give "
			       "%s a port from 1024 on in [listen]", text, k->key);
	case EADDRNOTAVAIL:
		return err_sys(e, ERR_IO, "%s: this machine does not have that address; `ip address` shows those it has", text);
	default:
		return err_sys(e, ERR_IO, "%s: cannot be listened on", text);
	}
}

/* --- all of them --- */

static void fill_addr(const struct listen_addr *a, int family, struct listener *l)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&l->addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&l->addr;

	if (family == AF_INET6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(a->port);
		if (a->family == AF_INET6)
			in6->sin6_addr = a->ip.v6;
		l->len = sizeof(*in6);
	} else {
		in->sin_family = AF_INET;
		in->sin_port = htons(a->port);
		if (a->family == AF_INET)
			in->sin_addr = a->ip.v4;
		l->len = sizeof(*in);
	}
}

static bool have_ipv6(void)
{
	struct listener any = {.service = LISTEN_TFTP, .len = sizeof(struct sockaddr_in6)};
	int fd;

	any.addr.ss_family = AF_INET6;
	fd = open_socket(&any, false);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* `*` is an IPv4 and, where the machine has it, an IPv6 socket: addresses then look the same everywhere. */
static size_t expand(const struct config *cfg, struct listener *out, bool ipv6)
{
	size_t n = 0;

	for (int s = 0; s < LISTEN_COUNT; s++)
		for (size_t i = 0; listen_kinds[s].served && i < cfg->listen[s].n; i++) {
			const struct listen_addr *a = &cfg->listen[s].addrs[i];
			for (int v6 = 0; v6 < 2; v6++) {
				if ((a->family != AF_UNSPEC && (a->family == AF_INET6) != v6) ||
				    (a->family == AF_UNSPEC && v6 && !ipv6))
					continue;
				struct listener *l = &out[n++];
				*l = (struct listener){.service = (enum listen_service)s};
				fill_addr(a, v6 ? AF_INET6 : AF_INET, l);
				for (unsigned w = 0; w < LISTENERS_MAX_WORKERS; w++)
					l->fd[w] = -1;
			}
		}
	return n;
}

static bool same_socket(const struct listener *a, const struct listener *b)
{
	return listen_kinds[a->service].udp == listen_kinds[b->service].udp && a->len == b->len &&
	       memcmp(&a->addr, &b->addr, a->len) == 0;
}

static struct listener *find_same(struct listeners *old, const struct listener *l)
{
	for (size_t i = 0; old && i < old->n; i++)
		if (old->l[i].fd[0] >= 0 && same_socket(&old->l[i], l))
			return &old->l[i];
	return NULL;
}

static int bind_all(struct listener *l, unsigned n_workers, struct err *e)
{
	if (!is_free(l))
		return explain(l, e);
	for (unsigned w = 0; w < n_workers; w++) {
		l->fd[w] = open_socket(l, true);
		if (l->fd[w] < 0)
			return explain(l, e);
	}
	return 0;
}

/* Sockets change hands only when all is well. */
static void take_over(struct listeners *ls, struct listeners *old)
{
	for (size_t i = 0; i < ls->n; i++) {
		struct listener *from = find_same(old, &ls->l[i]);
		for (unsigned w = 0; from && w < ls->n_workers; w++) {
			ls->l[i].fd[w] = from->fd[w];
			from->fd[w] = -1;
		}
	}
}

int listeners_open(const struct config *cfg, unsigned n_workers, struct listeners *old,
		   const struct config_report *report, struct listeners **out, struct err *e)
{
	struct listeners *ls = calloc(1, sizeof(*ls));
	int rc = 0;

	if (ls)
		ls->l = calloc((size_t)2 * LISTEN_COUNT * CONFIG_MAX_ADDRS, sizeof(*ls->l));
	if (!ls || !ls->l) {
		listeners_free(ls);
		return err_set(e, ERR_NOMEM, "no memory for listeners");
	}
	ls->n_workers = n_workers;
	ls->n = expand(cfg, ls->l, have_ipv6());
	for (size_t i = 0; i < ls->n; i++) {
		struct err why = ERR_INIT;
		if (find_same(old, &ls->l[i]))
			continue;
		int failed = bind_all(&ls->l[i], n_workers, &why);
		if (failed && report)
			report->mistake(report->ctx, CONFIG_FILE, 0, why.text);
		if (failed && !rc) {
			rc = failed;
			if (e && !e->code)
				*e = why;
		}
	}
	if (rc < 0) {
		listeners_free(ls);
		return rc;
	}
	take_over(ls, old);
	*out = ls;
	return 0;
}
