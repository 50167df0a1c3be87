#pragma once

#include <stdio.h>

#include "cluster/cluster.h"

/*
 * What stops people on the first day, and what will stop them later: each finding with its remedy. Checks look only; they
 * change nothing and need no running node.
 */
enum doctor_severity { DOCTOR_OK, DOCTOR_NOTE, DOCTOR_WARNING, DOCTOR_PROBLEM };

struct doctor_finding {
	enum doctor_severity severity;
	const char *check;       /* static: "clock", "port", "key-mode": stable, for JSON */
	char *what;              /* a sentence */
	char *remedy;            /* a sentence, or "" */
};

struct doctor_report {
	struct doctor_finding *findings;
	size_t n;
};
void doctor_report_clear(struct doctor_report *r);
enum doctor_severity doctor_worst(const struct doctor_report *r);
const char *doctor_severity_name(enum doctor_severity s); /* "ok", "note", "warning", "problem" */

/* An address that will be bound; from the configuration. */
struct doctor_port {
	const char *service;     /* "tftp" */
	const char *owner;       /* as `utils service list` has it: "Cisco Tftp"; NULL: not known */
	const char *address;     /* numeric, or "*" */
	uint16_t port;
	bool udp;
	bool legacy;             /* a listener for phones that only speak TLS 1.0 */
};

struct doctor_input {
	const char *data_dir;
	const char *node;                 /* name that phones are told; NULL: not known */
	const char *address;              /* its IP address, or "" */
	const char *provisioning;         /* folder, absolute or as seen from the current folder; NULL: not known */
	bool adapter;                     /* the call control is to get a copy of the CallManager key */
	bool key_to_token;                /* new CallManager keys are made on a hardware token, which gives none out */
	const struct doctor_port *ports;
	size_t n_ports;
	bool running;                     /* the node is up: its own ports are taken, by itself */
	const struct clock *clock;
	struct cluster *cluster;          /* an observer; NULL when it could not be opened */
	const char *cluster_error;        /* then why */
};

/* doctor_run: every check, in a fixed order. Errors: only ERR_NOMEM; what is wrong is a finding. */
int doctor_run(const struct doctor_input *in, struct doctor_report *r, struct err *e) MUST_CHECK;

void doctor_print(FILE *out, const struct doctor_report *r, bool colour);
int doctor_print_json(FILE *out, const struct doctor_report *r, struct err *e) MUST_CHECK;
