#pragma once

#include "server/config.h"

/* The settings of [keystore], for config.c: each takes the text behind the "=". Errors: ERR_USAGE, with what is allowed. */
int config_keystore_token(struct config *c, const char *v, struct err *e) MUST_CHECK;
int config_keystore_pin_file(struct config *c, const char *v, struct err *e) MUST_CHECK;
int config_keystore_units(struct config *c, const char *v, struct err *e) MUST_CHECK;
int config_keystore_folders(struct config *c, const char *v, struct err *e) MUST_CHECK;
int config_keystore_sockets(struct config *c, const char *v, struct err *e) MUST_CHECK;

/* config_keystore_write: the section, when there is a token. Returns the new length of out. */
size_t config_keystore_write(char *out, size_t size, size_t used, const struct config_keystore *k);
