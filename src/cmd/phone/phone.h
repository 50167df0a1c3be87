#pragma once

#include "cmd/cmd.h"
#include "cmd/phone/driver.h"

extern const struct cmd cmd_phone, cmd_phone_boot, cmd_phone_show, cmd_phone_erase, cmd_phone_fleet;

/* phone_interval: seconds between two tries of CAPF, 0 to an hour; false for anything else. */
bool phone_interval(const char *text, uint64_t *seconds);

/* phone_transport: what --transport says; false for an unknown word. */
bool phone_transport(const char *word, enum driver_transport *t);
