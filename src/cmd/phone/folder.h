#pragma once

#include "phone/phone.h"

/*
 * A phone's state folder: `state`, CTLFile.tlv, ITLFile.tlv, configuration.xml, the last one that it accepted (decrypted),
 * and its certificates with their keys, PEM: lsc.pem, lsc.key, mic.pem, mic.key; lsc-next.key is a key whose LSC is
 * still to come. Keys are 0600.
 */

/*
 * folder_load: what the folder holds into p, which phone_init made. A folder that is not there, or is empty, is a phone in
 * factory state.
 * A key without a certificate is as if it was not there.
 * Errors: ERR_IO, ERR_PROTO a damaged file, ERR_USAGE a certificate and a key that do not belong together, ERR_NOMEM.
 */
int folder_load(const char *dir, const struct traits_table *table, struct phone *p, struct err *e) MUST_CHECK;

/* folder_identity: a certificate (PEM or DER) and its key (PEM) from two files. Errors: as folder_load. */
int folder_identity(int dir_fd, const char *cert, const char *key, struct phone_identity *id, struct err *e) MUST_CHECK;

/* folder_key: a private key from a PEM file. */
int folder_key(int dir_fd, const char *name, EVP_PKEY **key, struct err *e) MUST_CHECK;

/* folder_exists: has a phone been here before? */
bool folder_exists(const char *dir);

/*
 * folder_save: make the folder, and it says what p is. configuration: empty leaves the one that is there.
 * Each file is replaced whole and not synced: thousands of emulated phones are saved in the time of one fsync, and a power
 * failure that takes one takes nothing that cannot be booted again.
 */
int folder_save(const char *dir, const struct phone *p, struct view configuration, struct err *e) MUST_CHECK;
