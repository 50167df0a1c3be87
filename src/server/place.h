#pragma once

#include "base/bytes.h"
#include "server/config.h"

/*
 * The files that a call control reads. Each is replaced whole; those with the key are for their owner, and the group of
 * [callcontrol], alone. Source: users.md 6.4.
 *     asterisk, kamailio: ccm.crt (chain), ccm.key, lsc-ca.pem (authorities)
 *     freeswitch:         agent.pem (key and chain), cafile.pem (authorities)
 *     files:              ccm.crt, ccm.key, ccm.pem (both), lsc-ca.pem
 */
struct place {
	struct view key;         /* PEM */
	struct view chain;
	struct view authorities;
};

/* In a message between processes: u32 length, octets. */
bool place_put(struct wr *w, struct view text);
bool place_get(struct rd *r, struct view *text); /* views the message */

/* place_folder_check: the folder is there and is not for everybody to write to. Errors: ERR_IO, ERR_USAGE. */
int place_folder_check(const struct config_callcontrol *cfg, struct err *e) MUST_CHECK;

/*
 * place_files: what is as it should be is not written.
 * Out:    *changed: something was.
 * Errors: ERR_IO, ERR_USAGE (no such group, a folder that everybody may write to), with the remedy.
 */
int place_files(const struct config_callcontrol *cfg, const struct place *p, bool *changed, struct err *e) MUST_CHECK;
