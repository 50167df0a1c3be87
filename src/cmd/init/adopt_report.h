#pragma once

#include "cluster/adopt.h"

/* What `init --adopt` says before it writes anything. */
void adopt_report_text(const struct adopt *a);

/* adopt_report_json: Errors: ERR_NOMEM, ERR_IO. */
int adopt_report_json(const struct adopt *a, bool refused, bool dry_run, struct err *e) MUST_CHECK;
