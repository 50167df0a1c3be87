#pragma once

#include "cluster/cluster.h"

/*
 * LSCs that are due for renewal and wait, because one that is issued now would end with the CAPF certificate, no later (by a
 * tenth of its life) than the one that the phone has: CAPF has to be regenerated first. With the defaults, LSCs and CAPF
 * certificate of five years both, that comes when the first LSC is two thirds through its life.
 * Source: behaviour.md 2.4, 5.4, scenarios 9 and 10.
 */
struct capf_waiting {
	uint64_t n;
	int64_t first_end;  /* of the LSCs that wait */
	int64_t issuer_end; /* of the CAPF certificate */
};

/* capf_renewals_waiting: n 0: none; also when an authority elsewhere issues LSCs. Errors: ERR_STORE. */
int capf_renewals_waiting(struct cluster *c, int64_t now, struct capf_waiting *w, struct err *e) MUST_CHECK;

/* capf_waiting_text: of w with n, why they wait: one sentence, without the remedy: CAPF_WAITING_REMEDY. */
#define CAPF_WAITING_TEXT_MAX 256
#define CAPF_WAITING_REMEDY "Run 'set cert regen CAPF': the LSCs that wait are then renewed by themselves."
void capf_waiting_text(const struct capf_waiting *w, char out[CAPF_WAITING_TEXT_MAX]);
