#pragma once

#include "pki/issue.h"

/* What certificates of units and of phones have in common: for issue.c and lsc.c. */
#define ISSUE_DAY_S 86400
#define ISSUE_SERIAL_OCTETS 16

/* issue_serial: a positive random number of that many octets. Errors: ERR_IO. */
int issue_serial(uint8_t serial[ISSUE_SERIAL_OCTETS], const struct random_source *rnd, struct err *e) MUST_CHECK;
