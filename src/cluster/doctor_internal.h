#pragma once

#include "cluster/doctor.h"

/* One examination: findings go in here. The checks of one file are called from doctor.c only. */
struct exam {
	const struct doctor_input *in;
	struct doctor_report *r;
	int failed; /* ERR_NOMEM: the report is incomplete */
};

/* found: remedy is a whole sentence, or "" when there is nothing to do. */
void found(struct exam *x, enum doctor_severity severity, const char *check, const char *remedy, const char *fmt, ...)
	PRINTF_LIKE(5, 6);

/* doctor_host.c: the machine */
void doctor_clock(struct exam *x);
void doctor_ports(struct exam *x);
void doctor_name(struct exam *x);
void doctor_tls(struct exam *x);
void doctor_disk(struct exam *x);

/* doctor_node.c: the node */
void doctor_modes(struct exam *x);
void doctor_keys(struct exam *x);
void doctor_adapter(struct exam *x);
void doctor_certs(struct exam *x);
void doctor_renewal(struct exam *x);
void doctor_lists(struct exam *x);
void doctor_recovery(struct exam *x);

/* doctor_provisioning.c: the operator's files */
void doctor_provisioning(struct exam *x);

/* doctor_holder.c: who has a port. Out: "dnsmasq (pid 812)", or "" when that cannot be seen. */
void doctor_port_holder(bool udp, uint16_t port, char *out, size_t size);
