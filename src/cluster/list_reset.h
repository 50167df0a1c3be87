#pragma once

#include "cluster/cluster.h"
#include "format/list.h"
#include "store/generation.h"

/*
 * `utils itl reset`: the ITL signed by a key that phones know when they do not know its usual signer. The rule: the other
 * SAST that is already in the phones' list signs (compose_other_signer). It stays so, also over restarts of the node,
 * until an administrator restarts the TFTP service: a restart that nobody chose must not strand phones.
 * (`utils ctl reset`: mode.h.) Source: behaviour.md 1.4, 9 scenarios 8, 12, 38.
 */

/*
 * cluster_itl_reset: with this node's other key (`utils itl reset localkey`).
 * Errors: ERR_USAGE not the publisher, a generation without another signer, its certificate is missing; ERR_AUTH its key is.
 */
int cluster_itl_reset(struct cluster *c, const char *who, struct notes *notes, struct err *e) MUST_CHECK;

/*
 * cluster_itl_reset_remote: with a key from a recovery export, or from any PKCS#12 file with one key. It signs once and is
 * not kept, so until the reset ends, changes that need another ITL are refused.
 * In:     p12, passphrase: nothing of them stays here.
 * Errors: also ERR_AUTH wrong passphrase; ERR_PROTO no such file; ERR_USAGE several keys, and none is ITLRecovery's.
 */
struct itl_remote {
	struct view p12;
	const char *passphrase;
};
int cluster_itl_reset_remote(struct cluster *c, const char *who, const struct itl_remote *from, struct notes *notes,
			     struct err *e) MUST_CHECK;

/*
 * itl_reset_warnings: before asking: which phones will not take it. Changes nothing.
 * In:     remote NULL: of cluster_itl_reset; without its passphrase, only whether there can be a reset.
 */
int itl_reset_warnings(struct cluster *c, const struct itl_remote *remote, struct notes *notes, struct err *e) MUST_CHECK;

/* cluster_itl_normal: the usual signer again. Out: *changed: there was a reset. */
int cluster_itl_normal(struct cluster *c, const char *who, bool *changed, struct err *e) MUST_CHECK;

/* itl_normal_warnings: which phones would not take that; nothing when there is no reset. */
int itl_normal_warnings(struct cluster *c, struct notes *notes, struct err *e) MUST_CHECK;

/* list_reset_state: whose key signed the list in force; NORMAL also when there is none. */
int list_reset_state(struct cluster *c, enum list_type type, enum store_signer *by, struct err *e) MUST_CHECK;

/* list_reset_notes: a sentence when it is not the usual signer's. */
int list_reset_notes(struct cluster *c, enum list_type type, struct notes *notes, struct err *e) MUST_CHECK;
