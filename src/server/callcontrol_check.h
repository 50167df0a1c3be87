#pragma once

#include "server/config.h"
#include "server/privileges.h"

/*
 * Is there on this system what [callcontrol] names: the group, the folder, the programs? A file that names what there is
 * not may be in order again in a moment, so who only reads ringfence.conf does not ask.
 * Out:    each mistake to report, without a line.
 * Errors: ERR_USAGE the first of them.
 */
int callcontrol_check(const struct config_callcontrol *cfg, const struct privileges *who,
		      const struct config_report *report, struct err *e) MUST_CHECK;
