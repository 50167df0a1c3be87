#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "cluster/doctor_internal.h"
#include "cluster/param.h"
#include "store/device.h"
#include "store/service.h"

/* This code was written in 2026: a clock that says less is wrong. */
#define CLOCK_PLAUSIBLE INT64_C(1767225600) /* 2026-01-01 */
#define DISK_PROBLEM (UINT64_C(16) << 20)
#define DISK_WARNING (UINT64_C(256) << 20)

void doctor_clock(struct exam *x)
{
	int64_t now = clock_wall_s(x->in->clock);
	time_t t = (time_t)now;
	char text[64];
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm);
	if (now < CLOCK_PLAUSIBLE)
		found(x, DOCTOR_PROBLEM, "clock",
		      "Set the clock and keep it right with NTP (timedatectl set-ntp true) before any certificate is made.",
		      "The clock says %s, which is in the past: certificates would not be valid yet for phones.", text);
	else
		found(x, DOCTOR_OK, "clock", "", "The clock says %s.", text);
}

/* --- ports --- */

static bool make_address(const struct doctor_port *p, struct sockaddr_storage *sa, socklen_t *len)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)sa;

	memset(sa, 0, sizeof(*sa));
	if (strcmp(p->address, "*") == 0 || inet_pton(AF_INET, p->address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(p->port);
		*len = sizeof(*v4);
		return true;
	}
	if (inet_pton(AF_INET6, p->address, &v6->sin6_addr) != 1)
		return false;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(p->port);
	*len = sizeof(*v6);
	return true;
}

/* 0 when it can be bound, otherwise errno. */
static int try_bind(const struct doctor_port *p)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int one = 1;

	if (!make_address(p, &sa, &len))
		return EADDRNOTAVAIL;
	AUTO(auto_close) int fd = socket(sa.ss_family, (p->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	/* Connections of a moment ago that are in TIME_WAIT do not count; for UDP the option would hide who listens. */
	if (!p->udp)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return bind(fd, (struct sockaddr *)&sa, len) < 0 ? errno : 0;
}

/* Why nobody is to answer there; NULL: somebody is, or nobody can say. */
static const char *why_off(struct exam *x, const struct doctor_port *p)
{
	struct cluster *c = x->in->cluster;
	struct store_service s;
	struct err e = ERR_INIT;
	bool legacy;

	if (!c || !p->owner || store_service_get(c->store, c->node, p->owner, &s, &e))
		return NULL;
	if (!s.activated)
		return "is not activated";
	if (!s.started)
		return "was stopped";
	if (p->legacy && param_get_bool(c, PARAM_LEGACY_TLS, &legacy, &e) == 0 && !legacy)
		return "may not speak TLS 1.0: the parameter '" PARAM_LEGACY_TLS "' is False";
	return NULL;
}

static void port_free(struct exam *x, const struct doctor_port *p, const char *what)
{
	const char *off = why_off(x, p);

	if (off)
		found(x, DOCTOR_OK, "port", "", "%s is free, and nothing is to answer there: %s %s.", what, p->owner, off);
	else if (x->in->running)
		found(x, DOCTOR_WARNING, "port", "Look into the log of 'ringfence serve'.",
		      "%s is free although the node runs: nothing answers there.", what);
	else
		found(x, DOCTOR_OK, "port", "", "%s is free.", what);
}

static void port_taken(struct exam *x, const struct doctor_port *p, const char *what)
{
	char holder[120];

	doctor_port_holder(p->udp, p->port, holder, sizeof(holder));
	if (x->in->running && (!holder[0] || strncmp(holder, "ringfence", 9) == 0))
		found(x, DOCTOR_OK, "port", "", "%s is served by this node.", what);
	else
		found(x, DOCTOR_PROBLEM, "port",
		      "Stop that program, or give this service another address or port in ringfence.conf, [listen].",
		      "%s is taken by %s.", what, holder[0] ? holder : "another program");
}

static void check_port(struct exam *x, const struct doctor_port *p)
{
	char what[160];

	snprintf(what, sizeof(what), "%s port %u of %s (%s)", p->udp ? "UDP" : "TCP", p->port,
		 strcmp(p->address, "*") == 0 ? "all addresses" : p->address, p->service);
	int why = try_bind(p);
	switch (why) {
	case 0:
		port_free(x, p, what);
		break;
	case EADDRINUSE:
		port_taken(x, p, what);
		break;
	case EACCES:
	case EPERM:
		found(x, DOCTOR_WARNING, "port",
		      "Start the node as root or by its systemd unit (it gives up the rights at once), or use ports above 1023.",
		      "%s needs a right that this user does not have.", what);
		break;
	case EADDRNOTAVAIL:
		found(x, DOCTOR_PROBLEM, "port", "Correct the address in ringfence.conf, [listen]; 'ip address' shows those there are.",
		      "%s: this machine does not have that address.", what);
		break;
	default:
		found(x, DOCTOR_WARNING, "port", "", "%s cannot be tried: %s.", what, strerror(why));
	}
}

void doctor_ports(struct exam *x)
{
	for (size_t i = 0; i < x->in->n_ports; i++)
		check_port(x, &x->in->ports[i]);
}

/* --- names --- */

static bool resolves_to(const struct addrinfo *list, const char *address)
{
	char text[INET6_ADDRSTRLEN];

	for (const struct addrinfo *a = list; a; a = a->ai_next)
		if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) == 0 &&
		    strcmp(text, address) == 0)
			return true;
	return false;
}

