#pragma once

#include "cluster/init.h"
#include "server/config.h"

/* Keys of a new node on a hardware token, as the command line of init has it. */
struct init_keystore {
	const char *uri;      /* --keystore; NULL: all keys are in files */
	const char *units, *folders, *sockets, *pin_file;
};

#define INIT_KEYSTORE_UNITS "ITLRecovery, CallManager, CAPF" /* unless others are named: the keys that phones follow */
#define INIT_PIN_FILE "keys/token.pin" /* where the PIN is kept when no other file has it */

/* init_keystore_configure: [keystore] of the configuration. Errors: ERR_USAGE with the option. */
int init_keystore_configure(const struct init_keystore *k, struct config *cfg, struct err *e) MUST_CHECK;

/*
 * init_keystore_open: the token for init_node, logged in before anything is made. A PIN that was typed is kept in the
 * node's folder, unless the token did not take it.
 * In:     data_dir descriptor of the folder. Out: token of *req.
 */
int init_keystore_open(const struct config *cfg, int data_dir, struct init_request *req, struct err *e) MUST_CHECK;
