#pragma once

#include "phone/phone.h"

/*
 * A phone's state folder: `state`, CTLFile.tlv, ITLFile.tlv, and configuration.xml, the last one that it accepted.
 */

/*
 * folder_load: what the folder holds into p, which phone_init made. A folder that is not there, or is empty, is a phone in
 * factory state.
 * Errors: ERR_IO, ERR_PROTO a damaged file, ERR_NOMEM.
 */
int folder_load(const char *dir, const struct traits_table *table, struct phone *p, struct err *e) MUST_CHECK;

/* folder_exists: has a phone been here before? */
bool folder_exists(const char *dir);

/*
 * folder_save: make the folder, and it says what p is. configuration: empty leaves the one that is there.
 * Each file is replaced whole and not synced: thousands of emulated phones are saved in the time of one fsync, and a power
 * failure that takes one takes nothing that cannot be booted again.
 */
int folder_save(const char *dir, const struct phone *p, struct view configuration, struct err *e) MUST_CHECK;