static void check_name(struct exam *x, const char *name, const char *address)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	int rc = getaddrinfo(name, NULL, &hints, &list);

	if (rc)
		found(x, DOCTOR_WARNING, "name",
		      "Add the name to DNS, or put the IP address into the phones' configurations.",
		      "The name of the node %s does not resolve (%s): phones that are given the name do not find TVS and CAPF.",
		      name, gai_strerror(rc));
	else if (address[0] && !resolves_to(list, address))
		found(x, DOCTOR_WARNING, "name", "Correct DNS or /etc/hosts, or the address that Ringfence has of the node.",
		      "The name of the node %s resolves, but not to its address %s.", name, address);
	else
		found(x, DOCTOR_OK, "name", "", "The name of the node %s resolves.", name);
	if (list)
		freeaddrinfo(list);
}

void doctor_name(struct exam *x)
{
	AUTO(auto_free) struct store_node *nodes = NULL;
	size_t n = 0;

	if (x->in->node)
		check_name(x, x->in->node, x->in->address);
	/* A store that cannot be read is a finding of its own: doctor_node.c. */
	if (!x->in->cluster || store_node_list(x->in->cluster->store, &nodes, &n, NULL))
		return;
	for (size_t i = 0; i < n; i++)
		if (!text_same(nodes[i].name, x->in->cluster->node))
			check_name(x, nodes[i].name, nodes[i].address[0] ? nodes[i].address : nodes[i].address6);
}

/* --- TLS --- */

/* How many phones have shown that they need a legacy listener, as a sentence; "" when nobody can say. */
static void old_tls_phones(const struct exam *x, char *out, size_t size)
{
	struct err e = ERR_INIT;
	uint64_t n;

	out[0] = '\0';
	if (!x->in->cluster || store_device_count_old_tls(x->in->cluster->store, &n, &e))
		return;
	if (n)
		snprintf(out, size, " Phones seen with TLS below 1.2: %llu ('phone list --old-tls').", (unsigned long long)n);
	else
		snprintf(out, size, " No phone was seen to need that.");
}

static bool has_legacy(const struct exam *x)
{
	for (size_t i = 0; i < x->in->n_ports; i++)
		if (x->in->ports[i].legacy)
			return true;
	return false;
}

static const char *version_name(int version)
{
	switch (version) {
	case TLS1_3_VERSION:
		return "TLS 1.3";
	case TLS1_2_VERSION:
		return "TLS 1.2";
	case TLS1_1_VERSION:
		return "TLS 1.1";
	case 0:
		return "what OpenSSL knows";
	default:
		return "TLS 1.0";
	}
}

/* What the system's openssl.cnf makes of a new context: phones meet it before they meet us. */
void doctor_tls(struct exam *x)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx) {
		found(x, DOCTOR_PROBLEM, "tls", "Look into openssl.cnf ('openssl version -d' shows where it is).",
		      "OpenSSL cannot make a TLS context: its configuration is broken.");
		return;
	}
	int min = (int)SSL_CTX_get_min_proto_version(ctx), level = SSL_CTX_get_security_level(ctx);
	char phones[128];

	old_tls_phones(x, phones, sizeof(phones));
	if (min == TLS1_3_VERSION)
		found(x, DOCTOR_WARNING, "tls", "Set MinProtocol = TLSv1.2 in openssl.cnf.",
		      "The system's TLS policy allows only TLS 1.3; hardly any phone speaks it.");
	else if (level > 2)
		found(x, DOCTOR_WARNING, "tls", "Set CipherString = DEFAULT@SECLEVEL=2 in openssl.cnf.",
		      "The system's TLS security level is %d: it forbids RSA keys of 2048 bits, which phones use.", level);
	else if (has_legacy(x))
		found(x, DOCTOR_NOTE, "tls", "",
		      "The system's TLS policy begins at %s, security level %d; legacy listeners go below that, for themselves only.%s",
		      version_name(min), level, phones);
	else
		found(x, DOCTOR_OK, "tls", "",
		      "The system's TLS policy begins at %s, security level %d. Phones that only speak TLS 1.0 need a legacy listener.",
		      version_name(min), level);
	SSL_CTX_free(ctx);
}

/* --- disk --- */

void doctor_disk(struct exam *x)
{
	struct statvfs v;

	if (statvfs(x->in->data_dir, &v) < 0) {
		found(x, DOCTOR_PROBLEM, "disk", "Check the path given with --data.", "%s cannot be looked at: %s.",
		      x->in->data_dir, strerror(errno));
		return;
	}
	uint64_t octets = (uint64_t)v.f_bavail * v.f_frsize;
	bool no_inodes = v.f_files && v.f_favail < 100;
	enum doctor_severity s = octets < DISK_PROBLEM || no_inodes ? DOCTOR_PROBLEM :
				 octets < DISK_WARNING		    ? DOCTOR_WARNING :
								      DOCTOR_OK;
	found(x, s, "disk", s == DOCTOR_OK ? "" : "Make room: a change that finds no space is refused, and nothing is lost by it.",
	      "%llu MiB%s are free for the node's folder.", (unsigned long long)(octets >> 20),
	      no_inodes ? " but no room for further files" : "");
}
