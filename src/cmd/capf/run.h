#pragma once

#include "cmd/capf/session.h"
#include "cmd/cmd.h"
#include "cmd/offline.h"
#include "phone/decide.h"

/* One command of `ringfence capf`, from the command line to the report. */
#define CAPF_REMOVE_MAX 8

struct capf_options {
	char host[PHONE_HOST_MAX];
	uint16_t port;
	bool any_server, tls10, json, ask_string;
	unsigned timeout_s;
	const char *string_file, *key, *sudi_key, *use_key;
	const char *remove[CAPF_REMOVE_MAX]; /* delete: files that go when the server has taken the confirmation */
	size_t n_remove;
};

struct capf_run {
	const struct cmd *cmd;
	struct capf_options o;
	struct traits_table *table;
	struct phone phone;          /* only its two lists count: they say which server is the CAPF */
	struct trust servers;        /* its certificates, when they were given themselves */
	struct cert *cert, *sudi;
	EVP_PKEY *key, *sudi_key, *use_key;
	char *string;                /* secret */
	struct capf_identity me;
	struct capf_session session;
	/* what came of it */
	struct capf_client end;
	bool ended;                  /* by the server, in order */
	bool refused;                /* the server is not one that may be asked */
	bool trusted;                /* it is, by --trust */
	char why[480];               /* otherwise */
};

/*
 * capf_connect: the conversation; what came of it is in r.
 * Errors: ERR_IO the host has no address, or no connection could be begun; ERR_NOMEM.
 */
int capf_connect(struct capf_run *r, struct err *e) MUST_CHECK;

/* capf_report: says what came of it, as text or JSON, and removes what was to be removed. Returns the exit status. */
int capf_report(const struct capf_run *r);
