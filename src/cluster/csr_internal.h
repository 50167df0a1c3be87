#pragma once

#include "cluster/cluster_internal.h"
#include "cluster/csr.h"

/* Between csr.c and import_own.c. */

/* csr_unit: as unit_find, and the unit's certificate may come from an authority. Errors: ERR_USAGE. */
int csr_unit(struct cluster *c, const char *unit, const struct unit_rule **rule, struct err *e) MUST_CHECK;

/* csr_get: unit as template_units has it; *entry, zeroed before, is cleared by the caller when it was found. */
int csr_get(struct cluster *c, const char *unit, struct csr_entry *entry, bool *found, struct err *e) MUST_CHECK;

/* csr_none: the error that no request waits. */
int csr_none(const struct unit_rule *rule, struct err *e) MUST_CHECK;

void csr_forget_key(struct cluster *c, const struct unit_rule *rule, const char *pem);
